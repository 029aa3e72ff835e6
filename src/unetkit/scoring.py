"""Score masks that anyone made against the truth: which belongs to which, and how both are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy.typing as npt

from unetkit.classes import Classes, read_stated
from unetkit.dataset.encoding import find_classes, infer_classes, read_label_map
from unetkit.dataset.foreign import Reading, find_reading, read_foreign
from unetkit.dataset.numbered import compact_ids, numbered_objects, why_no_objects
from unetkit.dataset.pairing import MASK_SUFFIXES, by_name, find_partners
from unetkit.errors import FileError, InputError, UnclearMasks
from unetkit.evaluation import Evaluation, Pair, evaluate_pairs
from unetkit.formats import read_header, read_mask
from unetkit.memory import require_memory


def score_folders(
    prediction_folder: str | PathLike[str],
    truth_folder: str | PathLike[str],
    *,
    classes: Classes | str | PathLike[str] | None = None,
    encoding: Reading | None = None,
    objects: bool | None = None,
    seed: int = 0,
    tolerance: float = 2.0,
) -> Evaluation:
    """Score masks that anyone made against the truth, paired by path below the folders without suffix.

    Where a name is missing, the one that differs by a usual ending of masks ("a_mask" and "a") is taken. Predictions
    without a true mask are left out.

    Predictions may be written as the truth is ("truth"), as class indices 0 … K−1 ("indices"), of two classes as 0 and
    255 ("binary"), or in the classes' colours ("colours"). Which it is follows from all their values together; where
    two readings fit and disagree, the user must say.

    Args:
        prediction_folder: masks to score.
        truth_folder: true masks.
        classes: of the truth, or the classes.yaml that states them; None takes the one in the folder of the true masks
            or above it, and what no file states is inferred from the masks.
        encoding: how the predictions are written; None decides by their values.
        objects: whether to score objects too, whose numbers the masks then hold; None does so where the true masks are
            instance masks and the predictions number objects as well.
        seed: of the bootstrap.
        tolerance: of NSD, in pixels of the finest axis.

    Returns:
        The evaluation; spacing is taken from the true masks. The summary also says how the masks were read: `truth`
        (where the classes come from), `predictions` (the encoding), `paired` (by what names) and, of instance masks,
        `numbered` (whether objects were scored, or why not).

    Raises:
        InputError: true masks without a prediction or with several, sizes that differ, values that fit no reading or
            two, numbers that may be objects or classes, or a mask that is larger than the memory.
        FileError: a mask or classes.yaml that cannot be used.

    Example:
        >>> score_folders("predictions", "data/masks").summary["mean"]["dice"]  # doctest: +SKIP
        {'mean': 0.91, 'low': 0.88, 'high': 0.93, 'n': 40, 'undefined': 0}
    """
    offered, truths = _masks_below(Path(prediction_folder)), _masks_below(Path(truth_folder))
    partners = _partners(offered, truths, Path(prediction_folder), Path(truth_folder))
    predictions = {name: offered[partner] for name, partner in partners.items()}
    _require_room(*truths.values(), *predictions.values())
    known, ordered = _true_classes(classes, Path(truth_folder), list(truths.values()), objects)
    if objects:
        known = _as_instances(known, list(truths.values()), list(predictions.values()))
    if encoding is None:
        encoding = find_reading(list(predictions.values()), known, ordered=ordered)
    read = {"truth": known.evidence or "classes as stated", "predictions": encoding, "paired": _pairing(partners)}
    if objects is None and known.encoding == "instances":
        reason = _why_not(list(predictions.values()), known, encoding)
        objects = reason is None
        read["numbered"] = "objects are scored" if reason is None else f"objects are not scored: {reason}"
    pairs = _read_pairs(predictions, truths, known, encoding, numbered=bool(objects))
    done = evaluate_pairs(pairs, known, seed=seed, tolerance=tolerance)
    return Evaluation(done.rows, {**done.summary, **read}, done.objects)


def _require_room(*paths: Path) -> None:
    """Refuse, before anything is read, a mask that cannot be scored in memory."""
    for path in paths:
        header = read_header(path)
        pixels = prod(header.shape)
        require_memory(
            pixels * (4 * header.dtype.itemsize + 10),
            "mask is larger than the memory holds",
            amount=f"{pixels:,} pixels",
            mend="score parts of the image",
            file=path,
        )


def _as_instances(classes: Classes, truths: Sequence[Path], predictions: Sequence[Path]) -> Classes:
    """The classes of masks that number objects, as the user says; refused where the masks speak against it."""
    for name, masks in (("true masks", truths), ("predictions", predictions)):
        stated = classes.encoding == "instances" and masks is truths
        reason = None if stated else why_no_objects(masks, classes.ignore_values)
        if reason is not None:
            raise InputError(
                f"the {name} do not number their objects",
                file=masks[0].parent,
                found=reason,
                expected="one number an object",
                mend="leave --objects out to score pixels alone, or number the objects "
                "(in Python: unetkit.objects.instance_mask)",
            )
    if classes.encoding == "instances":
        return classes
    evidence = f"numbers of objects, as --objects says ({classes.evidence})"
    fields = {"encoding": "instances", "dtype": classes.dtype, "ignore_values": classes.ignore_values}
    return Classes.model_validate({"names": ("background", "foreground"), "evidence": evidence, **fields})


def _why_not(predictions: Sequence[Path], classes: Classes, encoding: Reading) -> str | None:
    """Why predictions beside instance masks are not taken for numbered objects unless the user says so."""
    if classes.label_divisor:
        return None if encoding == "truth" else "the predictions hold classes alone"
    ask = "; say --objects if the predictions do number objects"
    try:
        reason = why_no_objects(predictions, classes.ignore_values)
        if reason is None and all(len(_numbers(path, classes)) <= 1 for path in predictions):
            reason = "no prediction holds more than one number"
    except FileError as error:
        return error.what
    return reason and reason + ask


def _numbers(path: Path, classes: Classes) -> npt.NDArray[Any]:
    """The numbers of a mask's objects."""
    return compact_ids(read_mask(path).values, path, classes.ignore_values)[1]


