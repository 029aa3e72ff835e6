"""Every way of separating: its targets, its loss, and that the perfect outputs give the true objects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from unetkit.losses import build_loss
from unetkit.metrics.instances import score_objects
from unetkit.separation import SEPARATORS, Decoding, JointLoss, decode, pack, rescaled, unpack
from unetkit.separation.decode import DEEPEST, depth
from unetkit.separation.targets import REACH, edge_distance, inward, normalised_distance, rim, touching

Ids = npt.NDArray[np.int64]


def touching_discs(dims: int = 2) -> Ids:
    """Five discs (balls), three of which touch."""
    shape = (60, 80) if dims == 2 else (24, 30, 44)
    centres = [(20, 18), (20, 37), (40, 26), (45, 62), (14, 66)]
    if dims == 3:
        centres = [(12, 10, 10), (12, 10, 21), (12, 21, 15), (12, 20, 34), (8, 7, 36)]  # type: ignore[list-item]
    radius = 10 if dims == 2 else 6
    places = np.indices(shape)
    away = np.stack([sum((p - c) ** 2 for p, c in zip(places, centre, strict=True)) for centre in centres])
    nearest = away.argmin(0) + 1
    return np.where(away.min(0) <= radius**2, nearest, 0)


def perfect(name: str, ids: Ids) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Labels, probabilities of two classes and extra outputs of a network that is always right."""
    extra = SEPARATORS[name].targets(ids)
    if name == "boundary":
        extra = 20 * extra - 10  # logits
    labels = (ids > 0).astype(np.uint8)
    background = np.where(ids > 0, 0.02, 0.98).astype(np.float32)
    if SEPARATORS[name].weighs_borders:
        gap = touching(ids)
        labels[gap], background[gap] = 0, 0.9
    return labels, np.stack([background, 1 - background]), extra


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", SEPARATORS)
def test_the_perfect_network_gives_the_true_objects(name: str, dims: int) -> None:
    ids, separator = touching_discs(dims), SEPARATORS[name]
    labels, probabilities, extra = perfect(name, ids)
    found = decode(separator, labels, probabilities, extra, Decoding(separator.seed, smoothing=0.5, least=4))
    scores = score_objects(found.ids, ids)
    if name == "components":
        assert found.count < 5
        assert scores.counts["merged"] >= 2
    else:
        assert (found.count, scores.values["ap50"]) == (5, 1.0)
    assert found.confidence is not None
    assert found.confidence.min() > 0.5


@pytest.mark.parametrize("name", [name for name in SEPARATORS if SEPARATORS[name].channels(2)])
def test_the_loss_falls_towards_the_targets_and_only_where_labelled(name: str) -> None:
    ids, separator = touching_discs(), SEPARATORS[name]
    target = torch.from_numpy(separator.targets(ids))[None]
    assert target.shape == (1, separator.channels(2), *ids.shape)
    perfect_outputs = torch.from_numpy(perfect(name, ids)[2])[None]
    valid = torch.ones(1, *ids.shape, dtype=torch.bool)
    wrong = perfect_outputs.flip(-1)
    between = (perfect_outputs + wrong) / 2
    values = [float(separator.loss(one, target, valid)) for one in (perfect_outputs, between, wrong)]
    assert values[0] < values[1] < values[2]
    valid[..., 40:] = False
    spoilt = perfect_outputs.clone()
    spoilt[..., 40:] = 7.0
    assert float(separator.loss(spoilt, target, valid)) == pytest.approx(
        float(separator.loss(perfect_outputs, target, valid)), abs=1e-6
    )


def test_targets() -> None:
    ids = touching_discs()
    distance, gap = edge_distance(ids), touching(ids)
    assert gap.any()
    assert (distance[gap] == 0).all()
    share = normalised_distance(ids)
    assert [round(float(share[ids == n].max()), 3) for n in range(1, 6)] == [1.0] * 5
    assert (share[ids == 0] == 0).all()
    large = np.ones((200, 200), np.int64)
    large[0] = 0
    assert (normalised_distance(large)[int(REACH) + 1 :] == 1).all()
    assert set(np.unique(rim(ids))) == {0, 1}
    flow = inward(ids)
    # left of a middle it points right, above it down
    assert flow[1, 45, 56] > 0.9
    assert flow[0, 38, 62] > 0.9
    assert (flow[:, ids == 0] == 0).all()
    nothing = np.zeros((9, 9), np.int64)
    assert not normalised_distance(nothing).any()
    assert normalised_distance(np.ones((9, 9), np.int64)).min() > 0


