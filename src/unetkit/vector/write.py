"""Write the objects of images in several formats at once: every file whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path, PurePosixPath

from unetkit.classes import Classes
from unetkit.errors import FileError, UsageError
from unetkit.files import replacing
from unetkit.image import Geometry
from unetkit.objects import ObjectMap
from unetkit.objects.outline import outlines
from unetkit.registry import lookup
from unetkit.vector import OBJECT_FORMATS, ImageObjects, ObjectFormat
from unetkit.vector.format import Begin, Say

Put = Callable[[ImageObjects], tuple[Path, ...]]
"""Takes the objects of the next image; gives the files that were written of it alone."""


def require_formats(formats: Sequence[str]) -> dict[str, ObjectFormat]:
    """The formats of those names.

    Raises:
        UsageError: none was named.
        UnknownName: no such format; the nearest names are in the message.

    Example:
        >>> list(require_formats(["svg"]))
        ['svg']
    """
    chosen = {name: lookup(OBJECT_FORMATS, name, "object format") for name in formats}
    if not chosen:
        raise UsageError("no format was named", expected=f"some of {', '.join(OBJECT_FORMATS)}")
    return chosen


def require_free(names: Sequence[str], formats: Sequence[str], out: str | PathLike[str]) -> None:
    """Refuse what would replace a file.

    Args:
        names: of the images.
        formats: names of `OBJECT_FORMATS`.
        out: the folder.

    Raises:
        UsageError: a file exists.
    """
    for format in require_formats(formats).values():
        shared = [format.beside[0]] if format.beside else []
        for file in [*shared, *dict.fromkeys(format.file.format(name=name) for name in names)]:
            _refuse_existing(Path(out) / file)


@contextmanager
def writing_objects(
    out: str | PathLike[str],
    formats: Sequence[str],
    classes: Classes,
    *,
    overwrite: bool = False,
    say: Say = lambda line: None,
) -> Iterator[Put]:
    """Write the objects of one image after the other, in every format.

    The files of an image stand as soon as it was put, all or none of them; those of all images when the block ends.

    Args:
        out: folder for the files.
        formats: names of `OBJECT_FORMATS`.
        classes: of all images.
        overwrite: whether files that exist may be replaced.
        say: told what a file leaves out, or how it is to be read.

    Yields:
        What takes the objects of the next image. It raises InputError and FileError where a format cannot hold them;
        nothing of that image is then in any file, and others may follow.

    Raises:
        UsageError: no format was named, or a file exists and `overwrite` is not said.
        UnknownName: no such format.
        FileError: the folder cannot be written.

    Example:
        >>> import tempfile, numpy as np
        >>> objects = ObjectMap(np.array([[0, 1]], np.uint32), np.array([1], np.uint8))
        >>> classes = Classes(names=("background", "cell"))
        >>> with writing_objects(tempfile.mkdtemp(), ["coco", "svg"], classes) as put:
        ...     [path.name for path in put(ImageObjects("a", objects, classes))]
        ['a.svg']
    """
    out, chosen, done = Path(out), require_formats(formats), set[str]()
    with ExitStack() as stack:
        begun: dict[str, Begin] = {}
        for name, format in chosen.items():
            if format.beside is not None:
                format.beside[1](stack.enter_context(_new(out / format.beside[0], overwrite)), classes)
            if format.collect is not None:
                path = stack.enter_context(_new(out / format.file, overwrite))
                begun[name] = stack.enter_context(format.collect(path, classes, say))

        def put(image: ImageObjects) -> tuple[Path, ...]:
            if image.name in done:
                raise FileError("two images have the same name", file=image.name, mend="rename one of them")
            require_holding(image.name, image.objects.ids.shape, image.geometry, formats)
            own = own_files(out, formats, image.name)
            with ExitStack() as files:
                temporary = {name: files.enter_context(_new(path, overwrite)) for name, path in own.items()}
                _write_image(image, chosen, temporary, begun, say)
            done.add(image.name)
            return tuple(own.values())

        yield put


def _write_image(
    image: ImageObjects,
    chosen: Mapping[str, ObjectFormat],
    files: Mapping[str, Path],
    begun: Mapping[str, Begin],
    say: Say,
) -> None:
    """Write an image's objects into its own files, and into those of all images; its outlines are made once."""
    with ExitStack() as drawing:
        adds = [drawing.enter_context(begin(image)) for begin in begun.values()]
        for name, path in files.items():
            format = chosen[name]
            if format.write is not None:
                format.write(image, path)
            if format.draw is not None:
                adds.append(drawing.enter_context(format.draw(image, path, say)))
        for outline in outlines(image.objects) if adds else ():
            for add in adds:
                add(outline)


