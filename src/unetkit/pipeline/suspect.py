"""Suspect: every mask of a dataset held against a model that has not learnt from it, the worst masks first."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, read_classes
from unetkit.dataset import Dataset, Sample, open_dataset
from unetkit.dataset.folder import read_objects
from unetkit.dataset.splits import stored_split
from unetkit.errors import DatasetError, UsageError
from unetkit.files import replacing_folder, scratch, sweep, write_text
from unetkit.formats import FORMATS, write_mask
from unetkit.image import without_data
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor, member_runs
from unetkit.report import Suspect
from unetkit.report.overlay import to_rgb
from unetkit.report.suspicion import SuspectImage, write_suspicion
from unetkit.suspicion import Finding, FirstLook, Verdict, examine, mended
from unetkit.training import RunFolder

COLUMNS = (
    "rank", "image", "suspicion", "label_quality", "finding", "kind", "region", "pixels", "what", "mend", "proposed",
)  # fmt: skip
"""The columns of suspicion.csv, in order."""

SHOWN = 30
"""So many images stand on the page: the most suspicious ones."""

PLACES = 4
"""So many findings of an image are shown."""

MARGIN = 32
"""Pixels around a finding that are shown with it."""

Progress = Callable[[int, int], None]
"""Told (images that are done, images in all); each image is looked at twice and counts as two."""

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What was found in a dataset.

    Args:
        verdicts: on every labelled image, most suspicious first.
        table, page: suspicion.csv and suspicion.html.
        proposed: image to mask file that could replace the one at hand.
        notes: what the user should know.
    """

    verdicts: tuple[Verdict, ...]
    table: Path
    page: Path
    proposed: dict[str, Path]
    notes: tuple[str, ...] = ()


def suspect(
    data: str | PathLike[str],
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    device: str = "auto",
    progress: Progress = lambda done, total: None,
) -> Suspicion:
    """Find the masks that look wrong, with models that have not seen them.

    Args:
        data: folder with images/ and masks/.
        run: folder that `cross_validate` wrote; or a run that has trained on none of these images.
        out: folder for suspicion.csv, suspicion.html and proposed/, which holds masks as they might be right; those of
            an earlier call are replaced. The masks at hand stay as they are.
        device: "auto", "cpu", "cuda" or "cuda:1".
        progress: told how far it is.

    Returns:
        The verdicts, and where the files are.

    Raises:
        RunError: no such run, or an unfinished one.
        DatasetError: no image has a mask.
        UsageError: some image was seen in training by every model of the run; or `out` lies in the data.
        FileError: an image or mask cannot be read, or a result cannot be written.

    Example:
        >>> suspect("DATA", "runs/five", "suspicion").verdicts[0].findings  # doctest: +SKIP
    """
    out, members = require_apart(out, data), [member.require() for member in member_runs(RunFolder(run))]
    dataset = open_dataset(data, classes=read_classes(members[0].classes))
    masked = [sample for sample in dataset.labelled if sample.mask is not None]  # marks are no outlines to hold against
    jobs = _unseen(dataset, masked, members)
    look = _Look(dataset, 2 * len(masked), progress)
    sweep(out)
    with scratch(out / "predicted") as folder:
        first = look.predict(jobs, folder, device)
        verdicts = [_judged(look, sample, folder, first) for sample in masked]
        verdicts.sort(key=lambda verdict: (-verdict.score, 2.0 if isnan(verdict.quality) else verdict.quality))
        proposed = _propose(dataset, verdicts, folder, out)
        pictures = [_pictures(dataset, verdict, folder) for verdict in verdicts[:SHOWN] if verdict.findings]
    classes = dataset.classes
    absent = [name for name, count in zip(classes.names, first.confidence.counts, strict=True) if not count]
    notes = tuple(f"no mask shows {name}: where it is missing cannot be said" for name in absent)
    table, page = out / "suspicion.csv", out / "suspicion.html"
    write_text(table, _table(verdicts, proposed, out))
    write_suspicion(page, Path(data).resolve().name, verdicts, pictures, classes, notes)
    return Suspicion(tuple(verdicts), table, page, proposed, notes)


def require_apart(out: str | PathLike[str], data: str | PathLike[str]) -> Path:
    """The folder for results, once it is known not to lie among the data, where they would be taken for masks.

    Raises:
        UsageError: it does, or is a file.
    """
    out = Path(out)
    if out.resolve().is_relative_to(Path(data).resolve()):
        raise UsageError("the results would lie among the data", found=out, mend="name another --out")
    if out.is_file():
        raise UsageError("the folder for the results is a file", found=out, mend="name another --out")
    return out


def _unseen(dataset: Dataset, samples: Sequence[Sample], members: Sequence[RunFolder]) -> dict[Path, list[Sample]]:
    """Which run predicts which images: the first whose training and validation did without them."""
    if not samples:
        raise DatasetError("no image has a mask", file=dataset.root, mend="there is nothing to suspect yet")
    seen = {member.path: {*split.train, *split.val} for member in members for split in [stored_split(member.split)]}
    jobs: dict[Path, list[Sample]] = defaultdict(list)
    known: list[str] = []
    for sample in samples:
        free = next((path for path, names in seen.items() if sample.name not in names), None)
        if free is None:
            known.append(sample.name)
        else:
            jobs[free].append(sample)
    if known:
        raise UsageError(
            "a model cannot judge masks that it has learnt from",
            found=f"{len(known)} images that every model of the run was trained with, such as {known[0]}",
            expected="a run of 'unetkit train --folds'",
            mend="leave --run out, and such models are trained",
        )
    return jobs


