"""What is painted where, in exactly which colour."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from unetkit.classes import Classes
from unetkit.errors import InputError
from unetkit.image import Image
from unetkit.report import overlay, to_rgb
from unetkit.report.overlay import (
    ERROR_COLOURS,
    FALSE_ALARM,
    FOUND,
    MISSED,
    NOT_PAINTED,
    SHARE_COLOURS,
    UNLABELLED,
    WRONG_CLASS,
    contours,
    error_kinds,
    label_colours,
    paint_errors,
    paint_labels,
    paint_shares,
)

BINARY = Classes(names=("background", "cell"))
THREE = Classes(names=("background", "car", "tree"))
STREET = Classes(names=("sky", "road", "car"))


def block(height: int, width: int, rows: slice, columns: slice, value: int = 1) -> np.ndarray:
    labels = np.zeros((height, width), np.uint8)
    labels[rows, columns] = value
    return labels


def test_kinds_of_two_classes() -> None:
    truth, prediction = np.array([[0, 0, 1, 1, 255]], np.uint8), np.array([[0, 1, 0, 1, 1]], np.uint8)
    expected = [[NOT_PAINTED, FALSE_ALARM, MISSED, FOUND, UNLABELLED]]
    assert error_kinds(prediction, truth, BINARY).tolist() == expected


def test_kinds_of_several_classes() -> None:
    truth, prediction = np.array([[0, 0, 1, 2, 2]], np.uint8), np.array([[0, 2, 0, 2, 1]], np.uint8)
    assert error_kinds(prediction, truth, THREE).tolist() == [[NOT_PAINTED, FALSE_ALARM, MISSED, FOUND, WRONG_CLASS]]
    assert error_kinds(prediction, truth, STREET).tolist() == [
        [NOT_PAINTED, WRONG_CLASS, WRONG_CLASS, NOT_PAINTED, WRONG_CLASS]
    ]


def test_contours_are_painted_in_the_exact_colours_and_fills_let_the_image_through() -> None:
    image = np.full((30, 40, 3), 100, np.uint8)
    truth = block(30, 40, slice(5, 25), slice(2, 20))
    prediction = block(30, 40, slice(5, 25), slice(11, 38))
    painted = overlay(image, prediction, truth, BINARY)
    assert painted[0, 0].tolist() == [100, 100, 100]
    for row, column, kind in ((5, 3, MISSED), (5, 12, FOUND), (5, 30, FALSE_ALARM)):
        assert painted[row, column].tolist() == list(ERROR_COLOURS[kind])
    for row, column, kind, opacity in ((12, 6, MISSED, 140), (12, 15, FOUND, 72), (12, 30, FALSE_ALARM, 140)):
        share = opacity / 255
        expected = np.rint(100 * (1 - share) + np.array(ERROR_COLOURS[kind]) * share)
        assert painted[row, column].tolist() == expected.tolist()


def test_a_confused_class_has_a_colour_of_its_own() -> None:
    image = np.zeros((9, 9, 3), np.uint8)
    painted = overlay(image, np.full((9, 9), 2, np.uint8), block(9, 9, slice(0, 9), slice(0, 9)), THREE)
    expected = np.rint(np.array(ERROR_COLOURS[WRONG_CLASS]) * 140 / 255)
    assert painted[4, 4].tolist() == expected.tolist()


def test_ignored_pixels_are_hatched_grey() -> None:
    truth = np.full((32, 32), 255, np.uint8)
    paint = paint_errors(np.ones((32, 32), np.uint8), truth, BINARY)
    stripes = (paint[..., :3] == 206).all(axis=2)
    assert stripes.mean() == pytest.approx(0.25, abs=0.02)
    assert (paint[~stripes] == (128, 128, 128, 120)).all()
    assert (paint_labels(truth, BINARY) == np.where(stripes[..., None], paint, (128, 128, 128, 104))).all()


def test_without_truth_the_prediction_is_painted_in_class_colours() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    painted = overlay(image, block(20, 20, slice(4, 16), slice(4, 16), 2), None, THREE)
    assert painted[4, 8].tolist() == list(THREE.colours[2])
    assert painted[0, 0].tolist() == [0, 0, 0]


def test_arguments_stay_as_they_were_and_shapes_must_agree() -> None:
    image, labels = np.full((6, 6, 3), 9, np.uint8), block(6, 6, slice(1, 4), slice(1, 4))
    before = image.copy(), labels.copy()
    overlay(image, labels, labels, BINARY)
    assert (image == before[0]).all()
    assert (labels == before[1]).all()
    with pytest.raises(InputError, match="differ in shape"):
        overlay(image, labels, labels[:5], BINARY)


def test_contours_follow_both_sides_of_an_edge() -> None:
    labels = block(7, 9, slice(0, 7), slice(4, 9))
    assert contours(labels)[3].nonzero()[0].tolist() == [3, 4]
    assert contours(labels, 2)[3].nonzero()[0].tolist() == [2, 3, 4, 5]
    assert not contours(np.ones((4, 4), np.uint8)).any()


def test_label_colours_fill_the_table() -> None:
    table = label_colours(THREE)
    assert table.shape == (256, 3)
    assert table[:3].tolist() == [list(colour) for colour in THREE.colours]
    assert (table[3:] == 128).all()


def test_shares_have_the_same_colours_in_every_picture() -> None:
    paint = paint_shares(np.array([[0, 0.25, 0.5, 1], [0.5, 0.5, 0.5, 0.5]]))
    assert paint[0, :, :3].tolist() == [list(SHARE_COLOURS[index]) for index in (0, 1, 2, 4)]
    assert (paint[1] == paint[0, 2]).all()
    assert (np.diff(rgb2lab(np.array(SHARE_COLOURS) / 255)[:, 0]) > 10).all()  # ever lighter


# Full protanopia and deuteranopia in linear RGB: Machado, Oliveira, Fernandes, IEEE TVCG 15 (2009) 1291, table 1.
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


@pytest.mark.parametrize("vision", [np.eye(3), PROTAN, DEUTAN], ids=["full", "protanopia", "deuteranopia"])
def test_error_colours_are_told_apart_with_any_colour_vision(vision: list[list[float]]) -> None:
    def seen(colour: tuple[int, int, int]) -> np.ndarray:
        linear = (np.array(colour) / 255) ** 2.2
        return rgb2lab((np.array(vision) @ linear).clip(0, 1) ** (1 / 2.2))

    kinds = (FOUND, FALSE_ALARM, MISSED, WRONG_CLASS)
    for a, b in itertools.combinations(kinds, 2):
        assert np.linalg.norm(seen(ERROR_COLOURS[a]) - seen(ERROR_COLOURS[b])) > 38, (a, b)


def ramp(channels: int) -> np.ndarray:
    return np.stack([np.linspace(0, 100 * (c + 1), 64).reshape(8, 8) for c in range(channels)])


def test_grey_is_stretched_to_the_whole_range() -> None:
    shown = to_rgb(Image(ramp(1).astype(np.uint16)))
    assert shown.shape == (8, 8, 3)
    assert (shown.min(), shown.max()) == (0, 255)
    assert (shown[..., 0] == shown[..., 2]).all()


def test_rgb_is_stretched_jointly_so_that_hues_stay() -> None:
    shown = to_rgb(Image(ramp(3)))[7, 7].astype(float)
    assert shown[0] / shown[2] == pytest.approx(1 / 3, abs=0.02)


def test_two_channels_are_green_and_magenta() -> None:
    only_first = np.stack([np.linspace(0, 1, 64).reshape(8, 8), np.zeros((8, 8))])
    assert to_rgb(Image(only_first))[7, 7].tolist() == [128, 255, 128]


def test_named_channels_are_chosen_of_many() -> None:
    pixels = ramp(4)
    pixels[3] = pixels[3, ::-1, ::-1]
    shown = to_rgb(Image(pixels, channels=("nir", "green", "blue", "Red")))
    assert shown[0, 0].tolist() == [255, 0, 0]
    assert to_rgb(Image(pixels))[0, 0].tolist() == [0, 0, 0]


def test_of_a_volume_the_middle_plane() -> None:
    volume = np.zeros((1, 5, 4, 4))
    volume[0, 2, 0, 0] = 1
    assert to_rgb(Image(volume))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_grey(value: int) -> None:
    assert (to_rgb(Image(np.full((1, 3, 3), value, np.uint8))) == 128).all()


def test_pixels_that_are_no_numbers_are_black() -> None:
    pixels = np.array([[[np.nan, np.inf, 1.0, 2.0]]], np.float32)
    assert to_rgb(Image(pixels))[0, :, 0].tolist() == [0, 0, 0, 255]
    assert (to_rgb(Image(pixels[..., :2])) == 0).all()


def test_boolean_images() -> None:
    assert to_rgb(Image(np.array([[[False, True]]])))[0, :, 0].tolist() == [0, 255]
