"""How many objects there are and what they are like: per image, per group and over all, with intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.files import write_bytes, write_json
from unetkit.metrics import mean_interval
from unetkit.metrics.bootstrap import LEVEL, RESAMPLES, Interval
from unetkit.objects import Table

Values = npt.NDArray[np.float64]

TYPICAL = (
    "area_", "volume_", "perimeter_", "surface_", "equivalent_diameter_", "axis_", "eccentricity", "solidity", "mean_",
    "nearest_centroid_", "neighbours", "skeleton_length_", "width_", "confidence",
)  # fmt: skip
"""Beginnings of the columns whose medians stand in summaries."""


MOST = 2 * 10**8
"""Values that the bootstrap of one median looks at, in all resamples together."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How large an image is.

    Args:
        pixels: number of its pixels.
        size: its area (volume) in the unit to the power of its axes; None where no spacing is known.
        unit: of the spacing; None likewise.
        axes: 2 or 3.
    """

    pixels: int
    size: float | None = None
    unit: str | None = None
    axes: int = 2


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts, densities and medians.

    Args:
        images: one row an image and class: objects kept and removed, their density, the share they cover, medians.
        overall: the same over all images and over each group, with 95 % intervals; what summary.json holds.
    """

    images: tuple[Mapping[str, Any], ...]
    overall: Mapping[str, Any]


def summarise(
    table: Table, extents: Mapping[str, Extent], groups: Mapping[str, str] | None = None, *, seed: int = 0
) -> Summary:
    """What the objects of several images are like. Objects that a rule removed count only as removed.

    Args:
        table: with the columns image, class and removed_by.
        extents: size of every image, those without objects too.
        groups: image to group, such as a patient or plate; an image without one is a group of its own.
        seed: of the bootstrap.

    Returns:
        The summary. Intervals are over groups where there are any, else over images: None with fewer than two.

    Example:
        >>> columns = {"image": ["a", "a"], "class": ["cell"] * 2, "removed_by": ["", ""], "area_px": [4.0, 6.0]}
        >>> table = Table({name: np.array(values) for name, values in columns.items()}, class_names=("cell",))
        >>> summary = summarise(table, {"a": Extent(100), "b": Extent(100)})
        >>> [row["objects"] for row in summary.images]
        [2, 0]
    """
    groups = dict(groups or {})
    classes = table.class_names or tuple(dict.fromkeys(table["class"].tolist()))
    kept = table.rows(table["removed_by"].astype(str) == "")
    gone = table.rows(table["removed_by"].astype(str) != "")
    here, there = _places(kept), _places(gone)
    nothing = np.zeros(0, np.int64)
    rows = []
    for name, extent in extents.items():
        for one in classes:
            own, lost = here.get((name, one), nothing), there.get((name, one), nothing)
            row = {"image": name, "group": groups.get(name, ""), "class": one, **_counts(kept, own, len(lost), extent)}
            rows.append(row | {f"median_{column}": _median(kept[column][own]) for column in typical_columns(kept)})
    everything = {
        "images": len(extents),
        "groups": len(set(groups.values())),
        "objects": len(kept),
        "removed": len(gone),
        "intervals": f"{LEVEL:.0%}, over {'groups' if groups else 'images'}",
        "classes": {one: _overall(one, rows, kept, list(extents), groups, seed) for one in classes},
        "by_group": {
            group: {one: _overall(one, rows, kept, _members(group, extents, groups), {}, seed) for one in classes}
            for group in sorted(set(groups.values()))
        },
    }
    return Summary(tuple(rows), everything)


def write_summary(path: str | PathLike[str], summary: Summary) -> tuple[Path, Path]:
    """Write PATH.csv, one line an image and class, and PATH.json, all images and groups; each whole or not at all.

    Args:
        path: without suffix.
        summary: what to write.

    Returns:
        The two files.
    """
    path = Path(path)
    files = (path.with_name(path.name + ".csv"), path.with_name(path.name + ".json"))
    write_rows(files[0], summary.images)
    write_json(files[1], summary.overall)
    return files


def write_rows(path: str | PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, whole or not at all: every key that occurs is a column, None stays empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), restval="")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    write_bytes(path, text.getvalue().encode())


def summary_rows(summary: Summary) -> list[dict[str, Any]]:
    """A summary as the rows of one table: over all images, then each group, then each image, class by class.

    Args:
        summary: of the objects of several images.

    Returns:
        Dicts with scope ("all", "group" or "image"), name (of the group or image), class, objects (their number),
        objects_per_image and densities, covered, and medians; over several images each of these is a mean (median)
        with NAME_low and NAME_high, the ends of its 95 % interval. What is unknown is None.

    Example:
        >>> columns = {"image": ["a"], "class": ["cell"], "removed_by": [""], "area_px": [4.0]}
        >>> table = Table({name: np.array(values) for name, values in columns.items()}, class_names=("cell",))
        >>> rows = summary_rows(summarise(table, {"a": Extent(100), "b": Extent(100)}))
        >>> [(row["scope"], row["name"], row["objects"]) for row in rows]
        [('all', '', 1), ('image', 'a', 1), ('image', 'b', 0)]
    """
    together = [("all", "", summary.overall["classes"])]
    together += [("group", group, classes) for group, classes in summary.overall["by_group"].items()]
    rows = [
        {"scope": scope, "name": name, "class": one, "objects": found["objects"], **_flat(found)}
        for scope, name, classes in together
        for one, found in classes.items()
    ]
    left_out = ("image", "group", "removed")
    for row in summary.images:
        kept = {key: value for key, value in row.items() if key not in left_out}
        rows.append({"scope": "image", "name": row["image"], **kept})
    return rows


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """Means and medians with their ends, each under a name of its own."""
    named = {"objects_per_image" if name == "objects" else name: one for name, one in found["per_image"].items()}
    named |= {f"median_{name}": one for name, one in found["medians"].items()}
    flat = {}
    for name, one in named.items():
        flat[name] = one.get("mean", one.get("median"))
        flat |= {f"{name}_low": one["low"], f"{name}_high": one["high"]}
    return flat


