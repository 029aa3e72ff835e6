"""How easily each class is said, chosen by the validation images once the training has ended.

Cross-entropy wants probabilities right, Dice wants the regions right, and few labels or short trainings leave the two
apart: outlines come out too fat or too thin. A constant added to each class's logit moves them. The constants that the
validation images' Dice likes best go into the bias of the last convolution, so that whatever uses the weights has them.
They are those of Saerens, Latinne & Decaestecker ("Adjusting the outputs of a classifier to new a priori
probabilities", 2002), who estimate them where we look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unetkit.classes import IGNORE
from unetkit.dataset import Dataset
from unetkit.metrics.confusion import confusion_matrix
from unetkit.pipeline.loading import load_predictor
from unetkit.pipeline.validation import Validator, mean_dice
from unetkit.training import RunFolder, guard

Look = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]
"""Log-probabilities K n and true classes n of some pixels of an image."""

OFFSETS = sorted(np.arange(-3, 3.01, 0.25).tolist(), key=abs)
"""Tried for each class, the smallest first: of equals it is taken."""

ROUNDS = 2
"""So often each class has its turn, where there are more than two."""

LOOKED = 2_000_000
"""Of the pixels times the classes so many are looked at."""

USUAL_SPREAD = 0.01
"""What the gain of one image differs by from another's; with few images a gain has to exceed about this."""


def balance(run: RunFolder, dataset: Dataset, validate: Validator, say: Callable[[str], None]) -> tuple[float, ...]:
    """Choose the offsets of a trained run and add them to the bias of its heads; once, however often it is called.

    Args:
        run: trained; its plan separates no objects, whose making is tuned instead.
        dataset: the folder.
        validate: holds the validation images; those alone count whose masks are whole.
        say: told the choice.

    Returns:
        What was added to the logit of each class; zeros where it would not have helped by more than chance.
    """
    weights, facts = run.load_weights()
    if "balance" in facts:
        return tuple(facts["balance"])
    offsets, gain, images = _choose(_looks(run, dataset, validate), validate.plan.data.num_classes)
    if any(offsets):
        add_to_heads(weights, offsets)
        told = ", ".join(
            f"{name} {offset:+.2f}" for name, offset in zip(dataset.classes.names, offsets, strict=True) if offset
        )
        say(f"balance of the classes: {told}, which gains {gain:+.3f} Dice on {images} validation images")
    run.save_weights(weights, **facts, balance=list(offsets))
    return offsets


def add_to_heads(weights: dict[str, Tensor], offsets: Sequence[float]) -> None:
    """Add constants, one a class, to what the heads of a network give."""
    for name in weights:
        if name.startswith("heads.") and name.endswith(".bias"):
            weights[name] = weights[name] + weights[name].new_tensor(offsets)


def _looks(run: RunFolder, dataset: Dataset, validate: Validator) -> list[Look]:
    """What is looked at of each validation image that has a whole mask."""
    predictor = load_predictor(run.path)
    pieces = [
        piece
        for piece in validate.pieces
        if dataset.sample(piece.name).marks is None and 2 * (piece.truth != IGNORE).sum() >= piece.truth.size
    ]
    count = validate.plan.data.num_classes
    share = LOOKED / max(count * sum(piece.truth.size for piece in pieces), 1)
    generator = np.random.default_rng(0)
    found: dict[str, list[Look]] = {}
    for piece in pieces:
        statistics = {validate.plan.normalization: piece.statistics}
        _, outputs = predictor.labels_and_outputs(piece.image, statistics=statistics)
        labelled = np.flatnonzero(piece.truth != IGNORE)
        some = labelled[generator.random(len(labelled)) < share]
        logits = np.log(outputs[:count].reshape(count, -1)[:, some].clip(1e-12))
        found.setdefault(piece.name, []).append((logits, piece.truth.reshape(-1)[some]))
    parts = [tuple(zip(*looks, strict=True)) for looks in found.values()]
    return [(np.concatenate(logits, 1), np.concatenate(truth)) for logits, truth in parts]


def _choose(looks: Sequence[Look], count: int) -> tuple[tuple[float, ...], float, int]:
    """The offsets, and what they gain on how many images."""
    alone = _scores(looks, [0.0] * count)
    best, gain, needed, images = [0.0] * count, 0.0, 0.0, 0
    turns = [*range(1, count)] * (ROUNDS if count > 2 else 1)  # only differences count, so the first class stays
    for index, offset in product(turns, OFFSETS):
        tried = [*best[:index], offset, *best[index + 1 :]]
        found = guard.compare(_scores(looks, tried), alone, usual=USUAL_SPREAD)
        if found[0] > gain + 1e-6:
            best = tried
            gain, needed, images = found
    return (tuple(best), gain, images) if gain > needed else ((0.0,) * count, 0.0, images)


def _scores(looks: Sequence[Look], offsets: Sequence[float]) -> list[float]:
    """The Dice of each image with these offsets."""
    added = np.array(offsets, np.float32)[:, None]
    return [
        mean_dice(confusion_matrix((logits + added).argmax(0).astype(np.uint8), truth, len(offsets)))
        for logits, truth in looks
    ]
