"""What a plan decides from the data alone. Every rule is one small function that gives its reasons in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from unetkit.dataset.fingerprint import MAX_MASKS, Fingerprint
from unetkit.models import MODELS
from unetkit.plan.schema import STATED
from unetkit.registry import lookup

UPRIGHT = 0.35
"""Orientation scores above this mean that up and down are different things (streets), below that they are not."""

COLOURFUL = 0.04
"""Colour above this means photographs in colour: the pretrained encoder has seen such."""

WIDE = 6.0
"""Structures with a median width below this many pixels are finer than the first level of a pretrained encoder."""

TOUCHING = 0.15
"""Of the objects' edges: above this share objects lie against each other, below they are crowded but mostly apart."""

CROWDED = 20
"""Objects an image; with gaps thinner than a third of an object they are meant to be told apart, numbered or not."""

MOSTLY = 0.5
"""From this share of partly labelled images on, a regulariser comes into question."""

POINT_RADIUS = 2.0
"""Pixels around a point that belong to its object however small that is."""

MIXED = 2.0
"""A modality spread above this means images of different kinds, dark field beside bright field."""

UNLIKE = 0.1
"""Share of the unlabelled images from which on they are used by themselves: such as look unlike all that train."""


@dataclass(slots=True)
class Draft:
    """A plan in the making.

    Args:
        facts: the fingerprint of the training images.
        gpu: whether training runs on one.
        wanted: the model the user named.
        may_end_early: whether the user stated a patience, which methods with a guard refuse.
        values: section → key → value, as far as decided.
        reasons: "section.key" → why.
    """

    facts: Fingerprint
    gpu: bool
    wanted: str | None = None
    may_end_early: bool = False
    values: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            section: {}
            for section in ("model", "training", "seeds", "augmentation", "normalization", "objects", "prediction")
        }
    )
    reasons: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: Any, reason: str) -> None:
        """Decide one value."""
        section, _, name = key.partition(".")
        self.values[section][name] = value
        self.reasons[key] = reason


def normalization(draft: Draft) -> None:
    """Each image by itself; channels apart where they measure different things."""
    facts = draft.facts
    means = [channel.mean for channel in facts.intensity]
    spreads = [max(channel.std, 1e-9) for channel in facts.intensity]
    unlike = facts.channels > 4 or (facts.channels > 1 and max(spreads) > 4 * min(spreads))
    apart = f"channels are on different scales (means {min(means):.3g} to {max(means):.3g})"
    draft.put("normalization.kind", "image", "each image is scaled by itself: exposure and staining matter less")
    draft.put("normalization.per_channel", unlike, apart if unlike else "one scale for all keeps ratios of colours")


