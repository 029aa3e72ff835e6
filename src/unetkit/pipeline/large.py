"""Images that are not held in memory: predicted tile by tile into a journal, and written from it when all is there."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from unetkit import __version__
from unetkit.classes import IGNORE
from unetkit.files import stamp, sweep_beside
from unetkit.pipeline.approximation import Approximation
from unetkit.pipeline.results import Results
from unetkit.prediction import (
    Journal,
    OwnGrid,
    Piece,
    Predictor,
    Source,
    best_tile,
    choose_runtime,
    measure_source,
    to_labels,
)

IN_MEMORY = 512 * 2**20
"""An image is held in memory while it and what is made of it take no more bytes."""

MEASURED, PREDICTED = 0.02, 0.92
"""The progress when the file was looked through once, and when all parts are there."""

RECORDING = 2
"""Finished parts that may wait to be written."""

Tell = Callable[[float, bool], None]
"""Told (finished share 0 to 1, whether it is prediction that goes on)."""


def predict_large(
    results: Results,
    seen: Source,
    predictor: Predictor,
    journal: Path,
    approximation: Approximation,
    tell: Tell,
    *,
    pixels: Callable[[], int] | None = None,
) -> tuple[str, ...]:
    """Predict an image part by part; a prediction that was killed goes on from its finished parts.

    Args:
        results: what is to be written, and of which image.
        seen: that image as the networks are to see it: itself, or resampled.
        predictor: the trained networks.
        journal: where finished parts are kept until the results are whole.
        approximation: says what is to be said of parts that are not exact.
        tell: hears of the progress.
        pixels: how many there are to predict, other images included; None: those of this one.

    Returns:
        What the user should know.

    Raises:
        FileError: a damaged file, NaN pixels, a result that cannot be written, a full disk; finished parts are kept.
    """
    results.require_writable()
    source, matched = results.source, seen is not results.source
    keep_probabilities = matched or results.needs_probabilities
    statistics = measure_source(seen, predictor.ways, progress=lambda share: tell(MEASURED * share, False))
    facts = _facts(seen, predictor, keep_probabilities=keep_probabilities)
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
        for path in results.targets.values():
            sweep_beside(path)  # what a kill left of a result; the journal is locked, so nobody is writing it
        notes += approximation.notes(seen, statistics, tile=tile)
        _predict(seen, predictor, parts, statistics, tell, keep_probabilities=keep_probabilities)
        count = predictor.plan.data.num_classes
        own = OwnGrid(parts.probabilities, source, seen.shape, count) if matched else parts
        notes += results.write(own, lambda share: tell(PREDICTED + (1 - PREDICTED) * share, False), f"{tile}")
    except BaseException:
        parts.close()
        raise
    parts.remove()
    return tuple(notes)


def _facts(source: Source, predictor: Predictor, *, keep_probabilities: bool) -> dict[str, Any]:
    """What finished parts depend on."""
    assert source.path is not None
    sections = {"model", "normalization", "augmentation", "objects", "prediction"}
    return {
        "unetkit": __version__,
        "image": stamp(source.path),
        "shape": source.shape,
        "weights": predictor.digest(),
        "plans": [plan.model_dump(mode="json", include=sections) for plan in predictor.plans],
        "augment": predictor.augment,
        "tile": predictor.tile,
        "runtime": predictor.asked,
        "precision": predictor.precision,
        "device": predictor.device.type,
        "copies": [network.copy_digest for network in predictor.networks],
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
        assert piece.extra is not None
        probabilities = torch.cat([piece.logits.softmax(0), piece.extra]).numpy()
        if piece.missing is not None:
            probabilities[:, piece.missing] = np.nan
    parts.append(piece.window, labels, probabilities)
