"""Summaries of tables: counts, densities, medians, and how sure they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from unetkit.counting import Extent, median_interval, summarise, summary_rows, write_rows, write_summary
from unetkit.objects import Table


def table(images: list[str], areas: list[float], removed: list[str] | None = None) -> Table:
    columns = {
        "image": np.array(images, object),
        "class": np.array(["cell"] * len(images), object),
        "area_px": np.array(areas, float),
        "solidity": np.array([np.nan] * len(images)),
        "removed_by": np.array(removed or [""] * len(images), object),
    }
    return Table(columns, class_names=("cell", "debris"))


def test_counts_densities_and_medians_of_images() -> None:
    extents = {name: Extent(1000, 250.0, "um", 2) for name in ("a", "b", "c")}
    summary = summarise(table(["a", "a", "a", "b"], [10, 20, 90, 30], ["", "", "small", ""]), extents)
    assert len(summary.images) == 6
    first = summary.images[0]
    assert (first["objects"], first["removed"], first["median_area_px"]) == (2, 1, 15)
    assert first["objects_per_um2"] == 2 / 250
    assert first["covered"] == 30 / 1000
    assert first["median_solidity"] is None
    cells = summary.overall["classes"]["cell"]
    assert cells["objects"] == 3
    assert cells["per_image"]["objects"]["mean"] == 1  # the image without objects counts
    assert cells["per_image"]["objects"]["low"] < 1 < cells["per_image"]["objects"]["high"]
    assert cells["medians"]["area_px"]["median"] == 20
    assert cells["medians"]["solidity"] == {"median": None, "low": None, "high": None, "n": 0}
    assert (summary.overall["objects"], summary.overall["removed"]) == (3, 1)
    assert summary.overall["classes"]["debris"]["objects"] == 0


def test_groups_have_their_own_numbers_and_carry_the_intervals() -> None:
    extents = {name: Extent(1000) for name in "abcd"}
    groups = {"a": "one", "b": "one", "c": "two", "d": "two"}
    summary = summarise(table(["a", "b", "c", "d"], [1, 1, 9, 9]), extents, groups)
    assert [row["group"] for row in summary.images[::2]] == ["one", "one", "two", "two"]
    assert summary.overall["by_group"]["one"]["cell"]["medians"]["area_px"]["median"] == 1
    assert summary.overall["by_group"]["two"]["cell"]["medians"]["area_px"]["median"] == 9
    assert summary.overall["intervals"] == "95%, over groups"
    whole = summary.overall["classes"]["cell"]["medians"]["area_px"]
    assert (whole["low"], whole["high"]) == (1, 9)  # two groups cannot say more


def test_one_image_has_no_interval() -> None:
    overall = summarise(table(["a", "a"], [1, 2]), {"a": Extent(10)}).overall
    assert overall["classes"]["cell"]["medians"]["area_px"] == {"median": 1.5, "low": None, "high": None, "n": 2}


def test_the_interval_of_a_median_covers_as_often_as_it_says() -> None:
    """Forty samples of 30 independent values each: 95 % intervals should miss the true median about twice."""
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(40):
        values = generator.normal(0, 1, 30)
        one = median_interval(values, [str(n) for n in range(30)], generator=generator, resamples=200)
        assert one.low is not None
        assert one.high is not None
        hits += one.low <= 0 <= one.high
    assert 34 <= hits <= 40


def test_drawing_clusters_whole_is_what_repeating_values_would_give() -> None:
    values, clusters = np.array([5.0, 1.0, 3.0, 2.0]), ["a", "a", "b", "b"]
    found = median_interval(values, clusters, generator=np.random.default_rng(0), resamples=4000)
    possible = [np.median([5, 1, 5, 1]), np.median([5, 1, 3, 2]), np.median([3, 2, 3, 2])]
    assert found.mean == 2.5
    assert (found.low, found.high) == (min(possible), max(possible))


def test_summaries_are_files(tmp_path: Path) -> None:
    summary = summarise(table(["a", "b"], [1, 2]), {"a": Extent(10), "b": Extent(10)})
    csv_file, json_file = write_summary(tmp_path / "t_summary", summary)
    with csv_file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a", "a", "b", "b"]
    assert rows[1]["median_area_px"] == ""
    assert json.loads(json_file.read_text()) == summary.overall


def test_a_table_without_rows_has_a_summary() -> None:
    overall = summarise(table([], []), {"a": Extent(10)}).overall
    assert overall["classes"]["cell"]["per_image"]["objects"]["mean"] == pytest.approx(0)


def test_images_without_a_spacing_have_no_density_in_a_unit() -> None:
    extents = {"a": Extent(10), "b": Extent(10, 5.0, "um", 2)}
    per_image = summarise(table(["a", "b"], [1, 1]), extents).overall["classes"]["cell"]["per_image"]
    assert per_image["objects_per_um2"] == {"mean": 0.2, "low": None, "high": None, "n": 1}
    assert per_image["objects"]["n"] == 2


def test_a_summary_is_one_table_of_all_images_groups_and_images(tmp_path: Path) -> None:
    extents = {name: Extent(100) for name in "abc"}
    summary = summarise(table(["a", "a", "b"], [4.0, 8.0, 6.0]), extents, {"a": "one", "b": "one", "c": "two"})
    rows = [row for row in summary_rows(summary) if row["class"] == "cell"]
    assert [(row["scope"], row["name"], row["objects"]) for row in rows] == [
        ("all", "", 3), ("group", "one", 3), ("group", "two", 0),
        ("image", "a", 2), ("image", "b", 1), ("image", "c", 0),
    ]  # fmt: skip
    assert (rows[0]["objects_per_image"], rows[0]["median_area_px"]) == (1.0, 6.0)
    assert rows[0]["objects_per_image_low"] <= 1.0 <= rows[0]["objects_per_image_high"]
    assert rows[2]["median_area_px"] is None
    write_rows(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [line["objects"] for line in read] == ["3", "3", "0", "2", "1", "0"]
    assert (read[3]["objects_per_image"], read[2]["median_area_px"]) == ("", "")