class _Look:
    """Images predicted one after the other; what was predicted waits on disk, so that only one is in memory."""

    def __init__(self, dataset: Dataset, total: int, progress: Progress) -> None:
        self.dataset, self.total, self.progress, self.done = dataset, total, progress, 0

    def tell(self) -> None:
        self.done += 1
        self.progress(self.done, self.total)

    def predict(self, jobs: dict[Path, list[Sample]], folder: Path, device: str) -> FirstLook:
        """Predict every image with its run, and take a first look at its mask."""
        first = FirstLook(self.dataset.classes)
        for path, samples in jobs.items():
            predictor = load_predictor(path, device=device)
            for sample in samples:
                image = match_channels(self.dataset.read_image(sample), predictor.plan)
                probabilities = predictor.probabilities(image).astype(np.float16)
                labels = self.dataset.read_labels(sample).labels
                missing = without_data(image.pixels, image.nodata)
                if missing is not None:
                    labels = np.where(missing, np.uint8(IGNORE), labels)
                first.add(sample.name, labels, probabilities)
                file = _file(folder, sample.name)
                file.parent.mkdir(parents=True, exist_ok=True)
                np.savez(file, labels=labels, probabilities=probabilities)
                self.tell()
        return first


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npz"


def _kept(folder: Path, name: str) -> tuple[Labels, npt.NDArray[np.float16]]:
    """The labels *S and the probabilities K *S of an image."""
    with np.load(_file(folder, name)) as kept:
        return kept["labels"], kept["probabilities"]


def _judged(look: _Look, sample: Sample, folder: Path, first: FirstLook) -> Verdict:
    labels, probabilities = _kept(folder, sample.name)
    objects = read_objects(look.dataset, sample)
    verdict = examine(sample.name, labels, objects.ids, probabilities, first)
    look.tell()
    return verdict


def _propose(dataset: Dataset, verdicts: Sequence[Verdict], folder: Path, out: Path) -> dict[str, Path]:
    """Write a mask for every image with findings: the one at hand with all that is proposed."""
    proposed: dict[str, Path] = {}
    with replacing_folder(out / "proposed") as temporary:
        for verdict in verdicts:
            if not verdict.findings:
                continue
            sample = dataset.sample(verdict.name)
            raw = dataset.read_mask(sample)
            _, probabilities = _kept(folder, verdict.name)
            seen = probabilities.argmax(0).astype(np.uint8)
            labels = dataset.read_labels(sample).labels
            values = mended(raw.values, labels, seen, verdict.findings, dataset.classes)
            name = f"{verdict.name}{_suffix(sample.mask, values)}"
            coloured = dataset.classes.encoding == "colours"
            palette = raw.palette if name.endswith(".png") else None
            write_mask(temporary / name, values, palette=palette, geometry=raw.geometry, colours=coloured)
            proposed[verdict.name] = out / "proposed" / name
    return proposed


def _suffix(mask: Path | None, values: npt.NDArray[Any]) -> str:
    """That of the mask where such files can be written, else one that holds the same numbers."""
    suffix = "" if mask is None else mask.suffix.lower()
    writable = {suffix for format in FORMATS.values() if format.write for suffix in format.suffixes}
    if suffix in writable:
        return suffix
    return ".png" if values.ndim == 2 and values.dtype.name in ("bool", "uint8", "uint16") else ".tif"


def _pictures(dataset: Dataset, verdict: Verdict, folder: Path) -> SuspectImage:
    """The worst findings of an image: the image, the label and the proposal, around each."""
    sample = dataset.sample(verdict.name)
    image, (labels, probabilities) = dataset.read_image(sample), _kept(folder, verdict.name)
    seen = probabilities.argmax(0).astype(np.uint8)
    places = []
    for finding in verdict.findings[:PLACES]:
        window, plane = _around(finding, labels.shape)
        pixels = image.pixels[(slice(None), *window)]
        shown = (part[window][plane].copy() for part in (labels, seen))
        picture, words = to_rgb(replace(image, pixels=pixels)), f"{finding.what}. To mend it: {finding.mend}"
        places.append(Suspect(finding.place, finding.score, words, picture, *shown))
    return SuspectImage(verdict, tuple(places))


def _around(finding: Finding, shape: Sequence[int]) -> tuple[tuple[slice, ...], Any]:
    """The window to show of a finding, and how to take the plane to show out of what was cut."""
    window = tuple(
        slice(max(0, part.start - MARGIN), min(extent, part.stop + MARGIN))
        for part, extent in zip(finding.window, shape, strict=True)
    )
    if len(shape) == 2:
        return window, ...
    middle = (finding.window[0].start + finding.window[0].stop) // 2
    return (slice(middle, middle + 1), *window[1:]), 0


def _table(verdicts: Sequence[Verdict], proposed: dict[str, Path], out: Path) -> str:
    """suspicion.csv: a row a finding, and one for an image without any."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows_of(verdicts, proposed, out))
    return text.getvalue()


def rows_of(verdicts: Sequence[Verdict], proposed: dict[str, Path], out: Path) -> Iterator[dict[str, Any]]:
    """The rows of suspicion.csv; arguments as in `Suspicion`, and the folder that paths count from."""
    for number, verdict in enumerate(verdicts, 1):
        quality = "" if isnan(verdict.quality) else round(verdict.quality, 4)
        image = {"rank": number, "image": verdict.name, "suspicion": round(verdict.score, 4), "label_quality": quality}
        if not verdict.findings:
            yield image
        for finding in verdict.findings:
            yield image | {
                "finding": round(finding.score, 4),
                "kind": finding.kind,
                "region": finding.place,
                "pixels": finding.pixels,
                "what": finding.what,
                "mend": finding.mend,
                "proposed": proposed[verdict.name].relative_to(out).as_posix(),
            }
