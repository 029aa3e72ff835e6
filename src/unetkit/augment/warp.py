"""Where a patch's pixels come from: mirroring, turns, rotation, scale, shear and elastic deformation as one map.

Every step is drawn for one sample, and all are composed into one map from output pixel to source position

    source = centre + (M · T) · (output - centre) + bend(output)

T mirrors and turns by quarters, M rotates, shears and scales, bend is the elastic deformation of the U-Net paper
(Ronneberger, Fischer and Brox 2015, section 3.1): Gaussian displacements on a coarse grid, interpolated bicubically.
The map is followed once: linear interpolation for images, nearest neighbour for labels. A sample that drew no M and no
bend is only mirrored and turned, which moves whole pixels and changes none.

Outside the source the image is mirrored about the edge of its last pixel (… b a | a b …), and its labels are not valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from unetkit.augment.settings import AugmentationSettings
from unetkit.classes import IGNORE

Matrix = npt.NDArray[np.float64]

WARP_DRAWS = 11
"""Uniform numbers in [0, 1) that `draw_warp` takes for one sample, whatever the settings."""


@dataclass(frozen=True, slots=True)
class Warp:
    """The geometry drawn for one sample.

    Args:
        mirrored: for each axis, whether it is mirrored (after the turns).
        turns: quarter turns in the row-column plane, counter-clockwise with rows pointing down (`numpy.rot90`).
        matrix: d×d, output offset from the centre to source offset, px; None where nothing is interpolated.
        control: elastic displacements d *(grid points), source px; None where there are none.
    """

    mirrored: tuple[bool, ...]
    turns: int = 0
    matrix: Matrix | None = None
    control: Tensor | None = None


def draw_warp(
    settings: AugmentationSettings, size: Sequence[int], draws: Sequence[float], generator: torch.Generator
) -> Warp:
    """Draw one sample's geometry.

    Args:
        settings: what may happen.
        size: spatial shape of the output patch.
        draws: WARP_DRAWS uniform numbers in [0, 1).
        generator: asked only for the elastic displacements, and only when they are drawn.

    Returns:
        The geometry; its `matrix` is None where the sample drew no warp.
    """
    dims = len(size)
    mirrored = tuple(may and draw < 0.5 for may, draw in zip(settings.axis_flips(dims), draws[:3], strict=False))
    turns = 0
    if settings.quarter_turns:
        turns = int(4 * draws[3]) if size[-1] == size[-2] else 2 * int(2 * draws[3])
    if not settings.warps(dims) or draws[4] >= settings.warp_probability:
        return Warp(mirrored, turns)
    in_plane = settings.rotation * (2 * draws[5] - 1)
    out_of_plane = [settings.rotation_out_of_plane * (2 * draw - 1) for draw in draws[6:8]]
    shears = [settings.shear * (2 * draw - 1) for draw in draws[8:10]]
    low, high = settings.scale
    matrix = pull_back(
        (in_plane, *out_of_plane), low * (high / low) ** draws[10], shears, coarseness=settings.coarseness(dims)
    )
    return Warp(mirrored, turns, matrix, _draw_control(settings, dims, generator))


def _draw_control(settings: AugmentationSettings, dims: int, generator: torch.Generator) -> Tensor | None:
    if settings.elastic_sigma == 0:
        return None
    control = torch.randn((dims, *[settings.elastic_grid] * dims), generator=generator)
    pixels = torch.tensor([settings.elastic_sigma / coarse for coarse in settings.coarseness(dims)])
    return control * pixels.view(-1, *[1] * dims)


def pull_back(angles: Sequence[float], scale: float, shears: Sequence[float], *, coarseness: Sequence[float]) -> Matrix:
    """The matrix from output offset to source offset that magnifies, shears and rotates the picture.

    Args:
        angles: degrees in the row-column plane, then (three dimensions only) in the plane-row and plane-column planes.
        scale: magnification; 2 shows everything twice as large.
        shears: degrees of rows along columns, and of columns along rows.
        coarseness: spacing of each axis relative to the finest; rotation and shear act on true distances.

    Returns:
        d×d matrix in pixels.

    Example:
        >>> pull_back((90.0,), 1.0, (0.0, 0.0), coarseness=(1.0, 1.0)).round().tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
    """
    dims = len(coarseness)
    matrix = np.eye(dims)
    matrix[-2, -1], matrix[-1, -2] = (math.tan(math.radians(shear)) for shear in shears)
    for (a, b), angle in zip(((-2, -1), (0, 1), (0, 2)) if dims == 3 else ((0, 1),), angles, strict=False):
        turn = np.eye(dims)
        turn[a, a] = turn[b, b] = math.cos(math.radians(angle))
        turn[a, b] = math.sin(math.radians(angle))
        turn[b, a] = -turn[a, b]
        matrix = turn @ matrix
    lengths: Matrix = np.array(coarseness)
    pixels: Matrix = matrix * lengths / lengths[:, None] / scale
    return pixels


def _lattice(warp: Warp) -> Matrix:
    """Turns, then mirroring, as a matrix from output offset to source offset."""
    lattice = np.diag([-1.0 if mirrored else 1.0 for mirrored in warp.mirrored])
    turn = np.eye(len(warp.mirrored))
    turn[-2:, -2:] = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), warp.turns)
    return turn @ lattice


def bend(control: Tensor, size: Sequence[int]) -> Tensor:
    """Displacements on a coarse grid, interpolated to every pixel by cubic convolution, one axis after the other.

    The outermost control points lie on the centres of the outermost pixels.

    Args:
        control: d *(grid points) displacements, any unit.
        size: spatial shape *S.

    Returns:
        d *S displacements.

    Source:
        Keys, "Cubic convolution interpolation for digital image processing", 1981 (with a = -0.75, as torch has it).
    """
    for length, points in zip(size, control.shape[1:], strict=True):
        weights = _cubic_weights(points, length).to(control.device)
        control = torch.tensordot(control, weights, dims=([1], [1]))  # the axis leaves in front and joins at the end
    return control


@lru_cache(maxsize=64)
def _cubic_weights(points: int, length: int) -> Tensor:
    """What each control point contributes to each pixel of a line, length × points: the unit vectors interpolated."""
    units = torch.eye(points)[None, None]
    return F.interpolate(units, (length, points), mode="bicubic", align_corners=True)[0, 0]


def source_positions(warp: Warp, source: Sequence[int], size: Sequence[int], device: torch.device) -> Tensor:
    """The source position of every output pixel.

    Args:
        warp: the drawn geometry, with a matrix.
        source: spatial shape of the source patch.
        size: spatial shape *S of the output patch, taken around the source's centre.
        device: where to build them.

    Returns:
        d *S positions, source px (pixel centres are whole numbers).
    """
    if warp.matrix is None:
        raise ValueError("this sample drew no warp: its pixels are moved whole, not interpolated")
    dims = len(size)
    matrix = warp.matrix @ _lattice(warp)
    rows = []
    for axis in range(dims):
        position = torch.full([1] * dims, _first(source[axis], size[axis]) + (size[axis] - 1) / 2, device=device)
        for other, length in enumerate(size):
            offset = torch.arange(length, device=device, dtype=torch.float32) - (length - 1) / 2
            shape = [length if a == other else 1 for a in range(dims)]
            position = position + (offset * float(matrix[axis, other])).view(shape)
        rows.append(position)
    positions = torch.stack(rows)
    return positions if warp.control is None else positions.add_(bend(warp.control.to(device), size))


def _first(source: int, size: int) -> int:
    """Where the central `size` pixels of `source` begin."""
    return (source - size) // 2


def follow(image: Tensor, labels: Tensor, valid: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Look up one sample at source positions.

    Args:
        image: C *S float32.
        labels: *S integers.
        valid: *S bool.
        positions: d *O, source px.

    Returns:
        image C *O (linear), labels *O (nearest; 255 outside the source) and valid *O (False outside).
    """
    shape = image.shape[1:]
    # grid_sample wants x first, and the source from -1 to 1 between the outer edges of its pixels.
    lines = [(2 * line + 1) / length - 1 for line, length in zip(positions, shape, strict=True)]
    grid = torch.stack(lines[::-1], dim=-1)[None]
    warped = F.grid_sample(image[None], grid, mode="bilinear", padding_mode="reflection", align_corners=False)[0]

    inside = torch.ones_like(positions[0], dtype=torch.bool)
    index = torch.zeros_like(inside, dtype=torch.int64)
    for line, length in zip(positions, shape, strict=True):
        nearest = line.round().to(torch.int64)
        kept = nearest.clamp(0, length - 1)
        inside &= nearest == kept
        index.mul_(length).add_(kept)
    return warped, labels.take(index).masked_fill_(~inside, IGNORE), valid.take(index) & inside


