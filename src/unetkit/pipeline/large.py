"""Images that are not held in memory: predicted tile by tile into a journal, and written from it when all is there."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit import __version__
from unetkit.classes import IGNORE, Classes
from unetkit.files import sweep_beside
from unetkit.formats import Streamed, check_streamed, write_image, write_streamed
from unetkit.image import Array, Image
from unetkit.objects import BandedObjects
from unetkit.pipeline.approximation import Approximation
from unetkit.pipeline.missing import classes_with_missing
from unetkit.prediction import Journal, Piece, Predictor, Source, best_tile, choose_runtime, measure_source, to_labels
from unetkit.prediction.tiles import Window
from unetkit.report.overlay import overlay, to_rgb

IN_MEMORY = 512 * 2**20
"""An image is held in memory while it and what is made of it take no more bytes."""

BAND = {2: 256, 3: 8}
"""Rows (planes) in which objects are numbered."""

OVERVIEW = 2048
"""Side of the picture that stands for an overlay."""

OVERVIEW_BYTES = 64 * 2**20
"""Of the pixels read at a time for it."""

MEASURED, PREDICTED = 0.02, 0.92
"""The progress when the file was looked through once, and when all parts are there."""

RECORDING = 2
"""Finished parts that may wait to be written."""

Tell = Callable[[float, bool], None]
"""Told (finished share 0 to 1, whether it is prediction that goes on)."""


def predict_large(
    source: Source,
    predictor: Predictor,
    classes: Classes,
    targets: Mapping[str, Path],
    journal: Path,
    approximation: Approximation,
    tell: Tell,
    *,
    pixels: Callable[[], int] | None = None,
) -> tuple[str, ...]:
    """Predict an image part by part; a prediction that was killed goes on from its finished parts.

    Args:
        source: the image.
        predictor: the trained networks.
        classes: how label files are written.
        targets: any of "labels", "probabilities", "overlay" -> where to.
        journal: where finished parts are kept until the results are whole.
        approximation: says what is to be said of parts that are not exact.
        tell: hears of the progress.
        pixels: how many there are to predict, other images included; None: those of this one.

    Returns:
        What the user should know.

    Raises:
        FileError: a damaged file, NaN pixels, a result that cannot be written, a full disk; finished parts are kept.
    """
    require_writable(source, classes, targets, predictor.plan.data.num_classes)
    statistics = measure_source(source, predictor.ways, progress=lambda share: tell(MEASURED * share, False))
    facts = _facts(source, predictor, keep_probabilities="probabilities" in targets)
    notes = list(source.notes)

    def choose() -> dict[str, Any]:
        notes.extend(choose_runtime(predictor, pixels or (lambda: math.prod(source.shape))))
        return {"tile": predictor.tile or best_tile(predictor), "runtime": predictor.runtime}

    parts = Journal(journal, facts, choose)
    tile, runtime = parts.choice["tile"], parts.choice["runtime"]
    if runtime != predictor.runtime:  # another would not give the same to the last digit
        predictor.run_on(runtime)
    if parts.begun_anew:
        notes.append("begun anew: what stood half-finished was of another image, model or choice of results")
    elif parts.done:
        notes.append(f"gone on from {len(parts.done)} finished parts")
    try:
        for path in targets.values():
            sweep_beside(path)  # what a kill left of a result; the journal is locked, so nobody is writing it
        notes += approximation.notes(source, statistics, tile=tile)
        _predict(source, predictor, parts, statistics, tell, keep_probabilities="probabilities" in targets)
        notes += _write_results(source, parts, classes, targets, predictor.plan.data.num_classes, tell)
    except BaseException:
        parts.close()
        raise
    parts.remove()
    return tuple(notes)


def _facts(source: Source, predictor: Predictor, *, keep_probabilities: bool) -> dict[str, Any]:
    """What finished parts depend on."""
    assert source.path is not None
    stat = source.path.stat()
    sections = {"model", "normalization", "augmentation", "prediction"}
    return {
        "unetkit": __version__,
        "image": [str(source.path.resolve()), stat.st_size, stat.st_mtime_ns],
        "weights": predictor.digest(),
        "plans": [plan.model_dump(mode="json", include=sections) for plan in predictor.plans],
        "augment": predictor.augment,
        "tile": predictor.tile,
        "runtime": predictor.asked,
        "precision": predictor.precision,
        "probabilities": keep_probabilities,
    }


def _predict(
    source: Source, predictor: Predictor, parts: Journal, statistics: Any, tell: Tell, *, keep_probabilities: bool
) -> None:
    """Predict what is not there yet; one thread reads ahead, another records."""
    total = math.prod(source.shape)
    seen = sum(math.prod(stop - start for start, stop in edges) for edges in parts.done)
    tell(MEASURED + (PREDICTED - MEASURED) * seen / total, False)
    with ThreadPoolExecutor(1, "record") as thread:
        waiting: deque[Future[None]] = deque()
        for piece in predictor.pieces(
            source, statistics, tile=parts.choice["tile"], done=parts.done, find_missing=source.nodata is not None
        ):
            waiting.append(thread.submit(_record, parts, piece, keep_probabilities))
            if len(waiting) > RECORDING:
                waiting.popleft().result()
            seen += math.prod(part.stop - part.start for part in piece.window)
            tell(MEASURED + (PREDICTED - MEASURED) * seen / total, True)
        for future in waiting:
            future.result()


def _record(parts: Journal, piece: Piece, keep_probabilities: bool) -> None:
    sizes = [part.stop - part.start for part in piece.window]
    probabilities: npt.NDArray[np.float32] | None = None
    if piece.logits is None:
        labels = np.full(sizes, IGNORE, np.uint8)
    else:
        labels = to_labels(piece.logits)
        if piece.missing is not None:
            labels[piece.missing] = IGNORE
    if keep_probabilities and piece.logits is not None:
        probabilities = piece.logits.softmax(0).numpy()
        if piece.missing is not None:
            probabilities[:, piece.missing] = np.nan
    parts.append(piece.window, labels, probabilities)


def require_writable(source: Source, classes: Classes, targets: Mapping[str, Path], num_classes: int) -> None:
    """Refuse results that cannot be written, before an hour is spent on them."""
    nothing = lambda channel, window: np.zeros(0)  # noqa: E731
    if "labels" in targets:
        coloured, ids = classes.encoding == "colours", classes.encoding == "instances"
        dtype = np.dtype("uint32" if ids else "uint8" if coloured else classes.dtype)
        shape = (3 if coloured else 1, *source.shape)
        check_streamed(targets["labels"], Streamed(shape, dtype, nothing, source.geometry, mask=True))
    if "probabilities" in targets:
        shape, dtype = (num_classes, *source.shape), np.dtype(np.float32)
        check_streamed(targets["probabilities"], Streamed(shape, dtype, nothing, source.geometry, mask=False))


def _write_results(
    source: Source, parts: Journal, classes: Classes, targets: Mapping[str, Path], num_classes: int, tell: Tell
) -> list[str]:
    notes: list[str] = []
    results: dict[Path, Streamed] = {}
    if "labels" in targets:
        results[targets["labels"]] = streamed_labels(source, parts, classes)
    if "probabilities" in targets:
        geometry = source.geometry.with_nodata(None if source.nodata is None else math.nan)
        shape = (num_classes, *source.shape)
        results[targets["probabilities"]] = Streamed(
            shape, np.dtype(np.float32), parts.probabilities, geometry, mask=False
        )
    total = sum(math.prod(result.shape) for result in results.values())
    seen = 0
    for path, result in results.items():

        def read(channel: int, window: Window, result: Streamed = result) -> Array:
            nonlocal seen
            seen += math.prod(part.stop - part.start for part in window)
            tell(PREDICTED + (1 - PREDICTED) * seen / total, False)
            return result.read(channel, window)

        write_streamed(path, replace(result, read=read, identity=f"{source.path} {parts.choice['tile']}"))
    if "overlay" in targets:
        picture, step = overview(source, parts, classes)
        write_image(targets["overlay"], np.moveaxis(picture, -1, 0))
        if step > 1:
            notes.append(f"the overlay shows one pixel in {step} of each row and column")
    tell(1.0, False)
    return notes


def streamed_labels(source: Source, parts: Journal, classes: Classes) -> Streamed:
    """The label file as the training masks were written, to be asked for piece by piece."""
    stated, nodata = classes_with_missing(classes, source.nodata)
    geometry = source.geometry.with_nodata(nodata)
    if classes.encoding == "instances":
        return _numbered(source, parts)
    if classes.encoding == "colours":
        read = lambda channel, window: stated.encode(parts.labels(window))[..., channel]  # noqa: E731
        return Streamed((3, *source.shape), np.dtype(np.uint8), read, geometry, mask=True)
    read = lambda channel, window: stated.encode(parts.labels(window))  # noqa: E731
    return Streamed((1, *source.shape), np.dtype(classes.dtype), read, geometry, mask=True)


def _numbered(source: Source, parts: Journal) -> Streamed:
    """Objects, with the numbers they would have in one piece."""
    across = tuple(slice(0, extent) for extent in source.shape[1:])
    band = BAND[len(source.shape)]
    objects = BandedObjects(lambda start, stop: parts.labels((slice(start, stop), *across)) == 1, source.shape[0], band)
    dtype = np.dtype(np.uint16 if objects.count <= np.iinfo(np.uint16).max else np.uint32)
    held: dict[int, Array] = {}  # one band

    def read(channel: int, window: Window) -> Array:
        start = window[0].start // band * band
        if start not in held:
            held.clear()
            held[start] = objects.ids(start).astype(dtype)
        return held[start][(slice(window[0].start - start, window[0].stop - start), *window[1:])]

    return Streamed((1, *source.shape), dtype, read, source.geometry.with_nodata(None), mask=True)


def overview(source: Source, parts: Journal, classes: Classes) -> tuple[npt.NDArray[np.uint8], int]:
    """The overlay of an image (of a volume, its middle plane), thinned to what one can look at: H W 3, and the step."""
    height, width = source.shape[-2:]
    step = -(-max(height, width) // OVERVIEW)
    middle = source.shape[0] // 2
    plane = [slice(middle, middle + 1)] if len(source.shape) == 3 else []
    rows = step * max(1, OVERVIEW_BYTES // (source.channels * width * source.dtype.itemsize) // step)
    pixels, labels = [], []
    for row in range(0, height, rows):
        window = (*plane, slice(row, min(row + rows, height)), slice(0, width))
        pixels.append(source.read(window)[..., ::step, ::step])
        labels.append(parts.labels(window)[..., ::step, ::step])
    image = Image(np.concatenate(pixels, -2), channels=source.names)
    seen = np.concatenate(labels, -2)
    return overlay(to_rgb(image), seen[0] if plane else seen, None, classes), step
