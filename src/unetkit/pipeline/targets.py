"""Which images a prediction is of, and which files it writes; both refused before anything is predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from unetkit.classes import Classes
from unetkit.errors import UsageError
from unetkit.formats import files_below, is_image_path
from unetkit.pipeline.object_options import ObjectOptions
from unetkit.vector.write import own_files

SAVES = ("labels", "probabilities", "overlay", "objects")

FORMS = {"png": ".png", "tif": ".tif", "npy": ".npy", "zarr": ".zarr", "cog": ".tif"}
"""What results can be asked for as: name and suffix."""

FORM_NEEDS = {"zarr": ("zarr", "zarr"), "cog": ("rasterio", "geo")}
"""Package and extra without which a form cannot be written."""

OWN_FORM = {".npy": ".npy", ".zarr": ".zarr", **dict.fromkeys((".tif", ".tiff", ".jp2", ".j2k", ".vrt"), ".tif")}
"""The suffix of the labels, by that of the image, where nothing is asked for; elsewhere .png."""

Targets = dict[str, Path]
"""What is written of one image: any of `SAVES`, "table", and the formats of objects as "objects FORMAT"."""


def list_inputs(inputs: Sequence[str | PathLike[str]]) -> dict[str, Path]:
    """Name below the output folder → image file.

    Raises:
        UsageError: a path that does not exist, a folder without images, or two images with one name.
    """
    jobs: dict[str, Path] = {}
    for name, path in (pair for entry in map(Path, inputs) for pair in named_images(entry)):
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


def named_images(entry: Path) -> list[tuple[str, Path]]:
    """The images an input stands for, each with its name below the output folder.

    Raises:
        UsageError: it does not exist, or is a folder without images.
    """
    if entry.is_dir() and not is_image_path(entry):
        files = [path for path in files_below(entry) if is_image_path(path)]
        if not files:
            raise UsageError("holds no images", file=entry, mend="name image files, or a folder with some")
        return [(path.relative_to(entry).with_suffix("").as_posix(), path) for path in files]
    if not entry.exists():
        raise UsageError("does not exist", file=entry)
    return [(entry.stem, entry)]


def targets_of(
    out: Path, name: str, source: Path, save: Sequence[str], classes: Classes, form: str | None, options: ObjectOptions
) -> Targets:
    """The files of one image.

    Args:
        out: folder for the results.
        name: of the image, below it.
        source: the image.
        save: any of `SAVES`.
        classes: how label files are written.
        form: a name in `FORMS`, or None.
        options: what is written of objects.
    """
    wide = classes.encoding == "values" and classes.dtype not in ("bool", "uint8", "uint16")  # more than PNG holds
    label = FORMS[form] if form else OWN_FORM.get(source.suffix.lower(), ".tif" if wide else ".png")
    rich = ".tif" if label == ".png" else label
    endings = {
        "labels": label,
        "probabilities": f"_probabilities{rich}",
        "overlay": "_overlay.png",
        "objects": f"_objects{rich}",
        "table": f"_objects.{options.table}",
    }
    base = out / name
    kinds = [*save, "table"] if "objects" in save else save
    targets = {kind: base.with_name(base.name + endings[kind]) for kind in kinds}
    if options.formats:
        targets |= {f"objects {key}": path for key, path in own_files(out, options.formats, name).items()}
    return targets


def require_free(
    targets: Mapping[str, Targets],
    shared: Sequence[Path],
    jobs: Mapping[str, Path],
    *,
    overwrite: bool,
    skip_existing: bool,
) -> None:
    """Refuse results that would replace an image, each other, or what exists.

    Args:
        targets: the files of each image, by its name.
        shared: files of all images together, which belong to the results of each.
        jobs: the images, by name.
        overwrite: whether results that exist may be replaced.
        skip_existing: whether images whose results all exist are passed over.

    Raises:
        UsageError: they would.
    """
    sources = {path.resolve() for path in jobs.values()}
    every = [*(path for files in targets.values() for path in files.values()), *shared]
    if twice := [path for path, count in Counter(every).items() if count > 1]:
        raise UsageError("two results would have one name", found=twice[0], mend="predict these images one by one")
    for path in every:
        if path.resolve() in sources:
            raise UsageError("a result would replace an input image", found=path, mend="name another --out")
    for files in targets.values():
        wanted = [*files.values(), *shared]
        existing = [path for path in wanted if path.exists()]
        if existing and not overwrite and not (skip_existing and len(existing) == len(wanted)):
            mend = "--skip-existing for the other images alone, --overwrite, or name another --out"
            if skip_existing:
                mend = "--overwrite, for the other results of this image are missing, or name another --out"
            if shared:
                mend = f"--overwrite, for {shared[0].name} is of all images together, or name another --out"
            raise UsageError("a result exists already", found=existing[0], mend=mend)
