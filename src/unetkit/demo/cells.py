"""A generated fluorescence-microscopy set: touching cells with exact truth.

outlines (smooth Fourier shapes, grown in clusters) → light (dome, texture, nucleus, vesicles, debris)
→ photograph (haze, point spread, uneven illumination, shot and read noise, 12 bits)

Where two outlines overlap, the pixel belongs to the cell in which it lies deeper (nearer to the centre, as a share of
the way to the outline), so neighbours share a border without a gap; both cells' light is seen there, as in a
wide-field microscope. The truth is cut first and the light is drawn after it, so it is exact by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import Classes, write_classes
from unetkit.files import write_json, write_text
from unetkit.formats import write_image, write_mask

Floats = npt.NDArray[np.float64]
Instances = npt.NDArray[np.uint16]

SIZES = ((256, 256), (288, 288), (256, 320), (288, 256))
"""Shapes of the images, taken in turn: one dataset may mix sizes."""

SPLIT = {"train": 10, "val": 3, "test": 3}
BITS = 12
LEAST_VISIBLE = 60
"""A cell that shows fewer pixels (at the image's border) is not placed."""

MOST_OVERLAP = 0.18
"""No cell has a larger share of its outline inside its neighbours."""

README = """\
# Generated cells

Sixteen images such as a wide-field fluorescence microscope takes of a cytoplasm stain, drawn by `unetkit demo`
(unetkit.demo.cells): 12 bits in 16-bit PNG files. The masks hold instance ids (0 is background), and touching cells
have no gap between them. Small bright debris and blurred cells far out of focus are background.

Because the truth is exact and all images come from one recipe, scores here are higher than on real cells.
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell's outline, in the part of the image around it.

    Args:
        window: rows and columns of that part.
        depth: array of that part's shape; 0 at the centre, 1 on the outline, more outside.
        centre: row and column, in pixels.
        radius: mean radius in pixels.
    """

    window: tuple[slice, slice]
    depth: Floats
    centre: tuple[float, float]
    radius: float


def draw_cells(
    generator: np.random.Generator, *, shape: tuple[int, int] = (256, 256), density: float = 1.0
) -> tuple[npt.NDArray[np.uint16], Instances]:
    """Draw one image of cells in clusters.

    Args:
        generator: the same state gives the same image.
        shape: rows and columns, each at least 64.
        density: number of cells, in units of one for every 1800 pixels; some find no room.

    Returns:
        Pixels 1 H W (0 to 4095) and instances H W (0 is background, then 1, 2, … without a gap in the numbers).

    Example:
        >>> pixels, instances = draw_cells(np.random.default_rng(0), shape=(128, 128))
        >>> pixels.shape, instances.shape
        ((1, 128, 128), (128, 128))
    """
    wanted = max(1, round(density * shape[0] * shape[1] / 1800))
    cells, instances = _grow_clusters(generator, shape, wanted)
    light = _light(generator, shape, cells)
    return _photograph(generator, light, _far_cells(generator, shape))[None], instances


def _grow_clusters(generator: np.random.Generator, shape: tuple[int, int], wanted: int) -> tuple[list[Cell], Instances]:
    """Place cells one by one: most of them against a cell that is there, the others where chance puts them."""
    cells: list[Cell] = []
    instances = np.zeros(shape, np.uint16)
    nearest = np.full(shape, np.inf)
    mean_radius = generator.uniform(14, 18)
    for _ in range(6 * wanted):
        if len(cells) == wanted:
            break
        radius = mean_radius * float(np.exp(generator.normal(0, 0.16)))
        if cells and generator.random() < 0.85:
            neighbour = cells[generator.integers(max(0, len(cells) - 8), len(cells))]
            angle = generator.uniform(0, 2 * np.pi)
            away = (neighbour.radius + radius) * generator.uniform(0.84, 0.98)
            centre = (neighbour.centre[0] + away * np.sin(angle), neighbour.centre[1] + away * np.cos(angle))
        else:
            centre = (generator.uniform(0, shape[0]), generator.uniform(0, shape[1]))
        cell = _outline(generator, shape, centre, radius)
        if cell is not None and _fits(cell, instances, nearest):
            cells.append(cell)
            mine = _own_pixels(cell, nearest)
            instances[cell.window][mine] = len(cells)
            nearest[cell.window][mine] = cell.depth[mine]
    return cells, instances


def _outline(
    generator: np.random.Generator, shape: tuple[int, int], centre: tuple[float, float], radius: float
) -> Cell | None:
    """A smooth star-convex shape: radius(angle) = radius · (1 + Σ a_k cos(k·angle + φ_k)); None outside the image."""
    orders = np.arange(2, 7)
    heights = generator.normal(0, 1, orders.size) * np.array([0.11, 0.055, 0.035, 0.02, 0.012])
    heights = heights.clip(-0.22, 0.22)
    phases = generator.uniform(0, 2 * np.pi, orders.size)
    window = _window(shape, centre, 1.5 * radius)
    if window is None:
        return None
    rows, columns = np.mgrid[window]
    rows, columns = rows - centre[0], columns - centre[1]
    angle = np.arctan2(rows, columns)
    reach = 1 + (heights * np.cos(orders * angle[..., None] + phases)).sum(-1)
    return Cell(window, np.hypot(rows, columns) / (radius * reach), centre, radius)


def _window(shape: tuple[int, int], centre: tuple[float, float], reach: float) -> tuple[slice, slice] | None:
    row, column = (
        slice(max(0, int(at - reach)), min(size, int(at + reach) + 2)) for at, size in zip(centre, shape, strict=True)
    )
    return (row, column) if row.start < row.stop and column.start < column.stop else None


def _own_pixels(cell: Cell, nearest: Floats) -> npt.NDArray[np.bool_]:
    return (cell.depth < 1) & (cell.depth < nearest[cell.window])


def _fits(cell: Cell, instances: Instances, nearest: Floats) -> bool:
    """Whether a new cell stays in one piece, leaves its neighbours in one piece, and overlaps them but little."""
    inside, mine = cell.depth < 1, _own_pixels(cell, nearest)
    there = instances[cell.window]
    area = int(inside.sum())
    if mine.sum() < LEAST_VISIBLE or (there[inside] > 0).sum() > MOST_OVERLAP * area or not _in_one_piece(mine):
        return False
    for other in np.unique(there[mine]):
        if other == 0:
            continue
        before = instances == other
        lost = int((there[mine] == other).sum())
        after = before.copy()
        after[cell.window] &= ~mine
        if lost > 0.5 * MOST_OVERLAP * before.sum() or after.sum() < LEAST_VISIBLE or not _in_one_piece(after):
            return False
    return True


def _in_one_piece(mask: npt.NDArray[np.bool_]) -> bool:
    return int(ndimage.label(mask)[1]) == 1


def _noise(generator: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Floats:
    """Smooth noise of mean 0 and standard deviation about 1, with details of `sigma` pixels."""
    noise: Floats = ndimage.gaussian_filter(generator.normal(0, 1, shape), sigma, mode="wrap")
    return noise / max(float(noise.std()), 1e-9)


def _light(generator: np.random.Generator, shape: tuple[int, int], cells: list[Cell]) -> Floats:
    """What a perfect microscope would see; a cell of middling brightness has about 1."""
    light = np.zeros(shape)
    for cell in cells:
        light[cell.window] += _cell_light(generator, cell)
    for _ in range(generator.poisson(shape[0] * shape[1] / 16000)):
        _add_speck(generator, light, generator.uniform(1.0, 3.6), generator.uniform(0.8, 4.0))
    return light


def _cell_light(generator: np.random.Generator, cell: Cell) -> Floats:
    """A dome of textured cytoplasm, a nucleus with nucleoli, and vesicles around it."""
    depth, shape = cell.depth, cell.depth.shape
    rows, columns = np.mgrid[cell.window]
    rows, columns = rows - cell.centre[0], columns - cell.centre[1]
    brightness = float(np.exp(generator.normal(-0.1, 0.42)))
    dome = np.sqrt((1 - depth**2).clip(0))
    rim = 1 / (1 + np.exp((depth - 1) * cell.radius / 0.6))  # the membrane falls off within a pixel
    texture = 1 + 0.14 * _noise(generator, shape, 2.6) + 0.1 * _noise(generator, shape, 1.1)
    light: Floats = rim * (0.36 + 0.5 * dome) * texture.clip(0.3)

    turn, longer = generator.uniform(0, np.pi), generator.uniform(1.0, 1.35)
    shift = generator.normal(0, 0.09 * cell.radius, 2)
    along = (columns - shift[1]) * np.cos(turn) + (rows - shift[0]) * np.sin(turn)
    across = (rows - shift[0]) * np.cos(turn) - (columns - shift[1]) * np.sin(turn)
    size = cell.radius * generator.uniform(0.36, 0.46)
    distance = np.hypot(along / longer, across)
    nucleus = 1 / (1 + np.exp((distance - size) / 0.8))
    stain = generator.choice([-0.22, 0.45, 0.6])  # some cells keep the dye out of the nucleus
    light += rim * nucleus * stain * (1 + 0.22 * _noise(generator, shape, 1.4))
    for _ in range(generator.integers(1, 4)):
        row, column = generator.normal(0, 0.4 * size, 2) + shift
        nucleolus = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * generator.uniform(0.9, 1.6) ** 2))
        light -= 0.5 * abs(stain) * nucleus * nucleolus

    for _ in range(generator.poisson(9)):
        angle, away = generator.uniform(0, 2 * np.pi), cell.radius * generator.normal(0.62, 0.14)
        spot = (rows - away * np.sin(angle)) ** 2 + (columns - away * np.cos(angle)) ** 2
        light += rim * generator.uniform(0.1, 0.55) * np.exp(-spot / (2 * generator.uniform(0.5, 0.9) ** 2))
    light = np.maximum(light, 0)
    return brightness * light


