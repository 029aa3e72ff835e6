"""Several opinions on one image: where they differ, the model does not know.

Which opinions there are, the run says, in this order:

    folds      the networks of a cross-validation          Lakshminarayanan et al., "Deep ensembles", NeurIPS 2017
    views      flipped views of the image, where the plan allows flips      Wang et al., "Aleatoric uncertainty
               estimation with test-time augmentation", Neurocomputing 2019
    dropout    passes that drop features at random         Gal & Ghahramani, "Dropout as a Bayesian approximation",
               ICML 2016
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import UsageError
from unetkit.models import Segmenter
from unetkit.plan import Plan
from unetkit.prediction import Predictor
from unetkit.prediction.views import Voter, flips_of, mean_of_views

Pixels = Mapping[NormalizationPlan, Tensor]
"""A window of an image, 1 C *S for each way of normalising."""

Opinion = Callable[[Pixels], Tensor]
"""Pixels to class probabilities, K *S."""

PASSES = 8
"""Passes with dropout."""

DROPOUT = (nn.Dropout, nn.Dropout2d, nn.Dropout3d)


@dataclass(frozen=True, slots=True)
class Voters:
    """Who is asked.

    Args:
        opinions: one or more.
        words: what they are, such as "5 folds".
    """

    opinions: tuple[Opinion, ...]
    words: str


def one_voice(predictor: Predictor) -> Voters:
    """The networks without flipped views; of several, each counts as one opinion."""
    own = zip(predictor.models, predictor.plans, strict=True)
    opinions = tuple(_view(predictor, model, plan, ()) for model, plan in own)
    return Voters(opinions, "one network" if len(opinions) == 1 else f"{len(opinions)} folds")


def several_voices(predictor: Predictor) -> Voters:
    """The opinions that a run can give.

    Args:
        predictor: its networks.

    Returns:
        Two opinions or more.

    Raises:
        UsageError: it has one network, no flips are allowed, and it was trained without dropout.
    """
    if len(predictor.models) > 1:
        return one_voice(predictor)
    model, plan = predictor.models[0], predictor.plan
    views = flips_of(plan, True)
    if len(views) > 1:
        return Voters(
            tuple(_view(predictor, model, plan, view) for view in views), f"{len(views)} flipped views of one network"
        )
    if any(isinstance(module, DROPOUT) and module.p > 0 for module in model.modules()):
        dropping = _dropping(model)
        opinions = tuple(_seeded(_view(predictor, dropping, plan, ()), seed) for seed in range(PASSES))
        return Voters(opinions, f"{PASSES} passes with dropout")
    raise UsageError(
        "this run has a single opinion of each image, so nothing can disagree",
        found="one network, no flips in its augmentation, no dropout",
        mend="--strategy entropy, or train with --folds 5 or --set model.dropout=0.2",
    )


def _view(predictor: Predictor, model: Segmenter, plan: Plan, flipped: Sequence[int]) -> Opinion:
    """What a network says of an image when it sees it flipped."""

    def opinion(pixels: Pixels) -> Tensor:
        own = pixels[plan.normalization].to(predictor.device)
        voter = Voter(model, plan, model.grid, [list(flipped)])
        return mean_of_views(voter, own, lambda view: None)[: plan.data.num_classes].float().cpu()

    return opinion


def _dropping(model: Segmenter) -> Segmenter:
    """A copy of a network that drops features as in training."""
    dropping = copy.deepcopy(model)
    for module in dropping.modules():
        if isinstance(module, DROPOUT):
            module.train()
    return dropping


def _seeded(opinion: Opinion, seed: int) -> Opinion:
    """The same opinion each time."""

    def repeated(opinion: Opinion, pixels: Pixels) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return opinion(pixels)

    return partial(repeated, opinion)
