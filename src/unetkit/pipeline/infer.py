"""Predict: masks for new images, in the encoding of the masks the model was trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes, read_classes
from unetkit.dataset.numbered import numbers_in_file
from unetkit.errors import InputError, UnetkitError, UsageError
from unetkit.extras import load
from unetkit.formats import files_below, is_image_path, read_header, write_image, write_mask
from unetkit.image import Image, without_data
from unetkit.objects import fewest_bits, label_components, with_classes
from unetkit.pipeline.approximation import Approximation
from unetkit.pipeline.large import IN_MEMORY, predict_large
from unetkit.pipeline.likeness import matched_shape, require_trained_spacing, scale_notes, type_notes
from unetkit.pipeline.loading import load_predictor, member_runs, trained_type
from unetkit.pipeline.missing import classes_with_missing
from unetkit.pipeline.results import Results
from unetkit.plan import Plan
from unetkit.prediction import (
    OwnGrid,
    Predictor,
    Source,
    choose_runtime,
    open_source,
    require_finite,
    resampled,
    source_of,
)
from unetkit.registry import lookup
from unetkit.report.overlay import overlay, to_rgb
from unetkit.training import RunFolder

DECODING = 40
"""Bytes a pixel that telling objects apart takes in memory."""

SAVES = ("labels", "probabilities", "overlay")

FORMS = {"png": ".png", "tif": ".tif", "npy": ".npy", "zarr": ".zarr", "cog": ".tif"}
"""What results can be asked for as: name and suffix."""

FORM_NEEDS = {"zarr": ("zarr", "zarr"), "cog": ("rasterio", "geo")}
"""Package and extra without which a form cannot be written."""

OWN_FORM = {".npy": ".npy", ".zarr": ".zarr", **dict.fromkeys((".tif", ".tiff", ".jp2", ".j2k", ".vrt"), ".tif")}
"""The suffix of the labels, by that of the image, where nothing is asked for; elsewhere .png."""

Progress = Callable[[str, float, int], None]
"""Told (name of the image, finished share 0 to 1, its pixels; 0 of these while it is not prediction that goes on)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of one image: the files written, or why there are none."""

    name: str
    written: tuple[Path, ...] = ()
    fault: UnetkitError | None = None
    notes: tuple[str, ...] = ()


def predict(
    run: str | PathLike[str],
    inputs: Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    save: Sequence[str] = ("labels",),
    overwrite: bool = False,
    skip_existing: bool = False,
    form: str | None = None,
    match_spacing: bool = False,
    predictor: Predictor | None = None,
    progress: Progress = lambda name, share, pixels: None,
) -> Iterator[Prediction]:
    """Predict images one by one, writing each result whole as soon as it is there.

    Args:
        run: folder that `train` wrote.
        inputs: image files, and folders, whose images (sub-folders included) keep their place below `out`.
        out: folder for the results: NAME.png or NAME.tif (labels), NAME_probabilities.tif, NAME_overlay.png.
        save: any of "labels", "probabilities", "overlay".
        overwrite: whether results that exist may be replaced.
        skip_existing: whether images whose results all exist are passed over.
        form: a name in `FORMS`, of labels and probabilities; None: Zarr, NPY and TIFF images give their like.
        match_spacing: whether to resample images to the pixel size the model was trained on, and the result back.
        predictor: a loaded one; else the run's is loaded.
        progress: told how far each image is.

    Yields:
        A Prediction for each image. One that cannot be read does not stop the others: its fault says why.

    Raises:
        RunError: the run cannot be used.
        UsageError: nothing to predict, two images with one name, or results that exist.
        MissingExtra: a package that the form needs is not installed.

    Example:
        >>> list(predict("runs/cells", ["new/"], "masks/"))  # doctest: +SKIP
    """
    for name in save:
        lookup(dict.fromkeys(SAVES), name, "output")
    if form is not None:
        lookup(FORMS, form, "form")
    if form in FORM_NEEDS:
        load(*FORM_NEEDS[form])
    out, folder = Path(out), RunFolder(run)
    predictor = predictor or load_predictor(run)
    if match_spacing:
        require_trained_spacing(predictor.plan.data)
    member, kinds = member_runs(folder)[0], {way.kind for way in predictor.ways}
    classes = read_classes(member.classes)
    jobs = list_inputs(inputs)
    targets = {name: _targets(out / name, path, save, classes, form) for name, path in jobs.items()}
    _require_free(targets, jobs, overwrite, skip_existing)
    approximation, pixels = Approximation(predictor), partial(_pixels, jobs.values())
    format = "cog" if form == "cog" else None
    for name, path in jobs.items():
        if skip_existing and all(target.exists() for target in targets[name].values()):
            continue
        try:
            source, seen = _opened(path, predictor.plan, save, match_spacing)
            results = Results(source, classes, targets[name], predictor.plan.data.num_classes, format)
            notes = _scale_notes(source, seen, predictor.plan) + type_notes(source.dtype, trained_type(member), kinds)
            told = partial(_tell, progress, name, math.prod(source.shape))
            if source.in_memory:
                notes += choose_runtime(predictor, pixels)
                notes += _predict_one(results, seen, predictor, approximation, told)
            else:
                parts = (out / name).with_name(f".{Path(name).name}.journal")
                notes += predict_large(results, seen, predictor, parts, approximation, told, pixels=pixels)
            yield Prediction(name, tuple(targets[name].values()), notes=notes)
        except InputError as error:
            yield Prediction(name, fault=error)


def _pixels(paths: Iterable[Path]) -> int:
    """Of all images together; those that cannot be read do not count."""
    total = 0
    for path in paths:
        with suppress(InputError):
            total += math.prod(read_header(path).shape[1:])
    return total


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
    if entry.is_dir() and not is_image_path(entry):
        files = [path for path in files_below(entry) if is_image_path(path)]
        if not files:
            raise UsageError("holds no images", file=entry, mend="name image files, or a folder with some")
        return [(path.relative_to(entry).with_suffix("").as_posix(), path) for path in files]
    if not entry.exists():
        raise UsageError("does not exist", file=entry)
    return [(entry.stem, entry)]


def _targets(base: Path, source: Path, save: Sequence[str], classes: Classes, form: str | None) -> dict[str, Path]:
    wide = classes.encoding == "values" and classes.dtype not in ("bool", "uint8", "uint16")  # more than PNG holds
    label = FORMS[form] if form else OWN_FORM.get(source.suffix.lower(), ".tif" if wide else ".png")
    probability = ".tif" if label == ".png" else label
    names = {"labels": label, "probabilities": f"_probabilities{probability}", "overlay": "_overlay.png"}
    return {kind: base.with_name(base.name + names[kind]) for kind in save}


def _require_free(
    targets: dict[str, dict[str, Path]], jobs: dict[str, Path], overwrite: bool, skip_existing: bool
) -> None:
    sources = {path.resolve() for path in jobs.values()}
    every = [path for files in targets.values() for path in files.values()]
    if twice := [path for path, count in Counter(every).items() if count > 1]:
        raise UsageError("two results would have one name", found=twice[0], mend="predict these images one by one")
    for path in every:
        if path.resolve() in sources:
            raise UsageError("a result would replace an input image", found=path, mend="name another --out")
    for files in targets.values():
        existing = [path for path in files.values() if path.exists()]
        if existing and not overwrite and not (skip_existing and len(existing) == len(files)):
            mend = "--skip-existing for the other images alone, --overwrite, or name another --out"
            if skip_existing:
                mend = "--overwrite, for the other results of this image are missing, or name another --out"
            raise UsageError("a result exists already", found=existing[0], mend=mend)


def _opened(path: Path, plan: Plan, save: Sequence[str], match_spacing: bool) -> tuple[Source, Source]:
    """The image, and as the model is to see it: itself, or in pixels of the trained size."""
    shape, pixel_bytes = None, 4 * plan.outputs if "probabilities" in save else 1
    if plan.separates:
        pixel_bytes = 4 * (1 + plan.outputs) + DECODING
    if match_spacing:
        header = read_header(path)
        shape = matched_shape(path, header.shape[1:], header.geometry, plan.data)
        growth = max(1.0, math.prod(shape) / math.prod(header.shape[1:]))
        pixel_bytes = math.ceil(growth * (4 * (1 + plan.outputs) + header.shape[0] * header.dtype.itemsize))
    source = _fitted(open_source(path, most=IN_MEMORY, result_bytes=pixel_bytes), plan)
    return source, source if shape in (None, source.shape) else resampled(source, shape)


def _scale_notes(source: Source, seen: Source, plan: Plan) -> tuple[str, ...]:
    if seen is source:
        return scale_notes(source.geometry, plan.data)
    sizes = [" × ".join(map(str, one.shape)) for one in (source, seen)]
    return (f"resampled from {sizes[0]} to {sizes[1]} pixels of the trained size, and back",)


def _tell(progress: Progress, name: str, pixels: int, share: float, predicting: bool = True) -> None:
    progress(name, share, pixels if predicting else 0)


def _predict_one(
    results: Results,
    seen: Source,
    predictor: Predictor,
    approximation: Approximation,
    told: Callable[[float], None],
) -> tuple[str, ...]:
    """Predict an image and write what was asked for; returns what the user should know."""
    predictor.require_match(seen)
    source, targets, classes = results.source, results.targets, results.classes
    image, matched = seen.image(), seen is not source
    notes = image.notes
    if predictor.approximates(image.shape):
        notes += approximation.notes(seen, predictor.measure(image))
    missing = without_data(image.pixels, image.nodata)
    outputs, count = None, predictor.plan.data.num_classes
    if "probabilities" in targets or matched or predictor.plan.separates:
        labels, outputs = predictor.labels_and_outputs(image, progress=told)
        if missing is not None:
            outputs[:, missing] = np.nan
    else:
        labels = predictor.labels(image, progress=told)
    if missing is not None:
        labels[missing] = IGNORE
    if outputs is not None and matched:
        image, (labels, outputs) = source.image(), _on_own_grid(outputs, source, count)
    if outputs is not None and "probabilities" in targets:
        geometry = image.geometry.with_nodata(None if image.nodata is None else math.nan)
        path, names = targets["probabilities"], classes.names
        write_image(path, outputs[:count], geometry=geometry, channels=names, format=results.format)
    if "labels" in targets:
        ids = None
        if outputs is not None and predictor.plan.separates:
            factors = [own / trained for own, trained in zip(source.shape, seen.shape, strict=True)]
            ids = predictor.apart(labels, outputs, factors).ids
        write_labels(targets["labels"], labels, classes, image, format=results.format, ids=ids)
    if "overlay" in targets:
        picture = overlay(to_rgb(image), middle_plane(labels), None, classes)
        write_image(targets["overlay"], np.moveaxis(picture, -1, 0))
    return notes


def _on_own_grid(
    outputs: npt.NDArray[np.float32], source: Source, num_classes: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Labels *S and outputs (K + E) *S of an image, of the outputs (K + E) *S of the resampled one."""
    read = lambda channel, window: outputs[(channel, *window)]  # noqa: E731
    own = OwnGrid(read, source, outputs.shape[1:], num_classes)
    whole = tuple(slice(0, extent) for extent in source.shape)
    return own.labels(whole), np.stack([own.probabilities(channel, whole) for channel in range(len(outputs))])


