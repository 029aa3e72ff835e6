"""A folder of images and labels, opened: pairs, groups, classes, and how to read them.

DATA/
  images/…                   any mix of formats; sub-folders allowed
  masks/…                    same stem as the image; whole masks, or 255 where nobody labelled
  marks/…                    points, scribbles, boxes, regions, "nothing here" (`unetkit.labels`); an image with neither
                             a mask nor marks is unlabelled
  splits.json                optional: {"train": […], "val": […], "test": […]}
  groups.csv / groups.json   optional: image → patient, plate, scene …
  classes.yaml               optional: names, values, ignored values …
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np

from unetkit.classes import Classes, read_stated
from unetkit.dataset.census import Integers, is_coloured, tally
from unetkit.dataset.duplicates import NearCopies
from unetkit.dataset.encoding import count_labels, find_classes, label_map
from unetkit.dataset.given import given_split, read_split
from unetkit.dataset.groups import find_groups, split_of_folders
from unetkit.dataset.marked import agreed_classes, classes_of_marks, marks_below
from unetkit.dataset.numbered import objects_in, regions_of_classes
from unetkit.dataset.pairing import LABEL_SOME, Pairing, pair
from unetkit.dataset.records import ImageFacts, Survey
from unetkit.dataset.splits import Split
from unetkit.dataset.survey import look_at_image
from unetkit.errors import DatasetError, FileError
from unetkit.formats import Header, RawMask, read_header, read_image, read_mask
from unetkit.image import Image, LabelMap
from unetkit.labels import FoundMarks, Marks, SeedsPlan, paint
from unetkit.objects import ObjectMap


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and, where somebody labelled it, its mask or its marks.

    Args:
        name: path below images/ without suffix, with forward slashes ("plate1/a").
        image: the image file.
        mask: the mask file, or None.
        marks: points, scribbles, boxes and regions, or None.
        group: patient, plate, scene …; None where nobody said.
    """

    name: str
    image: Path
    mask: Path | None = None
    group: str | None = None
    marks: Marks | None = None

    @property
    def labelled(self) -> bool:
        """Whether anybody labelled it."""
        return self.mask is not None or self.marks is not None