def median_interval(
    values: Values, clusters: Sequence[str], *, generator: np.random.Generator, resamples: int = RESAMPLES
) -> Interval:
    """The median of all values, with its percentile bootstrap interval over clusters drawn whole.

    Args:
        values: n, NaN where unknown.
        clusters: the image or group of each value.
        generator: where the randomness comes from.
        resamples: how many times the clusters are drawn, but of very many values less often (at least 200 times).

    Returns:
        `mean` holds the median; no ends with fewer than two clusters.

    Source: as for `unetkit.metrics.mean_intervals`.

    Example:
        >>> median_interval(np.array([1.0, 2.0, 9.0]), ["a", "a", "a"], generator=np.random.default_rng(0)).mean
        2.0
    """
    known = ~np.isnan(values)
    values = values[known]
    if not len(values):
        return Interval(float("nan"), None, None, 0)
    names, code = np.unique(np.asarray(clusters, str)[known], return_inverse=True)
    median = float(np.median(values))
    if len(names) < 2:
        return Interval(median, None, None, len(values))
    order = np.argsort(values, kind="stable")
    values, code = values[order], code[order]
    medians = np.empty(min(resamples, max(200, MOST // len(values))))
    for number in range(len(medians)):
        drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)))
        upto = np.cumsum(drawn[code])
        low, high = np.searchsorted(upto, [(upto[-1] + 1) // 2, upto[-1] // 2 + 1])
        medians[number] = (values[low] + values[high]) / 2
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(median, float(low), float(high), len(values))


def _places(table: Table) -> dict[tuple[str, str], npt.NDArray[np.int64]]:
    """The rows of each image and class."""
    if not len(table):
        return {}
    images, image = np.unique(table["image"].astype(str), return_inverse=True)
    classes, one = np.unique(table["class"].astype(str), return_inverse=True)
    key = image * len(classes) + one
    order = np.argsort(key, kind="stable")
    present, first = np.unique(key[order], return_index=True)
    rows = np.split(order, first[1:])
    names = [(str(images[k // len(classes)]), str(classes[k % len(classes)])) for k in present.tolist()]
    return dict(zip(names, rows, strict=True))


def _counts(kept: Table, own: npt.NDArray[np.int64], removed: int, extent: Extent) -> dict[str, Any]:
    size = kept["area_px" if "area_px" in kept.columns else "volume_px"][own]
    row = {
        "objects": len(own),
        "removed": removed,
        "objects_per_mpx": len(own) / extent.pixels * 1e6,
        "covered": float(size.sum()) / extent.pixels,
    }
    if extent.size is not None:
        row[f"objects_per_{extent.unit}{extent.axes}"] = len(own) / extent.size
    return row


def _overall(
    one: str,
    rows: Sequence[Mapping[str, Any]],
    kept: Table,
    images: Sequence[str],
    groups: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    """Counts and medians of a class over some images."""
    chosen = [row for row in rows if row["class"] == one and row["image"] in set(images)]
    of = [groups.get(row["image"], row["image"]) for row in chosen]
    names = dict.fromkeys(name for row in chosen for name in row)
    numbers = [name for name in names if name == "covered" or name.startswith("objects")]
    per_image = {}
    for name in numbers:
        values = np.array([row.get(name, np.nan) for row in chosen], np.float64)
        per_image[name] = _written(mean_interval(values, of, generator=np.random.default_rng(seed)), "mean")
    here = np.isin(kept["image"].astype(str), list(images)) & (kept["class"] == one)
    clusters = [groups.get(name, name) for name in kept["image"][here].tolist()]
    medians = {}
    for name in typical_columns(kept):
        values = kept[name][here].astype(np.float64)
        interval = median_interval(values, clusters, generator=np.random.default_rng(seed))
        medians[name] = _written(interval, "median")
    return {"objects": int(here.sum()), "per_image": per_image, "medians": medians}


def _members(group: str, extents: Mapping[str, Extent], groups: Mapping[str, str]) -> list[str]:
    return [name for name in extents if groups.get(name) == group]


def summary_columns(table: Table) -> Table:
    """What `summarise` needs of a table, which takes a fraction of the memory."""
    names = ["image", "class", *typical_columns(table), "removed_by"]
    return replace(table, columns={name: table[name] for name in names})


def typical_columns(table: Table) -> list[str]:
    """The columns whose medians stand in summaries: sizes, forms, means and confidence.

    Example:
        >>> typical_columns(Table({"id": np.array([1]), "area_px": np.array([7.0])}))
        ['area_px']
    """
    return [name for name in table.columns if name.startswith(TYPICAL) and table[name].dtype.kind in "fiu"]


def _median(values: npt.NDArray[Any]) -> float | None:
    known = values[~np.isnan(values.astype(np.float64))]
    return float(np.median(known)) if len(known) else None


def _written(interval: Interval, name: str) -> dict[str, Any]:
    value = None if np.isnan(interval.mean) else interval.mean
    return {name: value, "low": interval.low, "high": interval.high, "n": interval.n}
