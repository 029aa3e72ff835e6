"""Every 2D image and mask of the real data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetkit.formats import is_image_path, read_header, read_image, read_mask, read_window, write_image, write_mask

# folder: channels and type of the images, type of the masks, whether masks are colours
SETS = {
    "burnscars_s2_5band": ({5}, "float64", "uint8", False),
    "camvid": ({3}, "uint8", "uint8", False),
    "cropweed_cwfid": ({3}, "uint8", "uint8", True),
    "em_isbi2012": ({1}, "uint8", "uint8", False),
    "magtile_defects": ({1}, "uint8", "uint8", False),
    "nuclei_dsb2018": ({1, 3}, "uint8", "uint16", False),
    "retina_drive": ({3}, "uint8", "uint8", False),
}


@pytest.mark.parametrize("name", SETS)
def test_images_and_masks_fit(real_data: Path, name: str, tmp_path: Path) -> None:
    channels, dtype, mask_dtype, colours = SETS[name]
    paths = sorted(path for path in (real_data / name / "images").iterdir() if is_image_path(path))
    assert paths
    for path in paths[:12]:
        image, mask = read_image(path), read_mask(real_data / name / "masks" / path.name)
        header = read_header(path)
        assert (header.shape, header.dtype) == (image.pixels.shape, image.pixels.dtype)
        assert len(image.pixels) in channels
        assert image.pixels.dtype == dtype
        assert image.notes == mask.notes == ()
        assert mask.values.dtype == mask_dtype
        assert mask.values.shape == (*image.shape, 3) if colours else mask.values.shape == image.shape
        window = tuple(slice(n // 4, n // 2) for n in image.shape)
        np.testing.assert_array_equal(read_window(path, window).pixels, image.pixels[(slice(None), *window)])
        write_mask(tmp_path / path.name, mask.values, geometry=mask.geometry)
        again = read_mask(tmp_path / path.name)
        np.testing.assert_array_equal(again.values, mask.values)
        assert again.geometry == mask.geometry


def test_volumes_of_another_format_are_named(real_data: Path) -> None:
    paths = sorted((real_data / "hippocampus3d" / "images").iterdir())
    assert paths
    assert not any(is_image_path(path) for path in paths)


def test_geo_reference_and_band_names(real_data: Path, tmp_path: Path) -> None:
    for path in sorted((real_data / "burnscars_s2_5band" / "images").iterdir()):
        image = read_image(path)
        assert image.channels == ("TCI_R", "TCI_G", "TCI_B", "B8", "B12")
        assert image.geometry.spacing is None  # degrees
        assert read_mask(path.parents[1] / "masks" / path.name).geometry == image.geometry
        write_image(tmp_path / path.name, image.pixels, geometry=image.geometry)
        again = read_image(tmp_path / path.name)
        np.testing.assert_array_equal(again.pixels, image.pixels)
        assert again.geometry == image.geometry
