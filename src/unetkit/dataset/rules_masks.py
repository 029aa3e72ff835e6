"""Rules about the numbers in mask files: noise, strays, encodings that do not agree, swapped polarity."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.dataset.census import colour_of
from unetkit.dataset.findings import FIX, Case, Finding, listed, several
from unetkit.dataset.records import MaskFacts
from unetkit.errors import UnclearMasks

LOOSE = 0.5
"""A value is loose, and not drawn, when fewer of its pixels than this share continue in a neighbour."""

RINGING = 4
"""From so many loose values on, a mask holds compression noise or smooth edges."""

STRAY_SHARE = 2e-4
STRAY_PIXELS = 4
"""A value is stray where it has at most this share of a mask's pixels, or this number of pixels."""

STRAY_MASKS = 0.1
"""... and occurs in at most this share of the masks (or in one), scattered or with a number out of line."""

_APART = 24  # grey levels between two clean values; ringing spreads over fewer

Array = npt.NDArray[Any]


def ringing(case: Case) -> list[Finding]:
    """Values between the classes, as JPEG compression and smooth resizing leave them along edges."""
    noisy = noisy_masks(case)
    if not noisy:
        return []
    worst = max(noisy, key=lambda mask: len(mask.values))
    clean = clean_values(case)
    what = f"{several(len(noisy), 'mask')} with in-between values along the edges: {worst.file} holds "
    what += f"{len(worst.values)} different values"
    if clean:
        what += f" where {_shown(clean, worst.colours)} are meant"
    why = "JPEG compression or smooth resizing made them; each would count as a class of its own"
    mend = "export the masks again as PNG, resized with nearest neighbour"
    if clean:
        mend = f"'{FIX}' sets each pixel to the nearest clean value; or " + mend
    return [Finding("ringing", "error", _files(noisy), what, why, mend, fixable=bool(clean))]


def not_whole(case: Case) -> list[Finding]:
    """Masks with fractions, NaN or infinite numbers."""
    masks = [mask for mask in case.survey.readable_masks if not _is_whole(mask)]
    if not masks:
        return []
    odd = [value for value in masks[0].values.tolist() if not float(value).is_integer()]
    what = f"{several(len(masks), 'mask')} with numbers that are not whole: {masks[0].file} holds {listed(odd)}"
    why = "a mask gives each pixel the number of its class; a fraction or NaN stands for none"
    mend = "threshold probability maps; write a number of its own where nobody labelled, and state it in classes.yaml "
    return [Finding("mask-not-whole", "error", _files(masks), what, why, mend + "as 'ignore_values: [...]'")]


def jpeg_masks(case: Case) -> list[Finding]:
    """Masks kept as JPEG that happen to be clean still."""
    noisy = {mask.file for mask in noisy_masks(case)}
    found = [m for m in case.survey.readable_masks if m.format == "jpeg" and m.file not in noisy]
    if not found:
        return []
    what = f"{several(len(found), 'mask')} in JPEG format, still with clean values"
    why = "JPEG does not keep numbers: the next program that saves them adds values that mean nothing"
    return [Finding("jpeg-masks", "warning", _files(found), what, why, f"'{FIX}' stores them as PNG", fixable=True)]


def mixed_encodings(case: Case) -> list[Finding]:
    """Masks that write the same thing in different ways: 1 and 255, or numbers and colours."""
    masks = clean_masks(case)
    found = []
    coloured = [mask for mask in masks if mask.colours]
    if coloured and len(coloured) < len(masks) and not any(m.palette for m in masks):
        odd = min(coloured, [m for m in masks if not m.colours], key=len)
        what = f"{len(coloured)} masks hold RGB colours and {len(masks) - len(coloured)} hold numbers"
        why = "a number and a colour cannot be compared: it is unknown which of them mean the same class"
        mend = "export all masks in one way"
        found.append(Finding("mixed-encodings", "error", _files(odd), what, why, mend))
    ones = [m for m in masks if not m.colours and m.count(1) and not m.count(255)]
    highs = [m for m in masks if not m.colours and m.count(255) and not m.count(1)]
    binary = all(np.isin(m.values, (0, 1, 255)).all() and not (m.count(1) and m.count(255)) for m in masks)
    if ones and highs and binary and not coloured and not {"values", "ignore_values"} & set(case.stated):
        odd = min(ones, highs, key=len)
        what = f"{several(len(ones), 'mask')} with foreground 1, {several(len(highs), 'mask')} with foreground 255"
        why = "1 and 255 would count as two classes, or 255 as 'nobody labelled this'"
        mend = f"'{FIX}' writes 255 for both; if 255 means 'not labelled', state 'ignore_values: [255]' in classes.yaml"
        found.append(Finding("mixed-encodings", "error", _files(odd), what, why, mend, fixable=True))
    return found


