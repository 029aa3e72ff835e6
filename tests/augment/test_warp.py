"""The geometry, held against numpy and scipy."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from unetkit.augment import AugmentationSettings, augment, deformation_grid, source_size
from unetkit.augment.warp import (
    WARP_DRAWS,
    Warp,
    bend,
    draw_warp,
    follow,
    move_whole,
    pull_back,
    source_positions,
)

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_sample(*shape: int, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    image = torch.randn((channels, *shape), generator=seeded(1))
    labels = torch.randint(0, 5, shape, generator=seeded(2))
    return image, labels, torch.rand(shape, generator=seeded(3)) < 0.8


def every_lattice(*shape: int) -> list[Warp]:
    turns = range(4) if shape[-1] == shape[-2] else (0, 2)
    flips = itertools.product((False, True), repeat=len(shape))
    return [Warp(mirrored, turn) for mirrored, turn in itertools.product(flips, turns)]


@pytest.mark.parametrize("shape", [(6, 6), (5, 5), (4, 7), (3, 4, 4), (1, 1)])
def test_flips_and_quarter_turns_equal_numpy(shape: tuple[int, ...]) -> None:
    for part in some_sample(*shape):
        for warp in every_lattice(*shape):
            expected = np.rot90(part.numpy(), warp.turns, axes=(-2, -1))
            flipped = [axis - len(shape) for axis, yes in enumerate(warp.mirrored) if yes]
            np.testing.assert_array_equal(move_whole(part, warp, shape).numpy(), np.flip(expected, flipped))


@pytest.mark.parametrize(
    ("source", "size"), [((6, 6), (6, 6)), ((9, 8), (5, 5)), ((4, 7), (4, 6)), ((4, 6, 6), (3, 4, 4))]
)
def test_the_interpolated_path_agrees_with_the_exact_one(source: tuple[int, ...], size: tuple[int, ...]) -> None:
    sample = some_sample(*source)
    for lattice in every_lattice(*size):
        straight = Warp(lattice.mirrored, lattice.turns, np.eye(len(size)))
        moved = follow(*sample, source_positions(straight, source, size, CPU))
        for warped, part in zip(moved, sample, strict=True):
            torch.testing.assert_close(warped, move_whole(part, lattice, size), atol=1e-5, rtol=0)


def reference(volume: np.ndarray, matrix: np.ndarray, order: int = 1) -> np.ndarray:
    centre = (np.array(volume.shape) - 1) / 2
    return ndimage.affine_transform(volume, matrix, centre - matrix @ centre, order=order, mode="reflect")


@pytest.mark.parametrize("degrees", [-117.0, 10.0, 30.0])
def test_rotation_equals_scipy(degrees: float) -> None:
    image, labels, valid = some_sample(24, 31)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    warp = Warp((False, False), matrix=pull_back((degrees,), 1.0, (0.0, 0.0), coarseness=(1.0, 1.0)))
    turned, chosen, _ = follow(image, labels, valid, source_positions(warp, (24, 31), (24, 31), CPU))
    for channel, plane in zip(turned, image, strict=True):
        expected = reference(plane.numpy().astype(np.float64), np.array([[c, s], [-s, c]]))
        np.testing.assert_allclose(channel.numpy(), expected, atol=2e-4)
    nearest = reference(labels.numpy(), np.array([[c, s], [-s, c]]), order=0)
    inside = chosen.numpy() != 255
    assert inside.mean() > 0.5
    np.testing.assert_array_equal(chosen.numpy()[inside], nearest[inside])


def test_rotation_turns_as_rot90_does() -> None:
    matrix = pull_back((90.0,), 1.0, (0.0, 0.0), coarseness=(1.0, 1.0))
    image, labels, valid = some_sample(9, 9)
    turned = follow(image, labels, valid, source_positions(Warp((False, False), 0, matrix), (9, 9), (9, 9), CPU))
    torch.testing.assert_close(turned[0], image.rot90(1, (1, 2)), atol=1e-5, rtol=0)
    assert torch.equal(turned[1], labels.rot90(1, (0, 1)))


def test_scale_magnifies_and_shear_shears() -> None:
    np.testing.assert_allclose(pull_back((0.0,), 2.0, (0.0, 0.0), coarseness=(1.0, 1.0)), np.eye(2) / 2)
    sheared = pull_back((0.0,), 1.0, (30.0, -10.0), coarseness=(1.0, 1.0))
    np.testing.assert_allclose(sheared, [[1, math.tan(math.pi / 6)], [-math.tan(math.pi / 18), 1]])
    rotated = pull_back((90.0,), 1.0, (30.0, -10.0), coarseness=(1.0, 1.0))
    np.testing.assert_allclose(rotated, np.array([[0, 1], [-1, 0]]) @ sheared, atol=1e-12)


def test_tilting_a_volume_equals_scipy() -> None:
    matrix = pull_back((20.0, -35.0, 15.0), 1.1, (5.0, 3.0), coarseness=(1.0, 1.0, 1.0))
    image, labels, valid = some_sample(10, 13, 12, channels=1)
    warp = Warp((False, False, False), matrix=matrix)
    turned, _, _ = follow(image, labels, valid, source_positions(warp, (10, 13, 12), (10, 13, 12), CPU))
    np.testing.assert_allclose(turned[0].numpy(), reference(image[0].numpy().astype(np.float64), matrix), atol=2e-4)


def test_rotation_keeps_true_lengths_where_slices_are_thick() -> None:
    spacing = np.array([4.0, 1.0, 2.0])
    matrix = pull_back((25.0, 40.0, -60.0), 1.0, (0.0, 0.0), coarseness=tuple(spacing))
    physical = spacing[:, None] * matrix / spacing
    np.testing.assert_allclose(physical @ physical.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_shape_and_picture_move_together() -> None:
    rows, columns = np.mgrid[:96, :96]
    labels = torch.from_numpy(((rows // 24 + columns // 24) % 2).astype(np.int64))[None]
    settings = AugmentationSettings(
        flips=(True, True),
        quarter_turns=True,
        warp_probability=1,
        rotation=180,
        shear=10,
        elastic_sigma=5,
        scale=(0.8, 1.3),
    )
    for seed in range(5):
        image, moved, valid = augment(labels[:, None].float(), labels, labels >= 0, settings, [seeded(seed)])
        flat = valid & ((image[:, 0] < 1e-4) | (image[:, 0] > 1 - 1e-4))
        assert flat.float().mean() > 0.5
        assert torch.equal(image[:, 0][flat].round().long(), moved[flat])


def test_control_points_have_the_stated_deviation() -> None:
    settings = AugmentationSettings(warp_probability=1, elastic_sigma=10, spacing=(4, 1, 1))
    drawn = [draw_warp(settings, (64, 64), [0.5] * 4 + [0.0] + [0.5] * 6, seeded(seed)).control for seed in range(300)]
    control = torch.stack([c for c in drawn if c is not None])
    assert control.shape == (300, 2, 3, 3)
    assert control.std().item() == pytest.approx(10, rel=0.03)
    assert abs(control.mean().item()) < 0.5
    volume = draw_warp(settings, (8, 64, 64), [0.5] * 4 + [0.0] + [0.5] * 6, seeded(0)).control
    assert volume is not None
    assert volume[0].std() < volume[1:].std() / 2


def test_displacements_at_control_points_are_the_drawn_ones() -> None:
    control = torch.randn((2, 3, 3), generator=seeded(4))
    warp = Warp((False, False), matrix=np.eye(2), control=control)
    positions = source_positions(warp, (65, 33), (65, 33), CPU)
    for i, row in enumerate((0, 32, 64)):
        for j, column in enumerate((0, 16, 32)):
            expected = torch.tensor([row, column]) + control[:, i, j]
            torch.testing.assert_close(positions[:, row, column], expected, atol=1e-5, rtol=0)


def keys(distance: float, a: float = -0.75) -> float:
    t = abs(distance)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def cubic(points: np.ndarray, length: int) -> np.ndarray:
    """Keys' cubic convolution of one line, end points repeated, straight from the formula."""
    result = np.zeros(length)
    for i in range(length):
        at = i * (len(points) - 1) / (length - 1)
        for k in range(math.floor(at) - 1, math.floor(at) + 3):
            result[i] += keys(at - k) * points[min(max(k, 0), len(points) - 1)]
    return result


