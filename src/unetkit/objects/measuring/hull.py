"""Convex hulls of all objects of a plane at once, and how many pixels each holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unetkit.objects.measuring.runs import Floats, Integers, Runs


@dataclass(frozen=True, slots=True)
class Profile:
    """How far objects reach, row by row.

    Args:
        index: the object of each point, ascending.
        row: of each point, ascending within an object.
        reach: the column of its furthest pixel.
    """

    index: Integers
    row: Integers
    reach: Integers


def profiles(runs: Runs) -> tuple[Profile, Profile]:
    """How far objects reach to the right, and to the left (as negative columns); only rows that shape the hull."""
    order = np.argsort(runs.index, kind="stable")
    index, row, start = runs.index[order], runs.at[0][order], runs.at[1][order]
    stop = start + runs.length[order] - 1
    begins = np.ones(len(index), bool)
    begins[1:] = (index[1:] != index[:-1]) | (row[1:] != row[:-1])
    first = np.flatnonzero(begins)
    last = np.append(first, len(index))[1:] - 1
    return (
        straightened(Profile(index[first], row[first], stop[last])),
        straightened(Profile(index[first], row[first], -start[first])),
    )


def joined(parts: list[Profile]) -> Profile:
    """Profiles of bands of an image, in any order, as one."""
    index, row, reach = (np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "row", "reach"))
    order = np.lexsort((row, index))
    return straightened(Profile(index[order], row[order], reach[order]))


def straightened(profile: Profile) -> Profile:
    """A profile without the points that are no corner of the convex hull.

    A point on or behind the line between its neighbours is no corner, whichever of the neighbours stays: so all such
    points of all objects go at once, until there are none.
    """
    index, row, reach = profile.index, profile.row, profile.reach
    while len(index) > 2:
        inner = (index[:-2] == index[1:-1]) & (index[2:] == index[1:-1])
        rise = (reach[1:-1] - reach[:-2]) * (row[2:] - row[:-2])
        line = (reach[2:] - reach[:-2]) * (row[1:-1] - row[:-2])
        keep = np.ones(len(index), bool)
        keep[1:-1] = ~inner | (rise > line)
        if keep.all():
            break
        index, row, reach = index[keep], row[keep], reach[keep]
    return Profile(index, row, reach)


def hull_pixels(right: Profile, left: Profile, count: int) -> Floats:
    """How many pixels have their centre in the convex hull of each object's pixel centres.

    Args:
        right: of all n objects.
        left: of all n objects.
        count: n.

    Returns:
        n whole numbers; 0 for an object without points.

    Source: Pick 1899: a polygon with corners on a lattice holds area + half of the points on its edges + 1.
    """
    area, edge = np.zeros(count), np.zeros(count)
    ends = np.zeros((2, count), np.int64)
    for profile in (right, left):
        same = profile.index[1:] == profile.index[:-1]
        of = profile.index[1:][same]
        down = np.diff(profile.row)[same]
        across = np.diff(profile.reach)[same]
        middle = (profile.reach[1:] + profile.reach[:-1])[same] / 2
        area += np.bincount(of, weights=down * middle, minlength=count)
        edge += np.bincount(of, weights=np.gcd(down, across), minlength=count)
        first = np.flatnonzero(np.diff(profile.index, prepend=-1))
        last = np.append(first, len(profile.index))[1:] - 1
        ends[0, profile.index[first]] += profile.reach[first]
        ends[1, profile.index[last]] += profile.reach[last]
    edge += ends.sum(0)
    there = np.bincount(right.index, minlength=count) > 0
    return np.where(there, area + edge / 2 + 1, 0.0)