@dataclass(frozen=True)
class Dataset:
    """A folder of images and masks, paired and understood, with nothing but headers and masks read so far.

    Args:
        root: the folder.
        samples: images and masks, in the order of their names.
        classes: what the masks mean.
        channels: channels of every image that `read_image` gives.
        spatial_dims: 2 or 3.
        given_split: what splits.json (or sub-folders called train, val, test) states.
        grouped_by: where the groups come from: "groups.csv", "groups.json", "sub-folders of images/" or "nothing".
        notes: what was decided or left out on opening, for the user.
        survey: what was seen of every file, where somebody looked: it spares decoding them again.
    """

    root: Path
    samples: tuple[Sample, ...]
    classes: Classes
    channels: int
    spatial_dims: int
    given_split: Split | None = None
    grouped_by: str = "nothing"
    notes: tuple[str, ...] = ()
    survey: Survey | None = field(default=None, repr=False, compare=False)

    @cached_property
    def labelled(self) -> tuple[Sample, ...]:
        """The samples that have a mask or marks."""
        return tuple(sample for sample in self.samples if sample.labelled)

    @cached_property
    def _by_name(self) -> Mapping[str, Sample]:
        return {sample.name: sample for sample in self.samples}

    @cached_property
    def _images_seen(self) -> dict[Path, ImageFacts]:
        return {} if self.survey is None else {facts.path: facts for facts in self.survey.images}

    @cached_property
    def copies(self) -> NearCopies:
        """The near copies among the images, also those that the check has compared."""
        return NearCopies() if self.survey is None else self.survey.copies

    def sample(self, name: str) -> Sample:
        """The sample of a name.

        Raises:
            DatasetError: no image has that name.
        """
        if name not in self._by_name:
            raise DatasetError(f"holds no image '{name}'", file=self.root)
        return self._by_name[name]

    def read_image(self, sample: Sample) -> Image:
        """Read one image, with as many channels as all others have.

        Args:
            sample: one of `samples`.

        Returns:
            Pixels C *S in the file's own type; a grey image of a set with colours gets three equal channels.

        Raises:
            FileError: unreadable.
            DatasetError: the number of channels does not fit.
        """
        image = read_image(sample.image)
        found = image.pixels.shape[0]
        if found == self.channels:
            return image
        if found == 1 and self.channels == 3:
            pixels = np.repeat(image.pixels, 3, axis=0)
            notes = (*image.notes, "grey repeated as red, green and blue")
            return replace(image, pixels=pixels, channels=None, notes=notes)
        raise DatasetError(
            "image does not have the channels of the others", file=sample.image, found=found, expected=self.channels
        )

    def look_at(self, sample: Sample) -> ImageFacts:
        """What is known of an image, from the survey or from one look that is remembered.

        Args:
            sample: one of `samples`.

        Returns:
            Its facts, with descriptor and thumbnail; of the window in the middle where the survey saw no more.

        Raises:
            FileError: unreadable.
        """
        facts = self._images_seen.get(sample.image)
        if facts is None or not facts.descriptor.size:
            facts, _ = look_at_image(self.root, sample.image, whole=True)
            self._images_seen[sample.image] = facts
        return facts

    def count_labels(self, sample: Sample) -> Integers:
        """On how many pixels each class lies, from the survey or from the labels themselves.

        Args:
            sample: one of `labelled`.

        Returns:
            256 numbers, one a class index; the last of the ignored pixels. Of marks, with the seeds of a plan that
            states none.

        Raises:
            FileError: as `read_labels`.
        """
        count = None if self.survey is None or sample.mask is None else self.survey.counted.get(sample.mask)
        if count is not None:
            with suppress(FileError):  # reading says on how many pixels
                return count_labels(count, self.classes)
        return tally(self.read_labels(sample, seeds=SeedsPlan()).labels, 256)

    def read_mask(self, sample: Sample) -> RawMask:
        """Read the numbers of one mask.

        Args:
            sample: one of `labelled`.

        Returns:
            The mask as it stands in the file, of the image's size.

        Raises:
            FileError: unreadable, or another size than the image.
            DatasetError: the image has no mask.
        """
        if sample.mask is None:
            raise DatasetError(f"image '{sample.name}' has no mask", file=self.root)
        raw = read_mask(sample.mask)
        found = raw.values.shape[:-1] if is_coloured(raw.values) else raw.values.shape
        size = tuple(read_header(sample.image).shape[1:])
        if found != size:
            raise FileError(
                "mask and image differ in size",
                file=sample.mask,
                found=f"a mask of {_size(found)}",
                expected=f"{_size(size)}, the size of {sample.image.name}",
                mend="export the mask again at the size of the image (rows × columns)",
            )
        return raw

    def read_labels(self, sample: Sample, *, seeds: SeedsPlan | None = None) -> LabelMap:
        """Read one mask, or paint the marks, as class indices.

        Args:
            sample: one of `labelled`.
            seeds: what training assumes of points and boxes; None for what somebody said and no more.

        Returns:
            Labels *S of the image's size, 255 where ignored.

        Raises:
            FileError: unreadable, a value that stands for no class, or another size than the image.
            DatasetError: the image has no label.
        """
        if sample.marks is None:
            return label_map(self.read_mask(sample), self.classes)
        header = read_header(sample.image)
        labels = paint(sample.marks, header.shape[1:], self.classes.names, seeds=seeds)
        return LabelMap(labels, self.classes, header.geometry)


def read_objects(dataset: Dataset, sample: Sample) -> ObjectMap:
    """The objects of one image: as its mask numbers them, else the connected regions of each class, corners included.

    Args:
        dataset: the folder.
        sample: one of its labelled images.

    Returns:
        The objects, 1 … n without gaps, each of one class. An object may lie in several pieces and have holes.

    Raises:
        FileError, DatasetError: as `Dataset.read_labels`.
    """
    if sample.marks is not None:
        return regions_of_classes(dataset.read_labels(sample).labels)
    return objects_in(dataset.read_mask(sample), dataset.classes)


def read_labels_and_objects(
    dataset: Dataset, sample: Sample, *, seeds: SeedsPlan | None = None
) -> tuple[LabelMap, ObjectMap]:
    """What `Dataset.read_labels` and `read_objects` give, of a mask that is decoded once.

    Args:
        dataset: the folder.
        sample: one of its labelled images.
        seeds: what training assumes of points and boxes, for the labels alone.

    Raises:
        FileError, DatasetError: as `Dataset.read_labels`.
    """
    if sample.marks is not None:
        return dataset.read_labels(sample, seeds=seeds), read_objects(dataset, sample)
    raw = dataset.read_mask(sample)
    return label_map(raw, dataset.classes), objects_in(raw, dataset.classes)