@pytest.mark.parametrize("size", [(11, 8), (5, 9, 7)])
@pytest.mark.parametrize("points", [3, 5])
def test_bicubic_upsampling_equals_the_formula(size: tuple[int, ...], points: int) -> None:
    control = torch.randn((len(size), *[points] * len(size)), generator=seeded(5))
    for drawn, upsampled in zip(control.double().numpy(), bend(control, size), strict=True):
        expected = drawn
        for axis, length in enumerate(size):
            expected = np.apply_along_axis(cubic, axis, expected, length)
        np.testing.assert_allclose(upsampled.numpy(), expected, atol=1e-5)


def test_outside_is_mirrored_and_not_valid() -> None:
    image, labels, _ = some_sample(8, 8)
    warp = Warp((False, False), matrix=np.eye(2) * 2)
    moved, chosen, valid = follow(image, labels, labels >= 0, source_positions(warp, (8, 8), (8, 8), CPU))
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 2:6] = True
    assert torch.equal(valid, inside)
    assert (chosen[~inside] == 255).all()
    for channel, plane in zip(moved, image, strict=True):
        expected = reference(plane.numpy().astype(np.float64), np.eye(2) * 2)
        np.testing.assert_allclose(channel.numpy(), expected, atol=1e-5)


def test_labels_are_never_mixed() -> None:
    labels = torch.tensor([0, 3, 9, 200])[torch.randint(0, 4, (1, 40, 40), generator=seeded(6))]
    settings = AugmentationSettings(warp_probability=1, rotation=180, elastic_sigma=4)
    _, moved, valid = augment(torch.zeros(1, 1, 40, 40), labels, labels >= 0, settings, [seeded(7)])
    assert set(moved[valid].tolist()) == {0, 3, 9, 200}
    assert set(moved[~valid].tolist()) == {255}