def move_whole(part: Tensor, warp: Warp, size: Sequence[int]) -> Tensor:
    """The central `size` of one sample, turned and mirrored: pixels change places, never values.

    Args:
        part: … *S of any type.
        warp: the drawn geometry, without a matrix.
        size: spatial shape of the output.

    Returns:
        … *size; may share memory with `part`.
    """
    dims = len(size)
    for axis, length in enumerate(size, start=-dims):
        part = part.narrow(axis, _first(part.shape[axis], length), length)
    if warp.turns:
        part = part.rot90(warp.turns, (-2, -1))
    mirrored = [axis for axis, yes in enumerate(warp.mirrored, start=-dims) if yes]
    return part.flip(mirrored) if mirrored else part


def deformation_grid(
    settings: AugmentationSettings, shape: Sequence[int], generator: torch.Generator, *, step: int = 16
) -> npt.NDArray[np.float32]:
    """One drawn deformation, to be drawn as a bent grid: the positions that a regular lattice of pixels is taken from.

    It is drawn with the code that training patches are drawn with, without mirroring and quarter turns, and it always
    warps when the settings know a warp. Of a volume, the middle plane is shown.

    Args:
        settings: what may happen.
        shape: spatial shape of the patch, px.
        generator: drawn from.
        step: distance of the lattice's lines, px, at least 1; the last row and column are always included.

    Returns:
        Array (rows, cols, 2): row and column in the source, px. Without any warp, the lattice itself.

    Example:
        >>> deformation_grid(AugmentationSettings(), (33, 33), torch.Generator()).shape
        (3, 3, 2)
    """
    always = settings.model_copy(
        update={"warp_probability": 1.0, "flips": (False, False, False), "quarter_turns": False}
    )
    draws = torch.rand(WARP_DRAWS, generator=generator).tolist()
    warp = draw_warp(always, shape, draws, generator)
    if warp.matrix is None:
        warp = Warp(warp.mirrored, matrix=np.eye(len(shape)))
    positions = source_positions(warp, shape, shape, torch.device("cpu"))[-2:]
    if len(shape) == 3:
        positions = positions[:, shape[0] // 2]
    rows, columns = (sorted({*range(0, length, step), length - 1}) for length in shape[-2:])
    return positions[:, rows][:, :, columns].permute(1, 2, 0).numpy()


def source_size(settings: AugmentationSettings, size: Sequence[int]) -> tuple[int, ...]:
    """How large a source patch must be for warped patches to lie inside it.

    Two elastic standard deviations are allowed for, so that elastic deformation alone reaches outside rarely.

    Args:
        settings: what may happen.
        size: spatial shape of the output patch, px.

    Returns:
        Spatial shape of the source, px: as large or larger, by even numbers, so that the centres agree.

    Example:
        >>> source_size(AugmentationSettings(rotation=180, warp_probability=1.0), (101, 101))
        (143, 143)
    """
    dims = len(size)
    if not settings.warps(dims):
        return tuple(size)
    coarseness = settings.coarseness(dims)
    half = (np.array(size) - 1) / 2
    tilts = np.linspace(-1, 1, 5 if dims == 3 else 1) * settings.rotation_out_of_plane
    reach: npt.NDArray[Any] = half
    for angle, a, b, *signs in product(np.linspace(0, settings.rotation, 25), tilts, tilts, (-1, 1), (-1, 1)):
        shears = [sign * settings.shear for sign in signs]
        matrix = pull_back((angle, a, b), settings.scale[0], shears, coarseness=coarseness)
        reach = np.maximum(reach, np.abs(matrix) @ half)
    reach = reach + 2 * settings.elastic_sigma / np.array(coarseness)
    return tuple(int(n) + 2 * math.ceil(extra - 1e-6) for n, extra in zip(size, reach - half, strict=True))