def patch_and_batch(draft: Draft) -> None:
    """Patches of at most 256 px (64 in volumes), two a step on a CPU, eight on a GPU."""
    facts = draft.facts
    volume = facts.spatial_dims == 3
    most, unit = (64, 8) if volume else (256, 32)
    patch = tuple(max(unit, min(extent, most) // unit * unit) for extent in facts.shapes_median)
    shape = " × ".join(map(str, facts.shapes_median))
    draft.put("training.patch", patch, f"context enough, and many steps in the time; the median image has {shape}")
    if draft.gpu:
        draft.put("training.batch", 8, "a GPU is idle with fewer")
    else:
        draft.put("training.batch", 2, "on a CPU larger batches cost as much a patch, and steps matter most")


def symmetries(draft: Draft) -> None:
    """Flips and turns, unless the picture has an up and a down."""
    facts = draft.facts
    upright = facts.orientation > UPRIGHT
    score = f"orientation score {facts.orientation:.2f}"
    if upright:
        why = f"up and down are different things here ({score}): only left and right are swapped"
        flips: tuple[bool, ...] = (*[False] * (facts.spatial_dims - 1), True)
    else:
        why = f"no direction is special here ({score} of 1)"
        flips = (True,) * facts.spatial_dims
    draft.put("augmentation.flips", flips, why)
    draft.put("augmentation.quarter_turns", not upright, why)


def deformations(draft: Draft) -> None:
    """One patch in three is warped: turned, scaled, sheared and bent."""
    facts = draft.facts
    upright = facts.orientation > UPRIGHT
    patch = draft.values["training"]["patch"]
    draft.put("augmentation.warp_probability", 0.33, "the others keep their exact pixels, and that costs no time")
    draft.put(
        "augmentation.rotation", 10.0 if upright else 45.0, "a little tilt" if upright else "any angle is possible"
    )
    draft.put("augmentation.scale", (0.75, 1.35), "things come in sizes and distances")
    draft.put("augmentation.shear", 5.0, "a little perspective")
    if upright:
        draft.put("augmentation.elastic_sigma", 0.0, "made things do not bend")
    else:
        sigma = round(min(10.0, min(patch) / 16), 1)  # beyond an eighth of the grid's distance the picture folds
        draft.put("augmentation.elastic_sigma", sigma, "tissue, cells and plants bend (px, as in the 2015 paper)")
    if facts.spacing is not None:
        draft.put("augmentation.spacing", facts.spacing, "true distances, as the files state them")


def intensities(draft: Draft) -> None:
    """Exposure, contrast, focus and noise vary a little, in a few patches."""
    for key, value, reason in (
        ("intensity_probability", 0.15, "a few patches look different, most look as they are"),
        ("brightness", 0.3, "exposure varies"),
        ("contrast", (0.75, 1.3), "exposure varies"),
        ("gamma", (0.7, 1.4), "staining and sensors differ"),
        ("blur", 1.0, "focus varies"),
        ("noise", 0.1, "sensors are noisy"),
    ):
        draft.put(f"augmentation.{key}", value, reason)


def model(draft: Draft) -> None:
    """A pretrained encoder for colour photographs of things that are not thin, else a plain U-Net."""
    facts = draft.facts
    known = [width for width in facts.thickness[1:] if width > 0]
    width = median(known or [0.0])
    colourful = facts.channels == 3 and facts.colour > COLOURFUL
    if draft.wanted is not None:
        lookup(MODELS, draft.wanted, "model")
        draft.put("model.name", draft.wanted, STATED)
    elif facts.spatial_dims == 3:
        draft.put("model.name", "unet", "volumes: there is no pretrained encoder for them")
    elif _of_kinds(facts):
        draft.put("model.name", "unet", "images of different kinds: photographs prepare an encoder for few of them")
    elif colourful and width >= WIDE:
        draft.put("model.name", "unet-lite0", "colour photographs: an encoder pretrained on photographs knows them")
    elif colourful and not known and facts.partial:
        draft.put("model.name", "unet", "no whole object is labelled: nobody knows if they are wide enough for another")
    elif colourful:
        thin = f"structures of about {width:.0f} px"
        draft.put("model.name", "unet", f"{thin} are finer than the first level of a pretrained encoder")
    else:
        draft.put("model.name", "unet", "no photographs in colour: an encoder pretrained on those has little to give")
    if draft.values["model"]["name"] == "unet-lite0" and not draft.gpu:
        draft.put("model.widths", [8, 16, 24, 40, 80], "a slim decoder: on a CPU more steps beat more channels")
    name = draft.values["model"]["name"]
    if name == "unet++":
        draft.put("training.deep_supervision", True, "its levels are trained together, so that prediction can prune it")
    if {"depth", "width"} <= set(MODELS[name].options) and name != "unet-2015":  # that one is the paper's
        _size(draft)


def _size(draft: Draft) -> None:
    """Depth, width and normalisation of the members that have such."""
    facts = draft.facts
    if _of_kinds(facts):
        spread = f"images are of different kinds (spread {facts.modality_spread:.1f})"
        if _has_unlike(facts):
            spread = f"{len(facts.unlike)} of {facts.unlabelled} unlabelled images look unlike all that train"
        draft.put("model.norm", "instance", f"{spread}: each is normalised by itself, at the price of exact tiles")
        draft.put("training.channels_last", False, "faster with this normalisation, measured")
    smallest = min(draft.values["training"]["patch"])
    most = 5 if draft.gpu else 3
    depth = max(1, min(most, int(math.log2(smallest)) - 2))
    draft.put("model.depth", depth, "a GPU has time for more context" if draft.gpu else "steps beat depth on a CPU")
    if draft.gpu:
        draft.put("model.width", 32, "a GPU is idle with fewer channels")
    else:
        draft.put("model.width", 8, "slim: steps beat channels on a CPU")


def _of_kinds(facts: Fingerprint) -> bool:
    """Whether images of different kinds are to be predicted: those that train are such, or unlabelled ones are."""
    return facts.modality_spread > MIXED or _has_unlike(facts)


def _has_unlike(facts: Fingerprint) -> bool:
    """Whether enough of the unlabelled images look unlike all that train."""
    return bool(facts.unlike) and len(facts.unlike) >= UNLIKE * facts.unlabelled


def method(draft: Draft) -> None:
    """Labelled images alone, unless there are unlabelled ones of a kind that none of them shows."""
    facts = draft.facts
    if not facts.unlabelled:
        return
    counts = f"{facts.labelled} labelled images, {facts.unlabelled} without a label"
    if _has_unlike(facts):
        odd = f"{len(facts.unlike)} of these look unlike all that train (decision 0022)"
        if draft.may_end_early:
            draft.put("training.method", "supervised", f"{counts}; {odd}: patience leaves no share of a run to them")
        else:
            draft.put("training.method", "histogram-matching", f"{counts}; {odd}: kept only if the guard says so")
    else:
        how = "--set training.method=unimatch learns from these too"
        draft.put("training.method", "supervised", f"{counts}; {how}")


def loss(draft: Draft) -> None:
    """Cross-entropy and Dice; a third of the patches hold a rare class."""
    draft.put("training.loss", "ce+dice", "cross-entropy is smooth, Dice is what counts; together they rarely fail")
    draft.put("training.foreground", 0.33, "a third of the patches is made to hold a rare class")


def few_labels(draft: Draft) -> None:
    """How labels are used that do not show whole objects."""
    facts = draft.facts
    if not facts.partial:
        return
    partial = f"{facts.partial} of {facts.labelled} images are labelled in part"
    draft.reasons["training.loss"] += f"; {partial}: on the labelled pixels alone"
    draft.reasons["training.foreground"] += "; where an image is labelled in part, every patch holds some label"
    if facts.partial >= MOSTLY * facts.labelled:
        why = "'sparse-crf' lost more often than it won on scribbles, points and boxes, measured (decision 0021)"
        draft.put("training.regulariser", "none", why)
    if "point" in facts.marked:
        radius, why = POINT_RADIUS, "small, as nobody outlined an object"
        if sizes := [size.median for size in facts.object_sizes if size.objects]:
            radius = max(POINT_RADIUS, round(min(sizes) / 4, 1))
            why = "half the radius of the objects in whole masks"
        draft.put("seeds.point_radius", radius, f"points grow to discs (px), at most half way to the next; {why}")
        draft.put("seeds.point_borders", True, "half way between points is background, where all objects have one")
    if "box" in facts.marked:
        draft.put("seeds.box_core", 0.2, "the middle fifth of a box is its class; the rest of its inside stays open")


def optimization(draft: Draft) -> None:
    """AdamW with a rate that falls to zero when the time is over."""
    draft.put("training.optimizer", "adamw", "reaches a good score in the fewest steps")
    draft.put("training.schedule", "cosine", "falls to zero when the budget ends: the last steps settle")
    draft.put("training.ema", 0.99, "the mean of the last hundred weights is steadier than the last ones")
    draft.put("training.patience", 0, "never ends early: with a rate that falls to zero, the best weights come late")
    why = "outlines too fat or too thin are mended by what the validation images say, measured (decision 0027)"
    draft.put("training.balance", True, why)


def objects(draft: Draft) -> None:
    """A rim between objects that touch, weighed gaps between crowded ones; decision 0017 has the measurements."""
    facts = draft.facts
    size = facts.object_sizes[0] if len(facts.object_sizes) == 1 else None
    crowd = size.objects / min(facts.labelled, MAX_MASKS) if size is not None else 0.0
    gap = facts.thickness[0]
    if facts.marked:
        draft.put("objects.separate", "components", "connected regions are objects: marks do not show where others end")
    elif facts.numbered and facts.touching_share > TOUCHING:
        share = f"{facts.touching_share:.0%} of their edges touch another"
        draft.put("objects.separate", "boundary", f"objects are numbered and {share}: a rim is learnt between them")
    elif facts.numbered:
        share = f"{facts.touching_share:.0%} of their edges touch"
        draft.put("objects.separate", "border", f"objects are numbered and {share}: the gaps between them weigh more")
    elif size is not None and crowd >= CROWDED and 0 < gap <= size.median / 3:
        crowded = f"{crowd:.0f} objects an image with gaps of about {gap:.0f} px"
        draft.put("objects.separate", "border", f"{crowded}: the gaps weigh more, so that they stay open")
    else:
        draft.put("objects.separate", "components", "connected regions are objects: nothing here is crowded")


def prediction(draft: Draft) -> None:
    """Flipped views are averaged; the predictor does so by itself for images that need no tiles."""
    views = 2 ** sum(draft.values["augmentation"]["flips"])
    why = f"the mean of {views} flipped views scores better; --no-tta is {views} times faster"
    draft.put("prediction.augment", views > 1, why if views > 1 else "no direction may be flipped here")


RULES: tuple[Callable[[Draft], None], ...] = (
    normalization,
    patch_and_batch,
    symmetries,
    deformations,
    intensities,
    model,
    method,
    loss,
    few_labels,
    optimization,
    objects,
    prediction,
)
"""In the order in which they build on each other."""