def test_classes_and_ids_are_packed_and_unpacked() -> None:
    classes = np.array([[0, 1, 254, 255]])
    ids = np.array([[0, 2**31 - 1, 5, 9]])
    again = unpack(torch.from_numpy(pack(classes, ids)))
    assert again[0].tolist() == classes.tolist()
    assert again[1].tolist() == [[0, 2**31 - 1, 5, 0]]  # what is ignored belongs to nothing


@pytest.mark.parametrize("name", SEPARATORS)
def test_the_joint_loss_reaches_every_output(name: str) -> None:
    ids, separator = touching_discs(), SEPARATORS[name]
    target = torch.from_numpy(pack((ids > 0).astype(np.int64), ids))[None]
    outputs = torch.zeros(1, 2 + separator.channels(2), *ids.shape, requires_grad=True)
    value = JointLoss(build_loss("ce+dice", num_classes=2), separator, 2)(
        outputs, target, torch.ones(1, *ids.shape, dtype=torch.bool)
    )
    value.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert (outputs.grad.abs().sum((0, 2, 3)) > 0).all()


def test_borders_weigh_and_gaps_open() -> None:
    ids = touching_discs()
    target = torch.from_numpy(pack((ids > 0).astype(np.int64), ids))[None]
    valid = torch.ones(1, *ids.shape, dtype=torch.bool)
    loss = JointLoss(build_loss("ce+dice", num_classes=2), SEPARATORS["border"], 2)
    whole = torch.from_numpy(np.where(ids > 0, 5.0, -5.0)).float()
    gapped = torch.where(torch.from_numpy(touching(ids)), -5.0, whole)
    values = [float(loss(torch.stack([-one, one])[None], target, valid)) for one in (gapped, whole)]
    assert values[0] < values[1]


def field(shape: tuple[int, ...], smooth: float, seed: int) -> npt.NDArray[np.float32]:
    """Smooth noise between 0 and 1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), smooth)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


def any_outputs(
    name: str, shape: tuple[int, ...], seed: int, levels: int | None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Labels of three classes and 255, background probability and extra outputs, as no network gives them."""
    labels = (field(shape, 1.5, seed) > 0.4) * (1 + (field(shape, 3, seed + 1) > 0.5))
    labels = np.where(field(shape, 1, seed + 2) > 0.85, 255, labels).astype(np.uint8)
    extras = SEPARATORS[name].channels(len(shape))
    maps = np.stack([field(shape, 1.2, seed + 3 + one) for one in range(1 + extras)])
    if levels is not None:  # plateaus: ties everywhere
        maps = (np.round(maps * levels) / levels).astype(np.float32)
    maps[0][field(shape, 1, seed + 9) > 0.9] = np.nan  # no data
    return labels, np.stack([maps[0], *[(1 - maps[0]) / 2] * 2]), 2.5 * maps[1:] - 1.0


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(SEPARATORS)),
    st.sampled_from([(43, 19), (12, 11, 10)]),
    st.integers(0, 10**6),
    st.integers(1, 13),
    st.sampled_from([None, 4, 1]),
    st.sampled_from([0.0, 0.5, 1.7]),
    st.integers(1, 6),
    st.booleans(),
)
def test_bands_change_no_object(
    name: str,
    shape: tuple[int, ...],
    seed: int,
    band: int,
    levels: int | None,
    smoothing: float,
    least: int,
    deep: bool,
) -> None:
    outputs, separator = any_outputs(name, shape, seed, levels), SEPARATORS[name]
    decoding = Decoding(0.5 if deep else separator.seed, smoothing, least, deep)
    whole = decode(separator, *outputs, decoding)
    with patch("unetkit.separation.decode.band_of", lambda shape: band):
        banded = decode(separator, *outputs, decoding)
    assert np.array_equal(banded.ids, whole.ids)
    assert np.array_equal(banded.classes, whole.classes)
    # objects keep to a class, in numbers that follow their first pixels
    labels = outputs[0]
    inside = whole.ids > 0
    assert (whole.classes[whole.ids[inside] - 1] == labels[inside]).all()
    numbers, first = np.unique(whole.ids[inside], return_index=True)
    assert (numbers == np.arange(1, whole.count + 1)).all()
    assert (np.diff(first) > 0).all()
    if least == 1:
        assert (inside == ((labels > 0) & (labels < 255))).all()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", SEPARATORS)
