"""What a VRT may name: rasters beside or below it, and nothing else.

A VRT is a text that GDAL follows: to other files, over the network, into databases and programs. One from a stranger
could read what it should not, so that all that is not a plain mosaic of local rasters is refused before GDAL sees it.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from unetkit.errors import FileError

MOST_BYTES = 64 * 2**20
SOURCES = ("sourcefilename", "sourcedataset")
ELSEWHERE = ("/vsi", "://", "<", "\\\\")
RASTER_STARTS = (
    b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51",
)  # fmt: skip
"""TIFF, PNG, JPEG and JPEG 2000: files that name no others."""


def check_vrt(path: Path) -> None:
    """Refuse a VRT that is more than a mosaic of raster files beside or below it.

    Args:
        path: of the VRT.

    Raises:
        FileError: sources elsewhere or that are no rasters, computed bands, or a text that is no VRT.
    """
    if path.stat().st_size > MOST_BYTES:
        raise _refused(path, f"{path.stat().st_size} bytes of text")
    text = path.read_bytes()
    if b"<!" in text.replace(b"<!--", b""):
        raise _refused(path, "a document type of its own")
    root = ElementTree.fromstring(text)
    for element in root.iter():
        # GDAL does not tell large letters from small ones
        attributes = {name.lower(): value for name, value in element.attrib.items()}
        kind = attributes.get("subclass", "VRTSourcedRasterBand")
        if kind.lower() != "vrtsourcedrasterband":
            raise _refused(path, f"a {kind}")
        for value in (*attributes.values(), element.text or ""):
            if any(mark in value.lower() for mark in ELSEWHERE):
                raise _refused(path, f"'{value.strip()[:80]}'")
        if element.tag.lower() in SOURCES:
            name = (element.text or "").strip()
            beside = next((v.strip() for key, v in element.attrib.items() if key.lower() == "relativetovrt"), "0")
            if beside != "1" and not Path(name).is_absolute():  # GDAL would look in the folder one works in
                raise _refused(path, f"'{name}' without relativeToVRT=\"1\"")
            _check_source(path, name)


def _check_source(path: Path, name: str) -> None:
    source = path.parent / name
    if not source.resolve().is_relative_to(path.parent.resolve()):
        raise _refused(path, f"'{name}'")
    if not source.is_file():
        raise FileError(
            "names a file that does not exist",
            file=path,
            found=name,
            expected="all files of the mosaic beside or below it",
            mend="copy it there too, or make the VRT anew with gdalbuildvrt",
        )
    with source.open("rb") as file:
        if not file.read(16).startswith(RASTER_STARTS):
            raise _refused(path, f"'{name}', which is no TIFF, PNG, JPEG or JPEG 2000 file")


def _refused(path: Path, found: str) -> FileError:
    return FileError(
        "is a VRT that is not followed",
        file=path,
        found=found,
        expected="a mosaic of raster files beside or below it",
        mend=f"gdal_translate {path.name} {path.stem}.tif, if you trust it",
    )
