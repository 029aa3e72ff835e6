"""Duplicates: what survives re-saving is found, what only looks alike is not."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from tests.dataset.healthy import Array, as_jpeg
from unetkit.dataset.duplicates import NEAR, SIDE, NearCopies, Vector, near_duplicates, pixel_hash, thumbnail_descriptor
from unetkit.formats import read_image
from unetkit.image import Image


def picture(seed: int = 0, size: int = 200) -> Array:
    """A picture with structure of all sizes and a little noise, uint8."""
    random = np.random.default_rng(seed)
    waves = sum(gaussian_filter(random.standard_normal((size, size)), blur) * blur for blur in (2, 4, 8, 16))
    return (110 + 25 * waves + 3 * random.standard_normal((size, size))).clip(0, 220).astype(np.uint8)


def alike(a: Array, b: Array) -> bool:
    """Whether two grey pictures are taken for copies."""
    return bool(near_duplicates(np.stack([thumbnail_descriptor(Image(p[None])) for p in (a, b)])))


def resaved(pixels: Array) -> Array:
    """Through JPEG."""
    with Pillow.open(io.BytesIO(as_jpeg(pixels, 60))) as image:
        return np.array(image)


def halved(pixels: Array) -> Array:
    """At half the size."""
    image = Pillow.fromarray(pixels)
    return np.array(image.resize((image.width // 2, image.height // 2), Pillow.Resampling.BOX))


COPIES: dict[str, Callable[[Array], Array]] = {
    "jpeg": resaved,
    "half size": halved,
    "brighter": lambda p: p + 30,
    "more contrast": lambda p: p * 0.5,
    "gamma": lambda p: 255 * (p / 255) ** 0.7,
    "16 bits": lambda p: p.astype(np.uint16) * 257,
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "quarter turn": lambda p: np.rot90(p),
    "transposed": lambda p: p.T,
    "turned and resaved": lambda p: resaved(np.ascontiguousarray(np.rot90(p, 3))),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_found(name: str) -> None:
    for seed in range(3):
        original = picture(seed)[:160]  # not square
        assert alike(original, COPIES[name](original))


def test_other_pictures_are_not_copies() -> None:
    vectors = np.stack([thumbnail_descriptor(Image(picture(seed)[None])) for seed in range(20)])
    assert near_duplicates(vectors) == []


def test_pairs_agree_with_comparing_one_by_one() -> None:
    random = np.random.default_rng(0)
    pictures = [random.random((1, 40, 50)) for _ in range(5)]
    pictures += [pictures[1][:, ::-1], pictures[3] + 0.1 * random.random((1, 40, 50))]
    vectors = np.stack([thumbnail_descriptor(Image(p)) for p in pictures])
    squares = vectors.reshape(-1, SIDE, SIDE)
    expected = []
    for i, j in combinations(range(len(squares)), 2):
        turns = [np.rot90(p, k) for p in (squares[i], squares[i].T) for k in range(4)]
        if max(float((turn * squares[j]).sum()) for turn in turns) >= NEAR:
            expected.append((i, j))
    assert expected == [(1, 5), (3, 6)]
    assert [pair[:2] for pair in near_duplicates(vectors)] == expected


def test_more_pictures_than_one_block() -> None:
    vectors = np.random.default_rng(0).standard_normal((1100, SIDE * SIDE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[1050], vectors[700] = vectors[3], vectors[650]
    assert [pair[:2] for pair in near_duplicates(vectors)] == [(3, 1050), (650, 700)]


def test_copies_asked_for_again_are_those_of_a_fresh_comparison() -> None:
    random = np.random.default_rng(0)
    pictures = [random.random((1, 40, 50)) for _ in range(5)]
    pictures += [pictures[1][:, ::-1], pictures[3] + 0.1 * random.random((1, 40, 50))]
    vectors = {Path(f"{n}.png"): thumbnail_descriptor(Image(p)) for n, p in enumerate(pictures)}
    copies = NearCopies()
    files = list(vectors)
    asked: list[Path] = []

    def descriptor(file: Path) -> Vector:
        asked.append(file)
        return vectors[file]

    for some in (files[:4], files, files[::-1], files[2:], [files[6], files[0], files[3]], files[:3], []):
        expected = near_duplicates(np.stack([vectors[file] for file in some])) if some else []
        found = copies.among(some, descriptor)
        assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
        assert [pair[2] for pair in found] == pytest.approx([pair[2] for pair in expected])
    assert asked == files[:4] + files  # all later ones are known


def test_constant_and_broken_pixels_match_nothing() -> None:
    flat = thumbnail_descriptor(Image(np.full((1, 20, 20), 7, np.uint8)))
    assert not flat.any()
    assert near_duplicates(np.stack([flat, flat])) == []
    broken = np.random.default_rng(0).random((2, 30, 30)).astype(np.float32)
    broken[0, 3, 3], broken[1, 4, 4] = np.nan, np.inf
    assert np.isfinite(thumbnail_descriptor(Image(broken))).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 200), (2, 4, 9, 9)])
def test_any_shape_has_a_descriptor(shape: tuple[int, ...]) -> None:
    vector = thumbnail_descriptor(Image(np.random.default_rng(0).random(shape)))
    assert vector.shape == (SIDE * SIDE,)
    assert np.isfinite(vector).all()


def test_hash_sees_shape_type_and_every_pixel() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    other = pixels.copy()
    other[0, 3, 5] += 1
    variants = [pixels, other, pixels.reshape(1, 6, 4), pixels.astype(np.uint16), pixels.view(np.int8)]
    assert len({pixel_hash(Image(v)) for v in variants}) == len(variants)
    assert pixel_hash(Image(pixels)) == pixel_hash(Image(np.asfortranarray(pixels)))


def test_hash_takes_grey_stored_as_colours_for_grey() -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    colour = np.repeat(grey, 3, axis=0)
    assert pixel_hash(Image(colour)) == pixel_hash(Image(grey))
    for channel in range(3):
        tinted = colour.copy()
        tinted[channel, 2, 2] += 1
        assert pixel_hash(Image(tinted)) not in (pixel_hash(Image(grey)), pixel_hash(Image(tinted[channel][None])))
    assert pixel_hash(Image(colour[:2])) != pixel_hash(Image(grey))


@pytest.mark.parametrize("name", ["em_isbi2012", "camvid", "magtile_defects", "retina_drive"])
def test_no_false_alarm_on_real_pictures_that_look_alike(real_data: Path, name: str) -> None:
    paths = sorted((real_data / name / "images").iterdir())
    vectors = np.stack([thumbnail_descriptor(read_image(path)) for path in paths])
    assert near_duplicates(vectors) == []
    again = thumbnail_descriptor(Image(resaved(read_image(paths[0]).pixels[0])[None, :, ::-1]))
    grey = thumbnail_descriptor(Image(read_image(paths[0]).pixels[:1]))
    assert len(near_duplicates(np.stack([again, grey]))) == 1
