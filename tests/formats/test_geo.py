"""Rasters, held against GDAL: what is read, what is written, and what is not followed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from unetkit import extras
from unetkit.errors import FileError, MissingExtra
from unetkit.formats import read_header, read_image, read_mask, read_window, vrt, write_image, write_mask
from unetkit.formats import tiff_write as tiff_writing
from unetkit.image import Geometry, without_data

RNG = np.random.default_rng(11)
PLACE = Affine(10, 0, 500000, 0, -10, 4000000)
BANDS = ("red", "green", "nir")
PIXELS = RNG.integers(1, 250, (3, 90, 120)).astype(np.uint8)


def raster(path: Path, pixels: np.ndarray = PIXELS, *, driver: str = "GTiff", **options: Any) -> Path:
    """As GDAL writes it."""
    count, height, width = pixels.shape
    about = {"crs": "EPSG:32633", "transform": PLACE, "dtype": pixels.dtype.name, **options}
    with rasterio.open(path, "w", driver=driver, count=count, height=height, width=width, **about) as out:
        out.write(pixels)
        if count == 3:
            out.descriptions = BANDS
    return path


def place(path: Path) -> tuple[Any, ...]:
    """What GDAL says of where a raster lies."""
    with rasterio.open(path) as dataset:
        return dataset.crs.to_epsg(), dataset.transform, dataset.nodata, dataset.shape


CASES = {
    "utm": {},
    "degrees": {"crs": "EPSG:4326", "transform": Affine(0.001, 0, 12.5, 0, -0.001, 48.5)},
    "turned": {"transform": Affine(8, 6, 500000, 6, -8, 4000000)},
    "nodata": {"nodata": 7},
    "compound": {"crs": "EPSG:25832", "nodata": 0},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("format", ["tiff", "cog"])
def test_gdal_finds_the_result_where_the_image_lies(tmp_path: Path, case: str, format: str) -> None:
    source = raster(tmp_path / "a.tif", **CASES[case])
    image = read_image(source)
    write_mask(tmp_path / "m.tif", (image.pixels[0] > 99).astype(np.uint8), geometry=image.geometry, format=format)
    assert place(tmp_path / "m.tif") == place(source)
    write_image(tmp_path / "p.tif", image.pixels, geometry=image.geometry, channels=image.channels, format=format)
    assert place(tmp_path / "p.tif") == place(source)
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert dataset.descriptions == BANDS
        assert np.array_equal(dataset.read(), PIXELS)
    assert read_image(tmp_path / "p.tif").channels == BANDS


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_cog_is_one(tmp_path: Path) -> None:
    labels = np.repeat(np.repeat(RNG.integers(0, 5, (60, 70)), 20, 0), 20, 1).astype(np.uint8)
    write_mask(tmp_path / "m.tif", labels, format="cog")
    numbers = RNG.normal(size=(2, 1200, 1100)).astype(np.float32)
    write_image(tmp_path / "p.tif", numbers, format="cog", channels=("a", "b"))
    for name, written in (("m.tif", labels[None]), ("p.tif", numbers)):
        with rasterio.open(tmp_path / name) as dataset:
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert dataset.block_shapes[0] == (512, 512)
            assert dataset.overviews(1)[:1] == [2]
            assert np.array_equal(dataset.read(), written)
        assert np.array_equal(read_image(tmp_path / name).pixels, written)
    with rasterio.open(tmp_path / "m.tif", overview_level=0) as smaller:
        assert np.array_equal(smaller.read(1), labels[::2, ::2])  # of blocks of one class, that class
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.tif", "p.tif"]


def test_what_a_cog_cannot_hold_is_refused(tmp_path: Path) -> None:
    flat = np.zeros((1, 4, 4), np.uint8)
    for pixels, geometry in ((flat[None], None), (flat.astype(np.float16), None), (flat, Geometry((0.5, 0.5), "um"))):
        with pytest.raises(FileError, match="cloud-optimised") as caught:
            write_image(tmp_path / "a.tif", pixels, geometry=geometry, format="cog")
        assert "--as tif" in str(caught.value)
    with pytest.raises(FileError, match="palette"):
        write_mask(tmp_path / "a.tif", flat[0], palette=((0, 0, 0),), format="cog")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_cog_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    for target in ("rasterio.shutil.copy", "tifffile.imwrite"):
        with monkeypatch.context() as patched:
            patched.setattr(target, full)
            with pytest.raises(FileError, match="No space left on device") as caught:
                write_image(tmp_path / "a.tif", PIXELS, format="cog")
        assert caught.value.file == tmp_path / "a.tif"
        assert not list(tmp_path.iterdir())
    assert tiff_writing.tifffile.imwrite is not full


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("how", ["mask", "alpha"])
def test_transparent_pixels_of_a_raster_have_no_data(tmp_path: Path, dtype: str, how: str) -> None:
    pixels, seen = PIXELS.astype(dtype), np.full(PIXELS.shape[1:], 255, np.uint8)
    seen[10:40, 5:90] = 0
    path = tmp_path / "a.tif"
    if how == "mask":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            raster(path, pixels, tiled=True, blockxsize=32, blockysize=32, compress="deflate")
            with rasterio.open(path, "r+") as dataset:
                dataset.write_mask(seen)
    else:
        opaque = np.iinfo(dtype).max if dtype != "float32" else 1
        alpha = np.where(seen, opaque, 0).astype(dtype)
        raster(path, np.concatenate([pixels, alpha[None]]), photometric="RGB", alpha="yes")
        with rasterio.open(path) as dataset:
            assert dataset.colorinterp[3].name == "alpha"
    image, header = read_image(path), read_header(path)
    assert image.pixels.dtype == header.dtype
    assert image.pixels.shape == header.shape == PIXELS.shape
    assert repr(image.geometry) == repr(header.geometry)
    assert image.pixels.dtype == {"uint8": "int16", "uint16": "int32", "int16": "int32"}.get(dtype, dtype)
    missing = without_data(image.pixels, image.nodata)
    assert missing is not None
    assert np.array_equal(missing, seen == 0)
    assert np.array_equal(image.pixels[:, ~missing], pixels[:, ~missing])
    assert any("transparent pixels have no data" in note for note in image.notes)
    part = read_window(path, (slice(30, 60), slice(80, 100)))
    np.testing.assert_array_equal(part.pixels, image.pixels[:, 30:60, 80:100])
    assert np.array_equal(read_mask(path).values, np.moveaxis(PIXELS, 0, -1)) if dtype == "uint8" else True


def test_sentinels_jpeg_2000_is_read_as_gdal_reads_it(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 9000, (1, 300, 400)).astype(np.uint16)
    path = raster(tmp_path / "a.jp2", pixels, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    image = read_image(path)
    assert np.array_equal(image.pixels, pixels)
    assert read_header(path).windowed
    assert image.geometry.spacing == (10.0, 10.0)
    window = (slice(100, 140), slice(250, 400))
    assert np.array_equal(read_window(path, window).pixels, pixels[(slice(None), *window)])
    write_mask(tmp_path / "m.tif", pixels[0], geometry=image.geometry)
    assert place(tmp_path / "m.tif") == place(path)


def mosaic(path: Path, *, source: str = "tiles/a.tif", more: str = "", band: str = "", kind: str = "") -> Path:
    """A VRT of one band."""
    text = f"""<VRTDataset rasterXSize="120" rasterYSize="90"{kind}>
  <SRS>EPSG:32633</SRS><GeoTransform>500000, 10, 0, 4000000, 0, -10</GeoTransform>{more}
  <VRTRasterBand dataType="Byte" band="1"{band}><NoDataValue>7</NoDataValue><Description>red</Description>
    <SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
  </VRTRasterBand>
