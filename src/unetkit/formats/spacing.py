"""Pixel sizes: which ones to believe, how formats spell their units, and how they are written."""

from __future__ import annotations

from unetkit.image import Geometry

FINEST_DEVICE = 4800
"""Dots an inch that cameras, screens, printers and scanners write into files, whether true or not, end here."""

METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3, "ft": 0.3048, "us-ft": 1200 / 3937}

SPELLINGS = {
    "nm": "nm", "nanometer": "nm", "nanometre": "nm",
    "um": "um", "µm": "um", "μm": "um", "\\u00b5m": "um", "micron": "um", "microns": "um", "micrometer": "um",
    "micrometre": "um", "mm": "mm", "millimeter": "mm", "millimetre": "mm", "cm": "cm", "centimeter": "cm",
    "centimetre": "cm", "m": "m", "meter": "m", "metre": "m", "km": "km", "kilometer": "km", "kilometre": "km",
    "ft": "ft", "foot": "ft",
}  # fmt: skip


def known_unit(spelling: str) -> str | None:
    """Our name of a unit of length, or None where it is none ("pixel", "", "inch").

    Inches are left out: they stand for a print size in nearly every file that has them.

    Example:
        >>> known_unit("µm")
        'um'
    """
    text = spelling.strip()
    return SPELLINGS.get(text) or SPELLINGS.get(text.lower())


def finer_than_devices(rows_per_um: float, columns_per_um: float) -> Geometry:
    """Spacing from a bare resolution tag, where it can be a measured one.

    Every camera and editor writes 72, 96 or 300 dots an inch into its files. Only a resolution finer than any such
    device writes (4800 dots an inch, 5.3 µm) is taken for a pixel size.

    Args:
        rows_per_um: pixels per micrometre down the image.
        columns_per_um: pixels per micrometre across the image.

    Returns:
        The spacing in um, or a geometry without spacing.

    Example:
        >>> finer_than_devices(2.0, 2.0).spacing, finer_than_devices(72 / 25400, 72 / 25400).spacing
        ((0.5, 0.5), None)
    """
    if min(rows_per_um, columns_per_um) * 25400 <= FINEST_DEVICE:
        return Geometry()
    return Geometry((1 / rows_per_um, 1 / columns_per_um), "um")


def spell_spacing(geometry: Geometry) -> str:
    """The spacing as text, such as "0.5 0.5 um": exact, for formats that hold texts."""
    return " ".join([*map(repr, map(float, geometry.spacing or ())), geometry.unit])


def parse_spacing(text: str) -> Geometry:
    """The inverse of `spell_spacing`; a geometry without spacing where the text is something else."""
    *numbers, unit = text.split() or [""]
    try:
        spacing = tuple(float(number) for number in numbers)
    except ValueError:
        return Geometry()
    return Geometry(spacing, unit) if len(spacing) == 2 and min(spacing) > 0 else Geometry()


def per_metre(geometry: Geometry) -> tuple[int, int] | None:
    """Whole pixels per metre along row and column, or None where the unit is no length or the number too large."""
    if geometry.spacing is None or geometry.unit not in METRES:
        return None
    row, column = (round(1 / (size * METRES[geometry.unit])) for size in geometry.spacing[-2:])
    return (row, column) if 0 < row < 2**31 and 0 < column < 2**31 else None
