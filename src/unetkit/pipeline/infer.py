"""Predict: masks for new images, in the encoding of the masks the model was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes, read_classes
from unetkit.errors import FileError, InputError, RunError, UnetkitError, UsageError
from unetkit.formats import is_image_path, read_image, write_image, write_mask
from unetkit.image import Image
from unetkit.objects import instance_mask
from unetkit.plan import Plan, build_network, read_plan
from unetkit.prediction import Predictor
from unetkit.registry import lookup
from unetkit.report.overlay import overlay, to_rgb
from unetkit.training import RunFolder
from unetkit.training.parallel import choose_device

TILED = "predicted in tiles; with this network the result may differ a little from one pass over the whole image"

SAVES = ("labels", "probabilities", "overlay")

Progress = Callable[[str, float], None]
"""Told (name of the image, finished share 0 to 1)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of one image: the files written, or why there are none."""

    name: str
    written: tuple[Path, ...] = ()
    fault: UnetkitError | None = None
    notes: tuple[str, ...] = ()


def load_predictor(
    run: str | PathLike[str],
    *,
    device: str = "auto",
    augment: bool | None = None,
    tile: int | None = None,
    prune: int | None = None,
) -> Predictor:
    """The trained model of a run, ready for images; of a cross-validation, all its models together.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        device: "auto", "cpu", "cuda" or "cuda:1".
        augment: average flipped views; None takes the plan's choice.
        tile: side of the tiles in pixels; None takes the plan's choice.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.

    Raises:
        RunError: no such run, not finished, or damaged; or folds that were trained for different data.
        UsageError: a network that cannot be pruned, or has no such level.

    Example:
        >>> load_predictor("runs/cells").labels(read_image("new.png"))  # doctest: +SKIP
    """
    runs = [folder.require() for folder in member_runs(RunFolder(run))]
    plans = [read_plan(folder.plan) for folder in runs]
    models = []
    for folder, plan in zip(runs, plans, strict=True):
        if _form(plan) != _form(plans[0]):
            raise RunError(
                "the folds cannot predict together: the data were changed between them",
                file=folder.plan,
                found=_form(plan),
                expected=_form(plans[0]),
                mend="train them anew, under another --out",
            )
        model = build_network(plan, pretrained=False)
        weights, _ = folder.load_weights()
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise RunError("weights do not fit the plan", file=folder.best, found=str(error).splitlines()[0]) from error
        models.append(model)
    return Predictor(models, plans, device=choose_device(device), augment=augment, tile=tile, prune=prune)


def _form(plan: Plan) -> str:
    """What networks must share to predict together."""
    data = plan.data
    return f"{data.channels} channels, {data.spatial_dims} dimensions, {data.num_classes} classes"


def member_runs(run: RunFolder) -> list[RunFolder]:
    """The run itself, or the folds of a cross-validation."""
    folds = run.read_json("folds.json")
    return [RunFolder(run.path / name) for name in folds["folds"]] if folds else [run]


def predict(
    run: str | PathLike[str],
    inputs: Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    save: Sequence[str] = ("labels",),
    overwrite: bool = False,
    predictor: Predictor | None = None,
    progress: Progress = lambda name, share: None,
) -> Iterator[Prediction]:
    """Predict images one by one, writing each result whole as soon as it is there.

    Args:
        run: folder that `train` wrote.
        inputs: image files, and folders, whose images (sub-folders included) keep their place below `out`.
        out: folder for the results: NAME.png or NAME.tif (labels), NAME_probabilities.tif, NAME_overlay.png.
        save: any of "labels", "probabilities", "overlay".
        overwrite: whether results that exist may be replaced.
        predictor: a loaded one; else the run's is loaded.
        progress: told how far each image is.

    Yields:
        A Prediction for each image. One that cannot be read does not stop the others: its fault says why.

    Raises:
        RunError: the run cannot be used.
        UsageError: nothing to predict, two images with one name, or results that exist.

    Example:
        >>> list(predict("runs/cells", ["new/"], "masks/"))  # doctest: +SKIP
    """
    for name in save:
        lookup(dict.fromkeys(SAVES), name, "output")
    out, folder = Path(out), RunFolder(run)
    predictor = predictor or load_predictor(run)
    classes = read_classes(member_runs(folder)[0].classes)
    jobs = list_inputs(inputs)
    targets = {name: _targets(out / name, path, save, classes) for name, path in jobs.items()}
    _require_free(targets, jobs, overwrite)
    for name, path in jobs.items():
        try:
            yield _predict_one(name, path, predictor, classes, targets[name], progress)
        except InputError as error:
            yield Prediction(name, fault=error)


def list_inputs(inputs: Sequence[str | PathLike[str]]) -> dict[str, Path]:
    """Name below the output folder → image file.

    Raises:
        UsageError: a path that does not exist, a folder without images, or two images with one name.
    """
    jobs: dict[str, Path] = {}
    for name, path in (pair for entry in map(Path, inputs) for pair in _named(entry)):
        if name in jobs and jobs[name] != path:
            raise UsageError(
                "two images would be written to one file",
                found=f"{jobs[name]} and {path}",
                mend="predict them into two folders",
            )
        jobs[name] = path
    if not jobs:
        raise UsageError("no images were named", mend="unetkit predict RUN IMAGES… --out DIR")
    return jobs


def _named(entry: Path) -> list[tuple[str, Path]]:
    """The images an input stands for, each with its name below the output folder."""
    if entry.is_dir():
        files = [path for path in sorted(entry.rglob("*")) if is_image_path(path)]
        if not files:
            raise UsageError("holds no images", file=entry, mend="name image files, or a folder with some")
        return [(path.relative_to(entry).with_suffix("").as_posix(), path) for path in files]
    if not entry.exists():
        raise UsageError("does not exist", file=entry)
    return [(entry.stem, entry)]


def _targets(base: Path, source: Path, save: Sequence[str], classes: Classes) -> dict[str, Path]:
    wide = classes.encoding == "values" and classes.dtype not in ("bool", "uint8", "uint16")  # more than PNG holds
    label = ".tif" if wide or source.suffix.lower() in (".tif", ".tiff", ".npy") else ".png"
    names = {"labels": label, "probabilities": "_probabilities.tif", "overlay": "_overlay.png"}
    return {kind: base.with_name(base.name + names[kind]) for kind in save}


def _require_free(targets: dict[str, dict[str, Path]], jobs: dict[str, Path], overwrite: bool) -> None:
    sources = {path.resolve() for path in jobs.values()}
    every = [path for files in targets.values() for path in files.values()]
    if twice := [path for path, count in Counter(every).items() if count > 1]:
        raise UsageError("two results would have one name", found=twice[0], mend="predict these images one by one")
    for path in every:
        if path.resolve() in sources:
            raise UsageError("a result would replace an input image", found=path, mend="name another --out")
        if path.exists() and not overwrite:
            raise UsageError("a result exists already", found=path, mend="--overwrite, or name another --out")


def _predict_one(
    name: str, path: Path, predictor: Predictor, classes: Classes, targets: dict[str, Path], progress: Progress
) -> Prediction:
    image = match_channels(read_image(path), predictor.plan)
    told = lambda share: progress(name, share)  # noqa: E731
    if "probabilities" in targets:
        probabilities = predictor.probabilities(image, progress=told)
        labels = probabilities.argmax(0).astype(np.uint8)
        write_image(targets["probabilities"], probabilities, geometry=image.geometry)
    else:
        labels = predictor.labels(image, progress=told)
    if "labels" in targets:
        write_labels(targets["labels"], labels, classes, image)
    if "overlay" in targets:
        picture = overlay(to_rgb(image), middle_plane(labels), None, classes)
        write_image(targets["overlay"], np.moveaxis(picture, -1, 0))
    notes = (*image.notes, TILED) if predictor.approximates(image.shape) else image.notes
    return Prediction(name, tuple(targets.values()), notes=notes)


def middle_plane(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The labels themselves, or of a volume those of the plane that `to_rgb` shows."""
    return labels if labels.ndim == 2 else labels[labels.shape[0] // 2]


def write_labels(path: Path, labels: npt.NDArray[np.uint8], classes: Classes, image: Image) -> None:
    """Write a label map as the training masks were written: values, colours, palette, or numbered objects."""
    if classes.encoding == "instances":
        write_mask(path, instance_mask(labels == 1), geometry=image.geometry)
    else:
        palette = _palette(classes) if classes.palette and path.suffix == ".png" else None
        coloured = classes.encoding == "colours"
        write_mask(path, classes.encode(labels), palette=palette, geometry=image.geometry, colours=coloured)


def _palette(classes: Classes) -> tuple[tuple[int, int, int], ...]:
    """The colours by the values that stand in the file; values of no class are black."""
    by_value = dict(zip(classes.values, classes.colours, strict=True))
    last = max((*classes.values, *classes.ignore_values))
    return tuple(by_value.get(value, (0, 0, 0)) for value in range(last + 1))


def match_channels(image: Image, plan: Plan) -> Image:
    """A grey image for a model of colour images gets three equal channels, and says so; anything else must fit."""
    if image.pixels.dtype.kind == "f" and not np.isfinite(image.pixels).all():
        raise FileError("holds NaN or infinite pixels", file=image.path, mend="replace them before predicting")
    if image.pixels.shape[0] == 1 and plan.data.channels == 3:
        note = "grey repeated as red, green, blue"
        return replace(image, pixels=np.repeat(image.pixels, 3, 0), channels=None, notes=(*image.notes, note))
    return image