</VRTDataset>"""
    path.write_text(text)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with tiles/a.tif."""
    (tmp_path / "in" / "tiles").mkdir(parents=True)
    raster(tmp_path / "in" / "tiles" / "a.tif")
    return tmp_path / "in"


def test_a_mosaic_is_read(folder: Path) -> None:
    path = mosaic(folder / "a.vrt")
    image = read_image(path)
    assert np.array_equal(image.pixels, PIXELS[:1])
    assert image.channels == ("red",)
    assert image.nodata == 7
    write_mask(folder / "m.tif", image.pixels[0], geometry=image.geometry)
    assert place(folder / "m.tif") == place(path)


def test_a_tile_that_gdal_would_look_for_elsewhere_is_refused(folder: Path) -> None:
    path = mosaic(folder / "a.vrt")
    for attribute in ("", ' relativeToVRT="0"'):
        path.write_text(path.read_text().replace(' relativeToVRT="1"', attribute))
        with pytest.raises(FileError, match='without relativeToVRT="1"'):
            read_image(path)
        mosaic(path)


def test_a_mosaic_whose_tile_ends_early_is_an_error(folder: Path) -> None:
    path, tile = mosaic(folder / "a.vrt"), folder / "tiles" / "a.tif"
    tile.write_bytes(tile.read_bytes()[:-9000])
    with pytest.raises(FileError, match="truncated, damaged"):
        read_image(path)
    tile.unlink()
    with pytest.raises(FileError, match=r"names a file that does not exist; found tiles/a\.tif"):
        read_image(path)