def stray_values(case: Case) -> list[Finding]:
    """A few pixels of values that occur in hardly any mask."""
    strays = stray_table(case)
    if not strays:
        return []
    masks = [mask for mask in clean_masks(case) if np.isin(mask.values, list(strays)).any()]
    pixels = sum(mask.count(value) for mask in masks for value in strays)
    what = f"{several(pixels, 'pixel')} of {'values' if len(strays) > 1 else 'the value'} "
    what += f"{_shown(strays, masks[0].colours)} in {several(len(masks), 'mask')}, seen nowhere else"
    why = "each such value would count as a class, learnt from next to nothing"
    mend = f"'{FIX}' marks these pixels as ignored; or repaint them; if it is a rare class, state it in classes.yaml"
    return [Finding("stray-values", "error", _files(masks), what, why, mend, fixable=True)]


def off_by_one(case: Case) -> list[Finding]:
    """Class numbers that start at 1, in all masks or only in some."""
    masks = [m for m in clean_masks(case) if not m.colours and len(m.values)]
    if not masks or instances(case) or {"values", "ignore_values"} & set(case.stated):
        return []
    strays = [*stray_table(case), *(case.dataset.classes.ignore_values if case.dataset is not None else ())]
    values = {m.file: m.values[~np.isin(m.values, strays)] for m in masks}
    present = sorted({int(v) for found in values.values() for v in found})
    top = present[-1]
    if len(present) > 1 and present == list(range(1, top + 1)):
        what = f"the class numbers run from 1 to {top}; no mask holds 0"
        why = "if 0 was to be the background, all numbers are off by one; programs that count from 0 misread them"
        mend = f"'{FIX}' subtracts 1; or confirm them in classes.yaml with 'values: {present}' and names"
        return [Finding("off-by-one", "warning", _files(masks), what, why, mend, fixable=True)]
    shifted = [m for m in masks if len(values[m.file]) and values[m.file][0] >= 1 and values[m.file][-1] == top]
    usual = [m for m in masks if len(values[m.file]) and values[m.file][0] == 0]
    if present != list(range(top + 1)) or top < 2 or not shifted or not usual:
        return []
    if any(m.count(top) for m in usual) or not _fits_shifted(usual, shifted, top):
        return []
    what = f"{several(len(shifted), 'mask')} with classes 1 to {top} among {len(usual)} with classes 0 to {top - 1}"
    why = "every class of these masks is taken for the one that follows it"
    mend = f"'{FIX}' subtracts 1 from them; if they are right, state 'values: {present}' in classes.yaml"
    return [Finding("off-by-one", "error", _files(shifted), what, why, mend, fixable=True)]


def noisy_masks(case: Case) -> list[MaskFacts]:
    """The masks that `ringing` is about."""
    if instances(case):
        return []
    return [mask for mask in case.survey.readable_masks if _is_whole(mask) and _is_noisy(mask)]


def clean_masks(case: Case) -> list[MaskFacts]:
    """Readable masks whose values can be believed."""
    noisy = {mask.file for mask in noisy_masks(case)}
    return [m for m in case.survey.readable_masks if m.file not in noisy and len(m.values) and _is_whole(m)]


def clean_values(case: Case) -> tuple[int, ...]:
    """The values that masks with ringing were meant to hold; empty where they cannot be told.

    They are those of the masks without ringing, completed by the values of the masks with it that form areas and are
    more frequent than any noise, as long as any two lie far enough apart for the noise around them not to overlap.
    """
    noisy, clean = noisy_masks(case), [mask for mask in clean_masks(case) if mask.format != "jpeg"]
    if not noisy or any(mask.colours != noisy[0].colours for mask in noisy):
        return ()
    kept = sorted({int(v) for mask in clean if mask.colours == noisy[0].colours for v in mask.values})
    totals: Counter[int] = Counter()
    solid: Counter[int] = Counter()
    for mask in noisy:
        totals.update(dict(zip(mask.values.tolist(), mask.counts.tolist(), strict=True)))
        solid.update(dict(zip(mask.values.tolist(), mask.coherent.tolist(), strict=True)))
    commonest_noise = max((n for v, n in totals.items() if solid[v] < LOOSE * n), default=0)
    drawn = [v for v, n in totals.most_common() if solid[v] >= LOOSE * n and n > commonest_noise]
    for value in drawn:
        if all(_distance(value, other, noisy[0].colours) >= _APART for other in kept):
            kept.append(_snapped(value, noisy[0].colours))
    near = [_distance(a, b, noisy[0].colours) < _APART for i, a in enumerate(kept) for b in kept[:i]]
    return () if any(near) or len(kept) < 2 else tuple(sorted(kept))


