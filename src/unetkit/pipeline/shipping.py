"""Export: a run's model as files that run without unetkit, each held against the model on the run's own images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from unetkit.classes import read_classes
from unetkit.errors import UnetkitError
from unetkit.export import Credit, Subject
from unetkit.export.graph import InputType
from unetkit.export.write import Exported, require_formats, require_free, write_exports
from unetkit.image import Image
from unetkit.pipeline.assess import Scope, find_scope
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor, member_runs, trained_type
from unetkit.pipeline.whole import middle_plane
from unetkit.plan import Plan
from unetkit.report.overlay import overlay, to_rgb
from unetkit.training import RunFolder

MOST_SAMPLES = 4

SIDE = {2: 768, 3: 48}
"""Samples are cut to the middle of larger images: one pass, on any machine."""

COVER = 256


def export(
    run: str | PathLike[str],
    formats: Sequence[str],
    out: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    dtype: InputType | None = None,
    prune: int | None = None,
    credit: Credit | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Exported, ...]:
    """Write a run's model in other formats; of a cross-validation, the mean of all its models.

    The raw image goes in and class probabilities come out: normalisation, padding and softmax are inside. Flipped views
    and tiles are not.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        formats: names of `unetkit.export.EXPORTS`.
        out: folder for NAME.onnx and so on, NAME being the run's; RUN/export when None.
        overwrite: whether files that exist may be replaced.
        dtype: of the image that goes in; None takes that of the training images where it is uint8, uint16 or float32,
            else float32.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.
        credit: authors, licence and citations, for bioimage.io.
        say: told what is done.

    Returns:
        For each format the files and the largest difference from the model.

    Raises:
        RunError: no such run, not finished, or damaged.
        UnknownName: no such format.
        UsageError: nothing to write, files that exist, or a network that cannot be pruned.
        MissingExtra: a package that a format needs is not installed.
        UnetkitError: a copy does not predict as the model does; nothing is written.

    Example:
        >>> export("runs/cells", ["onnx"])[0].difference  # doctest: +SKIP
        4.2e-07
    """
    folder = RunFolder(run)
    members = [member.require() for member in member_runs(folder)]
    name, out = folder.path.resolve().name, Path(out) if out is not None else folder.path / "export"
    require_free(name, require_formats(formats), out, overwrite=overwrite)
    # samples are no larger than a pass, so nothing is cut into tiles
    predictor = load_predictor(run, device="cpu", augment=False, tile=0, prune=prune)
    dtype = dtype or _training_type(members[0])
    images, origin = _samples(run, predictor.plan, dtype)
    classes = read_classes(members[0].classes)
    say(f"input {dtype}; checked on {origin}")
    if any(plan.prediction.augment for plan in predictor.plans):
        say("flipped views, which the run averages, are left out")
    labels = predictor.labels(images[0])
    subject = Subject(
        name,
        predictor,
        classes,
        images[0].channels or tuple(f"channel {n}" for n in range(predictor.plan.data.channels)),
        dtype,
        images,
        origin,
        _cover(to_rgb(images[0]), overlay(to_rgb(images[0]), middle_plane(labels), None, classes)),
        _score(folder),
        credit or Credit(),
    )
    for left in subject.apart:
        say(f"left out: {left}; connected regions of the copies' classes are other objects than predict's")
    return write_exports(subject, formats, out, overwrite=overwrite, say=say)


def _training_type(run: RunFolder) -> InputType:
    """What most training images are stored as, where a graph can take that."""
    stored = trained_type(run)
    return next((known for known in get_args(InputType) if known == stored), "float32")


def _samples(run: str | PathLike[str], plan: Plan, dtype: InputType) -> tuple[tuple[Image, ...], str]:
    """Images to hold the copies against, in the type of the input, and in words where they come from."""
    try:
        scope = find_scope(run, None, None)
        images = [_image_of(scope, name, plan) for name in _names(scope)]
    except UnetkitError as error:  # gone or changed since: a model is worth keeping all the same
        images, reason = [], error.what
    else:
        reason = "the run has none"
    if images:
        return tuple(_fitted(image, dtype) for image in images), f"{len(images)} {scope.part} images of the run"
    side = SIDE[plan.data.spatial_dims] // 2
    pixels = np.random.default_rng(0).integers(0, 256, (plan.data.channels, *[side] * plan.data.spatial_dims))
    return (_fitted(Image(pixels), dtype),), f"a random image, for of the run's own: {reason}"


def _names(scope: Scope) -> list[str]:
    return [name for _, names in scope.jobs for name in names][:MOST_SAMPLES]


def _image_of(scope: Scope, name: str, plan: Plan) -> Image:
    return match_channels(scope.dataset.read_image(scope.dataset.sample(name)), plan)


def _fitted(image: Image, dtype: InputType) -> Image:
    """The middle of an image, in another type; numbers that it does not hold are cut off."""
    side = SIDE[len(image.shape)]
    middle = tuple(slice(max(n - side, 0) // 2, max(n - side, 0) // 2 + side) for n in image.shape)
    pixels = image.pixels[(slice(None), *middle)]
    if dtype != "float32" and pixels.dtype != dtype:
        pixels = pixels.clip(0, np.iinfo(dtype).max)
    # a graph knows of no nodata value: what stands there is a number like any other
    return Image(np.ascontiguousarray(pixels.astype(dtype)), image.geometry.with_nodata(None), image.channels)


def _cover(image: npt.NDArray[np.uint8], painted: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Two pictures side by side, each a square: H W 3, twice as wide as high."""
    side = min(*image.shape[:2], COVER)
    return np.concatenate([image[:side, :side], painted[:side, :side]], axis=1)


def _score(run: RunFolder) -> str:
    """How good the model is on the run's own images, in words."""
    for part in ("test", "val"):
        summary = run.read_json(f"{part}/summary.json")
        dice = ((summary or {}).get("mean") or {}).get("dice") or {}
        if dice.get("mean") is not None:
            interval = "" if dice.get("low") is None else f" (95 % between {dice['low']:.3f} and {dice['high']:.3f})"
            return f"Mean Dice over {summary['images']} {part} images: {dice['mean']:.3f}{interval}."
    return ""