def _add_speck(generator: np.random.Generator, light: Floats, radius: float, brightness: float) -> None:
    """Debris or a shrunken dead cell, somewhere; it is no cell in the truth."""
    centre = (generator.uniform(0, light.shape[0]), generator.uniform(0, light.shape[1]))
    window = _window((light.shape[0], light.shape[1]), centre, 4 * radius)
    if window is not None:
        rows, columns = np.mgrid[window]
        distance = np.hypot(rows - centre[0], (columns - centre[1]) * generator.uniform(0.8, 1.25))
        light[window] += brightness / (1 + np.exp((distance - radius) / 0.7))


def _far_cells(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Cells that float far above the focus: broad, dim clouds."""
    far = np.zeros(shape)
    for _ in range(generator.poisson(3)):
        centre = (generator.uniform(0, shape[0]), generator.uniform(0, shape[1]))
        radius = generator.uniform(12, 20)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        far += generator.uniform(0.15, 0.4) * (np.hypot(rows - centre[0], columns - centre[1]) < radius)
    blurred: Floats = ndimage.gaussian_filter(far, generator.uniform(6, 10))
    return blurred


def _photograph(generator: np.random.Generator, light: Floats, far: Floats) -> npt.NDArray[np.uint16]:
    """The camera's numbers: haze, point spread, illumination, shot noise (Poisson), read noise, offset and 12 bits."""
    shape = light.shape
    haze = generator.uniform(0.2, 0.45) * ndimage.gaussian_filter(light, 18) + generator.uniform(0.04, 0.14)
    sharp = ndimage.gaussian_filter(light, generator.uniform(0.9, 1.4))
    wings = ndimage.gaussian_filter(light, 3.5)
    seen = 0.85 * sharp + 0.15 * wings + haze + far

    rows, columns = (np.linspace(-1, 1, size) for size in shape)
    vignette = 1 - generator.uniform(0.2, 0.45) * (rows[:, None] ** 2 + columns**2) / 2
    tilt = generator.normal(0, 0.12, 2)
    flat = (1 + tilt[0] * rows[:, None] + tilt[1] * columns) * (1 + 0.05 * _noise(generator, shape, shape[0] / 5))
    photons = seen * vignette * flat.clip(0.3) * generator.uniform(55, 240)

    gain = generator.uniform(3.0, 4.5)
    electrons = generator.poisson(photons.clip(0)) + generator.normal(0, 2.5, shape)
    numbers = (generator.uniform(90, 140) + gain * electrons).round().clip(0, 2**BITS - 1)
    return np.asarray(numbers, np.uint16)


def cell_names() -> dict[str, list[str]]:
    """Names of the images by part of the split."""
    numbers = iter(range(1, sum(SPLIT.values()) + 1))
    return {part: [f"cells_{next(numbers):02d}" for _ in range(count)] for part, count in SPLIT.items()}


def write_cells(root: Path, *, seed: int = 0) -> None:
    """Write the set as a dataset: images/, masks/ of instance ids, splits.json, classes.yaml, README.md.

    Args:
        root: folder; files of the same names are replaced.
        seed: each gives another set.
    """
    parts = cell_names()
    streams = np.random.default_rng(seed).spawn(sum(SPLIT.values()))
    for n, name in enumerate(name for names in parts.values() for name in names):
        pixels, instances = draw_cells(
            streams[n], shape=SIZES[n % len(SIZES)], density=float(streams[n].uniform(0.75, 1.15))
        )
        write_image(root / "images" / f"{name}.png", pixels)
        write_mask(root / "masks" / f"{name}.png", instances)
    write_json(root / "splits.json", parts)
    classes: dict[str, Any] = {"names": ("background", "cell"), "encoding": "instances", "dtype": "uint16"}
    write_classes(root / "classes.yaml", Classes(**classes, evidence="stated in classes.yaml"))
    write_text(root / "README.md", README)