@pytest.mark.parametrize("warp_probability", [0.0, 1.0])
def test_what_nobody_labelled_stays_so(warp_probability: float) -> None:
    labels = torch.randint(0, 2, (1, 48, 48), generator=seeded(8))
    valid = torch.rand((1, 48, 48), generator=seeded(9)) < 0.7
    labels[~valid] = 77
    labels[0, :10] = 255  # said to be valid, but ignored
    settings = AugmentationSettings(
        flips=(True, True), quarter_turns=True, warp_probability=warp_probability, rotation=30, elastic_sigma=3
    )
    _, moved, still = augment(torch.zeros(1, 1, 48, 48), labels, valid, settings, [seeded(10)])
    assert set(moved[still].tolist()) == {0, 1}
    assert 0.3 < still.float().mean() < 0.7


@pytest.mark.parametrize("size", [(32, 32), (31, 50), (12, 20, 20)])
def test_a_source_of_the_stated_size_leaves_nothing_outside(size: tuple[int, ...]) -> None:
    settings = AugmentationSettings(
        flips=(True, True, True), warp_probability=1, rotation=180, rotation_out_of_plane=20, scale=(0.8, 1.25), shear=8
    )
    source = source_size(settings, size)
    assert all((s - n) % 2 == 0 and s > n for s, n in zip(source, size, strict=True))
    labels = torch.zeros((8, *source), dtype=torch.int64)
    generators = [seeded(seed) for seed in range(8)]
    _, moved, valid = augment(labels[:, None].float(), labels, labels == 0, settings, generators, out_size=size)
    assert moved.shape == (8, *size)
    assert valid.all()
    _, _, tight = augment(
        *(torch.zeros((1, 1, *size)), torch.zeros((1, *size), dtype=torch.int64)),
        *(torch.ones((1, *size), dtype=torch.bool), settings, [seeded(0)]),
    )
    assert not tight.all()


def test_source_size_leaves_room_for_two_elastic_deviations() -> None:
    settings = AugmentationSettings(warp_probability=0.1, elastic_sigma=10, spacing=(5, 1, 1))
    assert source_size(settings, (64, 50)) == (104, 90)
    assert source_size(settings, (16, 64, 50)) == (24, 104, 90)


def test_source_size_asks_for_nothing_where_nothing_warps() -> None:
    assert source_size(AugmentationSettings(flips=(True, True), quarter_turns=True), (20, 30)) == (20, 30)


def test_a_sample_without_warp_has_no_positions_to_interpolate() -> None:
    with pytest.raises(ValueError, match="moved whole"):
        source_positions(Warp((False, False)), (4, 4), (4, 4), CPU)


def test_the_deformation_grid_is_what_patches_get() -> None:
    settings = AugmentationSettings(flips=(True, True), quarter_turns=True, elastic_sigma=10, rotation=20)
    grid = deformation_grid(settings, (65, 97), seeded(11), step=16)
    assert grid.shape == (5, 7, 2)
    generator = seeded(11)
    draws = torch.rand(WARP_DRAWS, generator=generator).tolist()
    always = settings.model_copy(update={"warp_probability": 1.0})
    drawn = draw_warp(always, (65, 97), draws, generator)
    warp = Warp((False, False), 0, drawn.matrix, drawn.control)
    positions = source_positions(warp, (65, 97), (65, 97), CPU)
    np.testing.assert_array_equal(grid, positions[:, ::16, ::16].permute(1, 2, 0).numpy())


def test_the_deformation_grid_of_nothing_is_straight() -> None:
    grid = deformation_grid(AugmentationSettings(), (20, 5), seeded(0), step=8)
    expected = np.stack(np.meshgrid([0, 8, 16, 19], [0, 4], indexing="ij"), axis=-1)
    np.testing.assert_allclose(grid, expected, atol=1e-6)


def test_the_deformation_grid_of_a_volume_shows_the_middle_plane() -> None:
    straight = deformation_grid(AugmentationSettings(), (9, 33, 17), seeded(0), step=16)
    np.testing.assert_allclose(straight, np.stack(np.meshgrid([0, 16, 32], [0, 16], indexing="ij"), axis=-1), atol=1e-6)
    bent = deformation_grid(AugmentationSettings(elastic_sigma=3), (9, 33, 17), seeded(0), step=16)
    assert 0.5 < np.abs(bent - straight).mean() < 8