HOSTILE: dict[str, dict[str, str]] = {
    "network": {"source": "/vsicurl/http://example.org/a.tif"},
    "url": {"source": "http://example.org/a.tif"},
    "archive": {"source": "/vsizip/a.zip/a.tif"},
    "above": {"source": "../secret.tif"},
    "absolute": {"source": "/etc/passwd"},
    "text": {"source": "tiles/notes.txt"},
    "nested": {"source": "other.vrt"},
    "service": {"source": "&lt;GDAL_WMS&gt;&lt;/GDAL_WMS&gt;"},
    "hidden": {"more": "<metadata><MDI key='x'>/VSICURL/http://example.org</MDI></metadata>"},
    "other spelling": {"more": "<GDALWarpOptions><SOURCEDATASET>../secret.tif</SOURCEDATASET></GDALWarpOptions>"},
    "computed": {"band": ' subClass="VRTDerivedRasterBand"'},
    "raw": {"band": ' subClass="VRTRawRasterBand"'},
    "warped": {"kind": ' SubClass="VRTWarpedDataset"'},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_vrt_that_leads_elsewhere_is_not_followed(folder: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(folder / "tiles" / "a.tif", folder.parent / "secret.tif")
    (folder / "tiles" / "notes.txt").write_text("secret")
    mosaic(folder / "other.vrt")
    path = mosaic(folder / "a.vrt", **HOSTILE[case])
    monkeypatch.setattr(rasterio, "open", lambda *args, **options: pytest.fail("GDAL has seen it"))
    for function in (read_header, read_image, read_mask):
        with pytest.raises(FileError, match="a VRT that is not followed") as caught:
            function(path)
        assert caught.value.file == path


def test_entities_and_links_are_no_way_round(folder: Path) -> None:
    path = mosaic(folder / "a.vrt")
    path.write_text(path.read_text().replace(">", '><!DOCTYPE x [<!ENTITY e "tiles/a.tif">]>', 1))
    with pytest.raises(FileError, match="a document type of its own"):
        vrt.check_vrt(path)
    shutil.copy(folder / "tiles" / "a.tif", folder.parent / "secret.tif")
    (folder / "link.tif").symlink_to(folder.parent / "secret.tif")
    with pytest.raises(FileError, match="is not followed"):
        vrt.check_vrt(mosaic(folder / "b.vrt", source="link.tif"))


def test_without_rasterio_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mosaic(folder / "a.vrt")
    monkeypatch.setattr(extras, "import_module", lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name)))
    with pytest.raises(MissingExtra, match=r"unetkit\[geo\]"):
        read_image(path)
    with pytest.raises(MissingExtra, match=r"unetkit\[geo\]"):
        write_image(folder / "b.tif", PIXELS, format="cog")
    assert read_image(folder / "tiles" / "a.tif").channels == BANDS  # needs no extra
