"""Every way of separating: its targets, its loss, and that the perfect outputs give the true objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from unetkit.losses import build_loss
from unetkit.metrics.instances import score_objects
from unetkit.separation import SEPARATORS, Decoding, JointLoss, decode, pack, unpack
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
    """Labels, background probability and extra outputs of a network that is always right."""
    extra = SEPARATORS[name].targets(ids)
    if name == "boundary":
        extra = 20 * extra - 10  # logits
    labels = (ids > 0).astype(np.uint8)
    background = np.where(ids > 0, 0.02, 0.98).astype(np.float32)
    if SEPARATORS[name].weighs_borders:
        gap = touching(ids)
        labels[gap], background[gap] = 0, 0.9
    return labels, background, extra


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", SEPARATORS)
def test_the_perfect_network_gives_the_true_objects(name: str, dims: int) -> None:
    ids, separator = touching_discs(dims), SEPARATORS[name]
    labels, background, extra = perfect(name, ids)
    probabilities = np.stack([background, 1 - background])
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