def _true_classes(
    stated: Classes | str | PathLike[str] | None, folder: Path, masks: Sequence[Path], objects: bool | None
) -> tuple[Classes, bool]:
    """The classes of the true masks, and whether the order of their colours was stated.

    Where numbers may be objects or classes, `objects` says which.
    """
    if isinstance(stated, Classes):
        return stated, True
    named = folder if folder.name not in ("", "..") else folder.resolve()
    usual = (folder / "classes.yaml", named.parent / "classes.yaml")
    file = Path(stated) if stated is not None else next((path for path in usual if path.is_file()), None)
    said = read_stated(file) if file is not None else {}
    try:
        classes = find_classes(file, masks) if file is not None else infer_classes(masks)
    except UnclearMasks as error:
        if objects is None:
            mend = f"say --objects or --no-objects; or {error.mend}"
            raise InputError(error.what, file=folder, found=error.found, mend=mend) from error
        classes = infer_classes(masks, stated={**said, "encoding": "instances" if objects else "values"})
    if file is not None:
        classes = classes.model_copy(update={"evidence": f"{classes.evidence} ({file})"})
    return classes, "colours" in said


def _read_pairs(
    predictions: Mapping[str, Path],
    truths: Mapping[str, Path],
    classes: Classes,
    encoding: Reading,
    *,
    numbered: bool,
) -> Iterable[Pair]:
    for name, path in truths.items():
        truth = read_label_map(path, classes)
        pair = Pair(name, None, read_foreign(predictions[name], classes, encoding), truth.labels, truth.geometry)
        yield _with_objects(pair, predictions[name], path, classes) if numbered else pair


def _with_objects(pair: Pair, prediction: Path, truth: Path, classes: Classes) -> Pair:
    found, true = (numbered_objects(read_mask(path), classes)[0] for path in (prediction, truth))
    pair = replace(pair, prediction_ids=found.ids, truth_ids=true.ids)
    if not classes.label_divisor:
        return pair
    return replace(pair, prediction_classes=found.classes, truth_classes=true.classes)


def _masks_below(folder: Path) -> dict[str, Path]:
    """Mask files by their path below the folder without suffix."""
    if not folder.is_dir():
        raise InputError("is not a folder", file=folder, expected="a folder of masks")
    masks, _ = by_name(folder)
    if not masks:
        raise InputError("holds no masks", file=folder)
    return masks


def _partners(
    predictions: Mapping[str, Path], truths: Mapping[str, Path], prediction_folder: Path, truth_folder: Path
) -> dict[str, str]:
    """The prediction of every true mask, by name; predictions of images that nobody labelled do no harm."""
    partners = find_partners(truths, predictions)
    claimed = Counter(name for found in partners.values() for name in found)
    unclear = [name for name, found in partners.items() if len(found) > 1 or any(claimed[one] > 1 for one in found)]
    if unclear:
        raise InputError(
            f"which prediction belongs to {len(unclear)} of {len(truths)} true masks is not clear",
            file=prediction_folder,
            found=_listed([f"{name} ({' or '.join(partners[name])})" for name in unclear]),
            expected=f"the names below {truth_folder}",
            mend="give each right prediction the name of its true mask",
        )
    missing = [name for name, found in partners.items() if not found]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(truths)} true masks have no prediction",
            file=prediction_folder,
            found=f"{_listed(sorted(predictions))}; none for {_listed(missing)}",
            expected=f"the names below {truth_folder}, whatever the suffix, with or without {' '.join(MASK_SUFFIXES)}",
            mend="give the predictions those names, or take out the true masks that shall not count",
        )
    return {name: found[0] for name, found in partners.items()}


def _pairing(partners: Mapping[str, str]) -> str:
    """How predictions and true masks were paired, for the user."""
    other = [name for name, partner in partners.items() if name != partner]
    return f"{len(other)} by an ending, such as {partners[other[0]]} with {other[0]}" if other else "by name"


def _listed(names: Sequence[object], most: int = 8) -> str:
    return ", ".join(map(str, names[:most])) + (", …" if len(names) > most else "")
