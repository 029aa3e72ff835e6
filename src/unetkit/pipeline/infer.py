"""Predict: masks for new images, in the encoding of the masks the model was trained on, and their objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from unetkit.classes import Classes, read_classes
from unetkit.errors import InputError, UnetkitError, UsageError
from unetkit.extras import load
from unetkit.formats import read_header
from unetkit.image import Image
from unetkit.measuring import groups_near
from unetkit.pipeline.approximation import Approximation
from unetkit.pipeline.large import IN_MEMORY, predict_large
from unetkit.pipeline.likeness import matched_shape, require_trained_spacing, scale_notes, type_notes
from unetkit.pipeline.loading import load_predictor, member_runs, trained_type
from unetkit.pipeline.numbering import numbering_of
from unetkit.pipeline.object_files import Counted, ObjectFiles, object_files
from unetkit.pipeline.object_options import ObjectOptions, require_possible
from unetkit.pipeline.results import Results
from unetkit.pipeline.targets import (
    FORM_NEEDS,
    FORMS,
    SAVES,
    Targets,
    list_inputs,
    named_images,
    require_free,
    targets_of,
)
from unetkit.pipeline.whole import predict_whole
from unetkit.plan import Plan
from unetkit.prediction import (
    Predictor,
    Source,
    choose_runtime,
    open_source,
    require_finite,
    resampled,
    source_of,
)
from unetkit.registry import lookup
from unetkit.training import RunFolder
from unetkit.vector.write import require_holding, shared_files

DECODING = 40
"""Bytes a pixel that telling objects apart, and measuring them, takes in memory."""

SUMMARY = "summary"
"""Name of the two files about the objects of all images."""

WITH_OBJECTS = "--save objects, with what else is wanted: --save labels,objects"

Progress = Callable[[str, float, int], None]
"""Told (name of the image, finished share 0 to 1, its pixels; 0 of these while it is not prediction that goes on)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What became of one image: the files written, or why there are none.

    Args:
        name: of the image, below the output folder; "" stands for all images together.
        written: the files.
        fault: why there are none.
        notes: what the user should know.
        objects: how many objects there are, where they were asked for.
    """

    name: str
    written: tuple[Path, ...] = ()
    fault: UnetkitError | None = None
    notes: tuple[str, ...] = ()
    objects: Counted | None = None


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
    objects: ObjectOptions | None = None,
    predictor: Predictor | None = None,
    progress: Progress = lambda name, share, pixels: None,
) -> Iterator[Prediction]:
    """Predict images one by one, writing each result whole as soon as it is there.

    Args:
        run: folder that `train` wrote.
        inputs: image files, and folders, whose images (sub-folders included) keep their place below `out`.
        out: folder for the results: NAME.png or NAME.tif (labels), NAME_probabilities.tif, NAME_overlay.png,
            NAME_objects.tif and NAME_objects.csv.
        save: any of "labels", "probabilities", "overlay", "objects".
        overwrite: whether results that exist may be replaced.
        skip_existing: whether images whose results all exist are passed over.
        form: a name in `FORMS`, of labels, probabilities and numbered objects; None: Zarr, NPY and TIFF images give
            their like.
        match_spacing: whether to resample images to the pixel size the model was trained on, and the result back.
        objects: how objects are measured, which are removed, and as what else they are written.
        predictor: a loaded one; else the run's is loaded.
        progress: told how far each image is.

    Yields:
        A Prediction for each image. One that cannot be read does not stop the others: its fault says why. Where files
        of all images were written (a summary of objects, COCO), one more at the end, whose name is "".

    Raises:
        RunError: the run cannot be used.
        UsageError: nothing to predict, two images with one name, results that exist, or options of objects that do not
            fit the run or its images.
        DatasetError: a groups.csv beside the images that cannot be read.
        MissingExtra: a package that the form needs is not installed.

    Example:
        >>> list(predict("runs/cells", ["new/"], "masks/", save=("labels", "objects")))  # doctest: +SKIP
    """
    _require_known(save, form, objects)
    out, members = Path(out), member_runs(RunFolder(run))
    predictor = predictor or load_predictor(run)
    if match_spacing:
        require_trained_spacing(predictor.plan.data)
    jobs, options, classes = list_inputs(inputs), objects or ObjectOptions(), read_classes(members[0].classes)
    targets = {name: targets_of(out, name, path, save, classes, form, options) for name, path in jobs.items()}
    shared = shared_files(out, options.formats) if options.formats else ()
    require_free(targets, shared, jobs, overwrite=overwrite, skip_existing=skip_existing)
    summing = "objects" in save and len(jobs) > 1
    if "objects" in save:
        require_possible(options, jobs.values(), classes, predictor.plan.data.spatial_dims)
    if summing and not (overwrite or skip_existing):
        _require_no_summary(out)
    groups = _groups(inputs) if summing else {}
    done = {name for name in jobs if skip_existing and all(path.exists() for path in targets[name].values())}
    trained, approximation = trained_type(members[0]), Approximation(predictor)
    work = _Work(predictor, approximation, classes, trained, jobs, save, form, match_spacing, progress)
    options = replace(options, formats=options.formats if len(done) < len(jobs) else ())
    with object_files(out, options, classes, overwrite=overwrite, summing=summing) as files:
        for name, path in jobs.items():
            try:
                if name in done:
                    files.remember(name, path, targets[name])
                else:
                    notes = work.predict(name, targets[name], out / name, files)
                    yield Prediction(name, tuple(targets[name].values()), None, notes, files.counted.get(name))
            except InputError as error:
                yield Prediction(name, fault=error)
        last = files.write_summary(out / SUMMARY, groups)
    if last or (shared and len(done) < len(jobs)):
        yield Prediction("", (*last, *shared), notes=tuple(files.said))


def _require_known(save: Sequence[str], form: str | None, objects: ObjectOptions | None) -> None:
    """Refuse names of nothing, and options of what is not asked for."""
    for name in save:
        lookup(dict.fromkeys(SAVES), name, "output")
    if form is not None:
        lookup(FORMS, form, "form")
    if form in FORM_NEEDS:
        load(*FORM_NEEDS[form])
    if objects is not None and "objects" not in save:
        raise UsageError(
            "rules, tables and formats of objects without objects", found=f"--save {','.join(save)}", mend=WITH_OBJECTS
        )


def _require_no_summary(out: Path) -> None:
    for suffix in (".csv", ".json"):
        if (path := out / (SUMMARY + suffix)).exists():
            raise UsageError("a summary exists already", found=path, mend="--overwrite, or name another --out")


def _groups(inputs: Sequence[str | PathLike[str]]) -> dict[str, str]:
    """Groups as a groups.csv beside the images states them."""
    groups: dict[str, str] = {}
    for entry in map(Path, inputs):
        groups |= groups_near(entry, [name for name, _ in named_images(entry)])
    return groups


@dataclass(frozen=True, slots=True)
class _Work:
    """What the predictions of all images share."""

    predictor: Predictor
    approximation: Approximation
    classes: Classes
    trained: str | None
    jobs: Mapping[str, Path]
    save: Sequence[str]
    form: str | None
    match_spacing: bool
    progress: Progress

    def predict(self, name: str, targets: Targets, base: Path, files: ObjectFiles) -> tuple[str, ...]:
        """Predict one image and write its results; returns what the user should know."""
        predictor, path, plan = self.predictor, self.jobs[name], self.predictor.plan
        opened = self._opened(path)
        source, seen = opened.source, opened.seen
        if files.options.formats:
            require_holding(name, source.shape, source.geometry, files.options.formats)
        numbering = numbering_of(predictor, self.classes, source.shape, seen.shape)
        format = "cog" if self.form == "cog" else None
        results = Results(name, path, opened.pixels, source, self.classes, targets, numbering, files, format)
        notes = _scale_notes(source, seen, plan)
        notes += type_notes(source.dtype, self.trained, {way.kind for way in predictor.ways})
        told = partial(_tell, self.progress, name, math.prod(source.shape))
        pixels = partial(_pixels, self.jobs.values())
        if source.in_memory:
            notes += choose_runtime(predictor, pixels)
            return notes + predict_whole(results, seen, predictor, self.approximation, told)
        journal = base.with_name(f".{base.name}.journal")
        return notes + predict_large(results, seen, predictor, journal, self.approximation, told, pixels=pixels)

    def _opened(self, path: Path) -> _Opened:
        plan = self.predictor.plan
        shape, pixel_bytes = None, 4 * plan.outputs if "probabilities" in self.save else 1
        if plan.separates or "objects" in self.save:
            pixel_bytes = 4 * (1 + plan.outputs) + DECODING
        if self.match_spacing:
            header = read_header(path)
            shape = matched_shape(path, header.shape[1:], header.geometry, plan.data)
            growth = max(1.0, math.prod(shape) / math.prod(header.shape[1:]))
            pixel_bytes = math.ceil(growth * (4 * (1 + plan.outputs) + header.shape[0] * header.dtype.itemsize))
        pixels = open_source(path, most=IN_MEMORY, result_bytes=pixel_bytes)
        source = _fitted(pixels, plan)
        return _Opened(pixels, source, source if shape in (None, source.shape) else resampled(source, shape))


class _Opened(NamedTuple):
    """An image as its file holds it, as the model takes it, and as the model is to see it: in trained pixels or not."""

    pixels: Source
    source: Source
    seen: Source


def _pixels(paths: Iterable[Path]) -> int:
    """Of all images together; those that cannot be read do not count."""
    total = 0
    for path in paths:
        with suppress(InputError):
            total += math.prod(read_header(path).shape[1:])
    return total


def _scale_notes(source: Source, seen: Source, plan: Plan) -> tuple[str, ...]:
    if seen is source:
        return scale_notes(source.geometry, plan.data)
    sizes = [" × ".join(map(str, one.shape)) for one in (source, seen)]
    return (f"resampled from {sizes[0]} to {sizes[1]} pixels of the trained size, and back",)


def _tell(progress: Progress, name: str, pixels: int, share: float, predicting: bool = True) -> None:
    progress(name, share, pixels if predicting else 0)


def _fitted(source: Source, plan: Plan) -> Source:
    """A grey image for a model of colour images gets three equal channels, and says so; anything else must fit."""
    if source.in_memory:
        everywhere = tuple(slice(0, extent) for extent in source.shape)
        require_finite(source, source.read(everywhere), everywhere)
    return source.repeated(3) if source.channels == 1 and plan.data.channels == 3 else source


def match_channels(image: Image, plan: Plan) -> Image:
    """An image as a model of the plan takes it; a grey one for a model of colour images gets three equal channels."""
    return _fitted(source_of(image), plan).image()
