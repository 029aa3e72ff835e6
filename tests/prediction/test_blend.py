"""Overlapping windows: they cover everything, their means are weighted means, and strips can be left out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unetkit.prediction.blend import blended, overlapping
from unetkit.prediction.tiles import Window, edges_of


@given(st.integers(1, 200), st.integers(2, 6), st.integers(1, 5), st.sampled_from([1, 2, 4, 8]))
def test_windows_cover_an_axis_on_the_grid(extent: int, cells: int, overlap: int, grid: int) -> None:
    windows = overlapping(extent, cells * grid, min(overlap, cells - 1) * grid, grid)
    assert windows[0].start == 0
    assert windows[-1].stop == extent
    assert all(window.start % grid == 0 and window.stop - window.start <= cells * grid for window in windows)
    for one, following in pairwise(windows):
        assert one.start < following.start <= one.stop - min(overlap, cells - 1) * grid


@pytest.mark.parametrize("shape", [(50, 41), (13, 70), (20, 21, 22)])
def test_what_all_windows_agree_on_stays(shape: tuple[int, ...]) -> None:
    truth = torch.from_numpy(np.random.default_rng(0).random((2, *shape)).astype(np.float32))
    axes = [overlapping(extent, 16, 4, 4) for extent in shape]
    out = torch.zeros_like(truth)
    for strip, mean in blended(axes, lambda window: truth[(slice(None), *window)]):
        out[(slice(None), *strip)] = mean
    assert torch.allclose(out, truth, atol=1e-6)


def numbered(window: Window) -> torch.Tensor:
    """Windows that disagree: each says where it begins."""
    return torch.full((1, *(part.stop - part.start for part in window)), sum(part.start for part in window) / 7.0)


def test_the_middle_of_a_window_counts_more_than_its_edge() -> None:
    axes = [overlapping(24, 16, 8, 8), [slice(0, 1)]]
    rows = torch.cat([mean[0, :, 0] for _, mean in blended(axes, numbered)])
    assert torch.equal(rows[:8], torch.zeros(8))
    assert rows[16:].tolist() == pytest.approx([8 / 7] * 8)
    assert (rows[8:16].diff() > 0).all()
    assert rows[8] < 0.1 * 8 / 7 < 0.9 * 8 / 7 < rows[15]


def test_strips_that_are_there_are_left_out_and_the_others_are_the_same() -> None:
    axes = [overlapping(60, 16, 8, 4), overlapping(30, 16, 8, 4)]
    every = {edges_of(strip): mean for strip, mean in blended(axes, numbered)}
    for gone in range(1, len(every)):
        done = frozenset(list(every)[:gone])
        seen: list[Window] = []
        predict = lambda window, seen=seen: seen.append(window) or numbered(window)  # noqa: E731
        rest = {edges_of(strip): mean for strip, mean in blended(axes, predict, done=done)}
        assert rest.keys() == every.keys() - done
        assert all(torch.equal(mean, every[strip]) for strip, mean in rest.items())
        assert len({window[0].start for window in seen}) <= len(rest) + 2
