"""A dataset in which only what was labelled so far has labels: images are linked, masks are written as class numbers.

Objects that a mask numbers become one class, so that all kinds of labels are compared on class maps.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from unetkit.active.candidates import Place
from unetkit.classes import IGNORE, Classes, write_classes
from unetkit.dataset import Dataset, Sample, Split
from unetkit.files import write_json
from unetkit.formats import write_mask
from unetkit.labels.marks import file_of, write_marks
from unetkit.simulation.kinds import Kind, Labels, Truth, masked

GROUPS = ("groups.csv", "groups.json")


def write_labelled(
    folder: Path, dataset: Dataset, split: Split, kind: Kind, places: Sequence[Place], *, seed: int
) -> None:
    """Write the dataset; what stands there half-written is taken away first.

    Args:
        folder: where to.
        dataset: with all labels.
        split: val and test keep their whole masks.
        kind: of the labels.
        places: what is labelled of the training images.
        seed: of strokes.

    Raises:
        FileError: a mask cannot be read, or the folder cannot be written.
    """
    of: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        of[place.image].append(place)
    classes = class_numbers(dataset.classes)
    shutil.rmtree(folder, ignore_errors=True)
    for sample in dataset.samples:
        _link(sample.image, folder / "images" / sample.image.relative_to(dataset.root / "images"))
    (folder / "masks").mkdir()
    for name in (*split.val, *split.test):
        sample = dataset.sample(name)
        _write_mask(folder, sample, classes, dataset.read_labels(sample).labels)
    for name, windows in of.items():
        truth = Truth.of(dataset, name)
        if kind.marked:
            write_marks(file_of(folder, name), kind.marks(truth, classes, stroke_seed(seed, name)))
        else:
            _write_mask(folder, dataset.sample(name), classes, masked(truth.labels, windows))
    write_classes(folder / "classes.yaml", classes)
    for file in GROUPS:
        if (dataset.root / file).is_file():
            shutil.copy(dataset.root / file, folder / file)
    parts = {"train": sorted(of), "val": list(split.val), "test": list(split.test)}
    write_json(folder / "splits.json", parts)


def class_numbers(classes: Classes) -> Classes:
    """The same classes as plain numbers in 8-bit masks, with 255 for what nobody labelled."""
    return Classes(
        names=classes.names,
        colours=classes.colours,
        ignore_values=(IGNORE,),
        evidence="class numbers of a simulation",
    )


def stroke_seed(seed: int, name: str) -> int:
    """Of the strokes on an image: the same in every round."""
    return crc32(f"{seed} {name}".encode())


def _link(source: Path, target: Path) -> None:
    """The image in a second place, without its bytes where the system can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError, NotImplementedError):
        target.symlink_to(source.resolve(), target_is_directory=source.is_dir())
        return
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)


def _write_mask(folder: Path, sample: Sample, classes: Classes, labels: Labels) -> None:
    suffix = ".png" if labels.ndim == 2 else ".tif"
    write_mask(folder / "masks" / f"{sample.name}{suffix}", classes.encode(labels))
