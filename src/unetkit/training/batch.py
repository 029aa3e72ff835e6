"""What one step sees: patches cut, augmented on the training device, and unlabelled ones in several views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unetkit.augment import augment, source_size
from unetkit.dataset.patches import Change, PatchSource
from unetkit.dataset.unlabelled import UnlabelledSource
from unetkit.methods import Unlabelled, draw_boxes, paste, strong_view, weak_view
from unetkit.plan import Plan
from unetkit.training.parallel import World


def training_batch(
    plan: Plan,
    source: PatchSource,
    step: int,
    places: Sequence[int],
    device: torch.device,
    change: Change | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The augmented patches of one step: images N C *S, labels N *S, valid N *S.

    Args:
        plan: patch size and augmentation.
        source: the images.
        step: number of the step.
        places: which places of the joint batch.
        device: where to augment.
        change: what is done to the intensities of each patch before.
    """
    generators = source.generators(step, places)
    patch = plan.training.patch
    margin = margin_for(plan)
    cut = source.draw(generators, patch, margin, change)
    images, target, valid = (part.to(device, non_blocking=True) for part in cut)
    draws = [torch.Generator().manual_seed(int(g.integers(2**62))) for g in generators]
    return augment(images, target, valid, plan.augmentation, draws, out_size=patch)


def margin_for(plan: Plan) -> int:
    """Pixels cut around a patch, so that turned and shrunk patches find image and not emptiness at their corners."""
    patch = plan.training.patch
    if not plan.augmentation.warps(len(patch)):
        return 0
    source = source_size(plan.augmentation, patch)
    return max((wide - narrow) // 2 for wide, narrow in zip(source, patch, strict=True))


def unlabelled_batch(plan: Plan, source: UnlabelledSource, step: int, world: World, views: int) -> Unlabelled:
    """The unlabelled patches of one step: as many as labelled ones, in a weak view and so many strong ones.

    Args:
        plan: patch size, batch and augmentation.
        source: the images.
        step: number of the step.
        world: the processes; each draws its places of the joint batch.
        views: strong views of each patch.
    """
    patch, places = plan.training.patch, world.places(plan.training.batch)
    generators = source.generators(step, places)
    cut, inside = (
        part.to(world.device, non_blocking=True) for part in source.draw(generators, patch, margin_for(plan))
    )
    draws = [torch.Generator().manual_seed(int(g.integers(2**62))) for g in generators]
    nothing = torch.zeros_like(inside, dtype=torch.int64)
    weak, nothing, valid = augment(cut, nothing, inside, weak_view(plan.augmentation), draws, out_size=patch)
    boxes = draw_boxes(source.generators(step, range(plan.training.batch), part=1), patch, views)
    boxes = tuple(box.to(world.device) for box in boxes)
    strong = []
    for box in boxes:
        changed, _, _ = augment(weak, nothing, valid, strong_view(plan.augmentation), draws)
        strong.append(paste(world.gather(changed), box)[places[0] : places[-1] + 1])
    return Unlabelled(weak, tuple(strong), boxes, world.gather(valid))