def write_objects(
    objects: ObjectMap,
    geometry: Geometry,
    classes: Classes,
    name: str,
    out: str | PathLike[str],
    formats: Sequence[str],
    *,
    file: str | None = None,
    overwrite: bool = False,
    say: Say = lambda line: None,
) -> tuple[Path, ...]:
    """Write the objects of one image; for several, which COCO wants in one file, see `writing_objects`.

    Args:
        objects: of the image.
        geometry: where its pixels lie.
        classes: names and colours.
        name: of the image, without suffix.
        out: folder for the files.
        formats: names of `OBJECT_FORMATS`.
        file: name of the image file, for formats that point to it.
        overwrite: whether files that exist may be replaced.
        say: told what a file leaves out, or how it is to be read.

    Returns:
        The files.

    Raises:
        InputError, UsageError: as for `writing_objects`.

    Example:
        >>> import tempfile, numpy as np
        >>> objects = ObjectMap(np.array([[0, 1]], np.uint32), np.array([1], np.uint8))
        >>> classes = Classes(names=("background", "cell"))
        >>> [path.name for path in write_objects(objects, Geometry(), classes, "a", tempfile.mkdtemp(), ["qupath"])]
        ['a.qupath.geojson']
    """
    with writing_objects(out, formats, classes, overwrite=overwrite, say=say) as put:
        own = put(ImageObjects(name, objects, classes, geometry, file))
    return (*own, *shared_files(out, formats))


def own_files(out: str | PathLike[str], formats: Sequence[str], name: str) -> dict[str, Path]:
    """The files that are written of one image alone, by format."""
    chosen = require_formats(formats).items()
    return {key: Path(out) / one.file.format(name=name) for key, one in chosen if one.collect is None}


def shared_files(out: str | PathLike[str], formats: Sequence[str]) -> tuple[Path, ...]:
    """The files that are written once for all images."""
    shared = []
    for format in require_formats(formats).values():
        shared += [format.file] if format.collect else []
        shared += [format.beside[0]] if format.beside else []
    return tuple(Path(out) / file for file in shared)


@contextmanager
def _new(path: Path, overwrite: bool) -> Iterator[Path]:
    if not overwrite:
        _refuse_existing(path)
    with replacing(path) as temporary:
        yield temporary


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageError("a file of objects exists already", found=path, mend="--overwrite, or name another --out")


def require_holding(name: str, shape: tuple[int, ...], geometry: Geometry, formats: Sequence[str]) -> None:
    """Refuse an image whose objects a format cannot hold, and a name that leads out of the folder; ahead of any work.

    Args:
        name: of the image.
        shape: *S.
        geometry: where its pixels lie.
        formats: names of `OBJECT_FORMATS`.

    Raises:
        FileError: a volume where a format needs outlines, an image without the place a format needs, and the like.

    Example:
        >>> require_holding("a", (4, 4), Geometry(), ["svg"])
    """
    chosen = require_formats(formats)
    flat = [format for format, one in chosen.items() if one.write is None]
    if len(shape) != 2 and flat:
        raise FileError(
            f"{', '.join(flat)} cannot hold the objects of a volume",
            file=name,
            found="×".join(map(str, shape)),
            expected="an image of rows and columns",
            mend="name the format tiff",
        )
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts:
        raise FileError("cannot name files", file=name or "''", expected="a name such as plate1/a")
    for one in chosen.values():
        if one.require is not None:
            one.require(name, shape, geometry)