def middle_plane(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The labels themselves, or of a volume those of the plane that `to_rgb` shows."""
    return labels if labels.ndim == 2 else labels[labels.shape[0] // 2]


def write_labels(
    path: Path,
    labels: npt.NDArray[np.uint8],
    classes: Classes,
    image: Image,
    *,
    format: str | None = None,
    ids: npt.NDArray[np.uint32] | None = None,
) -> None:
    """Write a label map as the training masks were written: values, colours, palette, or numbered objects.

    Args:
        path: where to.
        labels: *S, class indices.
        classes: how the masks were written.
        image: where the pixels lie.
        format: where the suffix does not say it.
        ids: *S, the objects, where they are known better than as connected regions.
    """
    stated, nodata = classes_with_missing(classes, image.nodata)
    geometry = image.geometry.with_nodata(nodata)
    if classes.encoding == "instances":
        ids = label_components(labels).astype(np.uint32) if ids is None else ids
        numbers = numbers_in_file(classes, with_classes(ids, labels).classes)
        write_mask(path, fewest_bits(numbers[ids]), geometry=geometry, format=format)
    else:
        palette = _palette(stated) if classes.palette and path.suffix == ".png" else None
        coloured = classes.encoding == "colours"
        write_mask(path, stated.encode(labels), palette=palette, geometry=geometry, colours=coloured, format=format)


def _palette(classes: Classes) -> tuple[tuple[int, int, int], ...]:
    """The colours by the values that stand in the file; values of no class are black."""
    by_value = dict(zip(classes.values, classes.colours, strict=True))
    last = max((*classes.values, *classes.ignore_values))
    return tuple(by_value.get(value, (0, 0, 0)) for value in range(last + 1))


def _fitted(source: Source, plan: Plan) -> Source:
    """A grey image for a model of colour images gets three equal channels, and says so; anything else must fit."""
    if source.in_memory:
        everywhere = tuple(slice(0, extent) for extent in source.shape)
        require_finite(source, source.read(everywhere), everywhere)
    return source.repeated(3) if source.channels == 1 and plan.data.channels == 3 else source


def match_channels(image: Image, plan: Plan) -> Image:
    """An image as a model of the plan takes it; a grey one for a model of colour images gets three equal channels."""
    return _fitted(source_of(image), plan).image()