def stray_table(case: Case) -> dict[int, int]:
    """Stray values and on how many pixels each occurs."""
    masks = clean_masks(case)
    if len(masks) < 3 or instances(case):
        return {}
    stated = {*case.stated.get("values", ()), *case.stated.get("ignore_values", ())}
    stated |= {r << 16 | g << 8 | b for key in ("colours", "ignore_colours") for r, g, b in case.stated.get(key, ())}
    counts: dict[int, list[float]] = defaultdict(list)
    loose: Counter[int] = Counter()
    for mask in masks:
        few = max(STRAY_PIXELS, STRAY_SHARE * mask.pixels)
        for value, count, solid in zip(*(a.tolist() for a in (mask.values, mask.counts, mask.coherent)), strict=True):
            counts[value].append(count if count <= few else np.inf)
            loose[value] += count - solid
    most = max(1, int(STRAY_MASKS * len(masks)))
    rare = {v: sum(n) for v, n in counts.items() if len(n) <= most and sum(n) < np.inf and v not in stated}
    usual = counts.keys() - rare.keys()
    strays = {v: int(n) for v, n in rare.items() if loose[v] > LOOSE * n or not {v - 1, v + 1} & usual}
    return strays if len(counts) - len(strays) >= 2 else {}


def instances(case: Case) -> bool:
    """Whether the numbers count objects, or may: as stated, as inferred, or roughly guessed where nothing can be."""
    if "encoding" in case.stated:
        return bool(case.stated["encoding"] == "instances")
    if case.dataset is not None:
        return case.dataset.classes.encoding == "instances"
    if isinstance(case.refusal, UnclearMasks):
        return True
    numbered = [
        mask
        for mask in case.survey.readable_masks
        if not mask.colours and len(mask.values) > 8 and np.array_equal(mask.values, np.arange(len(mask.values)))
    ]
    drawn = [mask for mask in numbered if (mask.coherent >= LOOSE * mask.counts).mean() > 0.9]
    return len(drawn) > 0.5 * len(case.survey.readable_masks) and len({len(m.values) for m in drawn}) > 1


def _is_whole(mask: MaskFacts) -> bool:
    return mask.values.dtype.kind != "f" or bool((np.isfinite(mask.values) & (mask.values % 1 == 0)).all())


def _is_noisy(mask: MaskFacts) -> bool:
    if not len(mask.values) or (not mask.colours and mask.values[-1] - mask.values[0] < 16):
        return False
    loose = mask.coherent < LOOSE * mask.counts
    return int(np.count_nonzero(loose)) >= RINGING


def nearest_value(value: int, among: Sequence[int], colours: bool) -> int:
    """The value nearest to another one: by number, or by the largest difference of red, green and blue."""
    return min(among, key=lambda one: _distance(value, one, colours))


def _fits_shifted(usual: Sequence[MaskFacts], shifted: Sequence[MaskFacts], top: int) -> bool:
    """Whether the class shares of the two kinds of mask agree better when one is moved down by one."""
    here, there = (
        np.mean([[m.count(v) / m.pixels for v in range(top + 1)] for m in masks], axis=0) for masks in (usual, shifted)
    )
    return bool(np.abs(here[:-1] - there[1:]).sum() < 0.5 * np.abs(here - there).sum())


def _distance(a: int, b: int, colours: bool) -> int:
    if not colours:
        return abs(a - b)
    return max(abs(x - y) for x, y in zip(colour_of(a), colour_of(b), strict=True))


def _snapped(value: int, colours: bool) -> int:
    """The value, or the end of the byte range that it missed by a few levels."""
    if colours:
        red, green, blue = (_snapped(part, False) for part in colour_of(value))
        return red << 16 | green << 8 | blue
    return 0 if abs(value) <= 6 else 255 if abs(value - 255) <= 6 else value


def _shown(values: Iterable[int], colours: bool) -> str:
    return listed(sorted(colour_of(v) if colours else v for v in values), 6)


def _files(masks: Iterable[MaskFacts]) -> tuple[str, ...]:
    return tuple(mask.file for mask in masks)
