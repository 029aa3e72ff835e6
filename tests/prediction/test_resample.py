"""Images at another pixel size: held against torch, and the same to the last bit in every window."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unetkit.classes import IGNORE
from unetkit.errors import FileError
from unetkit.image import Geometry, Image
from unetkit.prediction import OwnGrid, resample, resampled, source_of

RNG = np.random.default_rng(4)


def whole(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(0, extent) for extent in shape)


@pytest.mark.parametrize("shape", [(20, 31), (40, 93), (61, 17), (7, 200), (40, 31)])
def test_it_is_torchs_antialiased_interpolation(shape: tuple[int, int]) -> None:
    pixels = RNG.normal(size=(2, 40, 62))
    ours = resampled(source_of(Image(pixels)), shape).image().pixels
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(pixels)[None], shape, mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_the_type_and_the_range_stay(dtype: str) -> None:
    pixels = RNG.integers(0, 2, (1, 30, 30)).astype(dtype) * np.array(100, dtype)
    out = resampled(source_of(Image(pixels)), (17, 51)).image().pixels
    assert out.dtype == dtype
    assert 0 <= out.min() <= out.max() <= 100.0001
    constant = np.full((1, 9, 9), np.iinfo(dtype).max if dtype[0] in "ui" else 3.5, dtype)
    same = resampled(source_of(Image(constant)), (4, 21)).image().pixels
    np.testing.assert_allclose(same.astype(float), float(constant[0, 0, 0]), rtol=1e-6)


def test_one_size_is_no_change_and_the_spacing_follows() -> None:
    image = Image(RNG.integers(0, 255, (1, 12, 30)).astype(np.uint8), Geometry((0.5, 0.25), "um"))
    assert np.array_equal(resampled(source_of(image), (12, 30)).image().pixels, image.pixels)
    assert resampled(source_of(image), (6, 10)).geometry == Geometry((1.0, 0.75), "um")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_window_gives_what_the_whole_gives(data: st.DataObject) -> None:
    dims = data.draw(st.sampled_from([2, 3]))
    own = data.draw(st.tuples(*[st.integers(1, 23)] * dims))
    shape = data.draw(st.tuples(*[st.integers(1, 40)] * dims))
    nodata = data.draw(st.sampled_from([None, 3.0, float("nan")]))
    pixels = RNG.integers(0, 9, (2, *own)).astype(np.float32)
    if nodata is not None:
        pixels[:, RNG.random(own) < 0.3] = nodata
    geometry = Geometry() if nodata is None else Geometry(extra={"nodata": nodata})
    source = resampled(source_of(Image(pixels, geometry)), shape)
    full = source.read(whole(shape))
    starts = [data.draw(st.integers(0, extent - 1)) for extent in shape]
    window = tuple(slice(a, data.draw(st.integers(a + 1, extent))) for a, extent in zip(starts, shape, strict=True))
    np.testing.assert_array_equal(source.read(window), full[(slice(None), *window)])


def test_bands_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(Image(RNG.normal(size=(1, 90, 70))))
    expected = [resampled(source, shape).image().pixels for shape in ((30, 200), (200, 30))]
    monkeypatch.setattr(resample, "PIXELS", 300)
    for shape, one in zip(((30, 200), (200, 30)), expected, strict=True):
        assert np.array_equal(resampled(source, shape).image().pixels, one)


def test_missing_pixels_do_not_bleed() -> None:
    pixels = np.full((1, 20, 20), 50, np.int16)
    pixels[:, 6:14, 6:14] = -999
    source = source_of(Image(pixels, Geometry(extra={"nodata": -999.0})))
    for shape in ((10, 10), (40, 40), (13, 29)):
        out = resampled(source, shape).image().pixels
        assert set(np.unique(out)) == {-999, 50}
        assert 0.1 < (out == -999).mean() < 0.22  # 16 per cent of the image


def test_nan_is_refused_where_it_does_not_stand_for_missing_data() -> None:
    pixels = np.zeros((1, 30, 30), np.float32)
    pixels[0, 20, 4] = np.nan
    with pytest.raises(FileError, match=r"the first at \(20, 4\)"):
        resampled(source_of(Image(pixels)), (10, 10)).image()


def test_probabilities_come_back_and_labels_are_their_most_probable_class() -> None:
    probabilities = RNG.dirichlet([1, 1, 1], (20, 24)).transpose(2, 0, 1).astype(np.float32)
    image = source_of(Image(np.zeros((1, 50, 36), np.uint8)))
    own = OwnGrid(lambda channel, window: probabilities[(channel, *window)], image, (20, 24), 3)
    back = np.stack([own.probabilities(channel, whole(image.shape)) for channel in range(3)])
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(probabilities)[None], (50, 36), mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(back, theirs, atol=1e-5)
    np.testing.assert_allclose(back.sum(0), 1, atol=1e-5)
    labels = own.labels(whole(image.shape))
    assert np.array_equal(labels, back.argmax(0))
    for row, column in product((0, 13), (0, 30)):
        window = (slice(row, row + 20), slice(column, column + 6))
        assert np.array_equal(own.labels(window), labels[window])


def test_there_is_no_result_where_the_image_has_no_data() -> None:
    pixels = np.full((1, 40, 40), 7, np.uint8)
    pixels[:, :15] = 0
    image = source_of(Image(pixels, Geometry(extra={"nodata": 0.0})))
    seen = resampled(image, (20, 20)).image()
    probabilities = np.full((2, 20, 20), 0.5, np.float32)
    probabilities[1, 12:] = 0.6
    probabilities[:, seen.pixels[0] == 0] = np.nan
    own = OwnGrid(lambda channel, window: probabilities[(channel, *window)], image, (20, 20), 2)
    labels = own.labels(whole(image.shape))
    assert (labels[:15] == IGNORE).all()
    assert set(np.unique(labels[15:])) == {0, 1}
    assert np.array_equal(np.isnan(own.probabilities(0, whole(image.shape))), labels == IGNORE)