def test_threads_change_no_object(name: str, dims: int) -> None:
    shape = (90, 70) if dims == 2 else (10, 12, 14)
    decoding = Decoding(SEPARATORS[name].seed, 0.7, 2)

    def ids(_: int) -> npt.NDArray[np.uint32]:
        return decode(SEPARATORS[name], *any_outputs(name, shape, 5, 4), decoding).ids

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = ids(0)
        torch.set_num_threads(2)
        with ThreadPoolExecutor(4) as pool:
            assert all(np.array_equal(one, alone) for one in pool.map(ids, range(8)))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", [name for name in SEPARATORS if name != "components"])
def test_touching_objects_of_two_classes_come_apart(name: str, dims: int) -> None:
    ids, separator = touching_discs(dims), SEPARATORS[name]
    kinds = np.array([0, 1, 2, 2, 1, 1], np.uint8)
    labels, probabilities, extra = perfect(name, ids)
    probabilities = np.stack([probabilities[0], *(np.where(kinds[ids] == one, 0.98, 0.01) for one in (1, 2))])
    found = decode(separator, labels * kinds[ids], probabilities, extra, Decoding(separator.seed, 0.5, 4))
    assert found.confidence is not None
    np.testing.assert_allclose(found.confidence, 0.98)
    scores = score_objects(found.ids, ids, prediction_classes=found.classes, truth_classes=kinds[1:])
    assert {index: scores.classes[index].values["ap50"] for index in (1, 2)} == {1: 1.0, 2: 1.0}


def test_targets_of_objects_with_holes_and_in_pieces() -> None:
    """A hole is background, wherever it is; pieces share the greatest depth, so that a small one stays low."""
    ids = np.zeros((40, 80), np.int64)
    ids[4:36, 4:36] = 1
    ids[18:22, 18:22] = 0  # a hole
    ids[4:36, 40:72], ids[18:22, 75:79] = 2, 2  # a large piece and a small one
    share = normalised_distance(ids)
    assert share[20, 20] == 0
    assert share[17, 20] == pytest.approx(1 / edge_distance(ids)[ids == 1].max())
    assert share[ids == 2].max() == 1
    assert share[18:22, 75:79].max() <= 2 / 16
    assert rim(ids)[17, 20] == 1
    assert (inward(ids)[:, 18:22, 18:22] == 0).all()
    for name, separator in SEPARATORS.items():
        found = decode(separator, *perfect(name, ids), Decoding(separator.seed, 0.0, 1))
        assert found.ids[20, 20] == 0
        assert {*np.unique(found.ids[18:22, 75:79])}.isdisjoint({*np.unique(found.ids[4:36, 40:72])} - {0})


def test_a_neck_parts_what_the_network_leaves_in_one() -> None:
    rows, columns = np.mgrid[:60, :90]
    discs = (np.hypot(rows - 30, columns - 30) < 18) | (np.hypot(rows - 30, columns - 60) < 18)
    labels, background = discs.astype(np.uint8), np.where(discs, 0.05, 0.95).astype(np.float32)
    probabilities = np.stack([background, 1 - background])
    nothing = np.zeros((0, *discs.shape), np.float32)
    border = SEPARATORS["border"]
    assert decode(border, labels, probabilities, nothing, Decoding(0.8, 1.0)).count == 1
    apart = decode(border, labels, probabilities, nothing, Decoding(2.0, 1.0, deep=True))
    assert apart.count == 2
    assert apart.ids[30, 30] != apart.ids[30, 60]
    far = decode(border, labels, probabilities, nothing, Decoding(9.0, 1.0, deep=True))
    assert far.count == 1  # no peak stands out by so much
    assert rescaled(Decoding(2.0, 1.0, 9, True), (20, 20), (10, 10)) == Decoding(4.0, 2.0, 36, True)


def test_depth_ends_at_other_classes_and_not_at_the_border_of_the_image() -> None:
    labels = np.array([[1, 1, 2, 2, 2, 0, 255]], np.uint8)
    assert depth(labels).tolist() == [[2, 1, 1, 2, 1, 0, 0]]
    assert (depth(np.ones((40, 50), np.uint8)) == DEEPEST).all()