def open_dataset(root: str | PathLike[str], *, classes: Classes | None = None, survey: Survey | None = None) -> Dataset:
    """Pair the images and labels of a folder and find out what the labels mean.

    Args:
        root: the folder that holds images/ and masks/ or marks/.
        classes: what the masks mean; else taken from classes.yaml, else inferred.
        survey: of this folder, so that masks need not be decoded to infer their classes, nor later for the split.

    Returns:
        The dataset. Of images only the headers have been read.

    Raises:
        DatasetError: the folder cannot be trained on; the message says what is missing and how to mend it.
        FileError: one file is unreadable, or a mask holds no classes.

    Example:
        >>> import tempfile
        >>> from unetkit.formats import write_image, write_mask
        >>> root = Path(tempfile.mkdtemp())
        >>> write_image(root / "images" / "a.png", np.zeros((1, 4, 4), np.uint8))
        >>> write_mask(root / "masks" / "a.png", np.eye(4, dtype=np.uint8))
        >>> open_dataset(root).samples[0].name
        'a'
    """
    root = Path(root)
    pairing = pair(root)
    names = list(pairing.images)
    headers = {name: read_header(path) for name, path in pairing.images.items()}
    channels, spatial_dims, mixed = _common_form(pairing.images, headers)
    found = marks_below(root, {name: header.shape[1:] for name, header in headers.items()}, pairing.masks)
    labelled = [*pairing.masks, *found.of]
    if not labelled:
        raise DatasetError("no image has a label", file=root, found=f"{len(names)} images", mend=LABEL_SOME)
    groups, grouped_by, about_groups = find_groups(root, names, labelled)
    samples = tuple(
        Sample(n, path, pairing.masks.get(n), groups.get(n), found.of.get(n)) for n, path in pairing.images.items()
    )
    split: Split | None = None
    about_split: tuple[str, ...] = ()
    if (root / "splits.json").exists():
        split = read_split(root / "splits.json", names, labelled)
    elif parts := split_of_folders(names):
        split = given_split(parts, labelled, root / "images")
        about_split = ("the sub-folders train, val and test of images/ are taken for the split",)
    classes = classes or _find_classes(root / "classes.yaml", pairing, found, survey)
    notes = (*pairing.notes, *found.notes, *_about_unlabelled(samples), *mixed, *about_groups, *about_split)
    return Dataset(root, samples, classes, channels, spatial_dims, split, grouped_by, notes, survey)


def _find_classes(stated_in: Path, pairing: Pairing, found: FoundMarks, survey: Survey | None) -> Classes:
    """The classes of masks, or of marks where there are no masks, that all marks agree with."""
    stated = stated_in.exists() and "names" in read_stated(stated_in)
    if pairing.masks:
        counted = None if survey is None else survey.counted
        classes = find_classes(stated_in, list(pairing.masks.values()), counted)
    else:
        classes = classes_of_marks(stated_in, found.of.values())
    return agreed_classes(classes, found, stated=stated)


def _about_unlabelled(samples: Sequence[Sample]) -> tuple[str, ...]:
    """A note where images have neither a mask nor marks."""
    bare = [sample.name for sample in samples if not sample.labelled]
    return (f"{len(bare)} images have no label and count as unlabelled, such as {bare[0]}",) if bare else ()


def _common_form(images: Mapping[str, Path], headers: Mapping[str, Header]) -> tuple[int, int, tuple[str, ...]]:
    """Channels and spatial dimensions of all images, and a note where they had to be made alike."""
    dims = Counter(len(header.shape) - 1 for header in headers.values())
    channels = Counter(header.shape[0] for header in headers.values())
    if len(dims) > 1:
        rare = min(dims, key=lambda n: dims[n])
        odd = next(name for name, header in headers.items() if len(header.shape) - 1 == rare)
        raise DatasetError(
            "images and volumes are mixed",
            file=images[odd],
            found=f"{rare} spatial axes",
            expected=f"{max(dims, key=lambda n: dims[n])}, as in {dims.total() - dims[rare]} other files",
            mend="put images and volumes into data folders of their own",
        )
    if set(channels) == {1, 3}:
        note = f"{channels[1]} grey and {channels[3]} colour images: grey ones get three equal channels"
        return 3, next(iter(dims)), (note,)
    if len(channels) > 1:
        rare = min(channels, key=lambda n: channels[n])
        odd = next(name for name, header in headers.items() if header.shape[0] == rare)
        raise DatasetError(
            "the images differ in their number of channels",
            file=images[odd],
            found=f"{rare} channels ({', '.join(f'{n}: {k} images' for n, k in sorted(channels.items()))})",
            expected=f"{max(channels, key=lambda n: channels[n])} in all",
            mend="export all images with the same channels",
        )
    return next(iter(channels)), next(iter(dims)), ()


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)
