"""Through train and predict with the masks and images people have: what goes in comes out in the same encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from unetkit.classes import Classes
from unetkit.formats import read_image, read_mask, write_image, write_mask
from unetkit.image import Image
from unetkit.pipeline import Options, evaluate, predict, train
from unetkit.pipeline.whole import write_labels

TINY = ("model.width=4", "model.depth=1", "training.patch=[32, 32]", "training.ema=0")
STEPS = Options(steps=3, model="unet", settings=(*TINY, "training.balance=false"))
"""Balanced, what three steps have learnt would lie on the border of two classes all over the image."""


def scenes(count: int = 6, size: int = 40) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Images H W and labels H W of three classes: ground, squares, bars."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        labels = np.zeros((size, size), np.uint8)
        row, column = generator.integers(0, size - 14, 2)
        labels[row : row + 12, column : column + 12] = 1
        labels[:, generator.integers(0, size - 4) :][:, :3] = 2
        noise = generator.normal(0, 8, labels.shape)
        made.append(((60 + 70 * labels + noise).clip(0, 255).astype(np.uint8), labels))
    return made


def dataset(root: Path, encode: object, *, channels: int = 1, suffix: str = ".png") -> Path:
    for n, (image, labels) in enumerate(scenes()):
        write_image(root / "images" / f"s{n}{suffix}", np.repeat(image[None], channels, 0))
        encoded, palette = encode(labels)  # type: ignore[operator]
        write_mask(root / "masks" / f"s{n}{suffix}", encoded, palette=palette)
    return root


COLOURS = np.array([(0, 0, 0), (200, 0, 0), (0, 200, 0)], np.uint8)
VOC = ((0, 0, 0), *[(9, 9, 9)] * 6, (200, 0, 0), *[(9, 9, 9)] * 7, (0, 200, 0))


@pytest.mark.parametrize(
    "encode",
    [
        lambda labels: (labels, None),
        lambda labels: ((labels * 50).astype(np.uint8), None),
        lambda labels: (COLOURS[labels], None),
        lambda labels: (np.array([0, 7, 15], np.uint8)[labels], VOC),
        lambda labels: ((labels == 1).astype(np.uint8) * 255, None),
        lambda labels: ((labels == 1), None),
        lambda labels: ((labels > 0).astype(np.uint16) * 300, None),
    ],
    ids=["indices", "steps-of-50", "colours", "palette-with-gaps", "0-255", "bool", "16-bit"],
)
def test_predictions_hold_the_values_of_the_masks(encode: object, tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", encode)
    run = train(data, STEPS, out=tmp_path / "run")
    (result, *_) = predict(run.path, [data / "images" / "s0.png"], tmp_path / "out")
    assert result.fault is None, result.fault
    raw, truth = read_mask(result.written[0]), read_mask(data / "masks" / "s0.png")
    assert raw.values.dtype == truth.values.dtype
    assert raw.values.shape == truth.values.shape
    known = {tuple(np.atleast_1d(v)) for v in truth.values.reshape(-1, *truth.values.shape[2:])}
    known |= {tuple(np.atleast_1d(v)) for n in range(1, 6) for v in _values(data / "masks" / f"s{n}.png")}
    assert {tuple(np.atleast_1d(v)) for v in _values(result.written[0])} <= known
    if truth.palette is not None:
        assert raw.palette is not None
        for value in np.unique(raw.values):
            assert tuple(raw.palette[value]) == tuple(truth.palette[value])


def _values(path: Path) -> npt.NDArray[np.generic]:
    values = read_mask(path).values
    return np.unique(values.reshape(-1, *values.shape[2:]), axis=0)


def test_a_palette_is_by_value_and_not_by_class(tmp_path: Path) -> None:
    classes = Classes(names=("a", "b"), values=(1, 0), colours=((255, 0, 0), (0, 0, 255)), palette=True)
    labels = np.array([[0, 1]], np.uint8)
    write_labels(tmp_path / "m.png", labels, classes, Image(np.zeros((1, 1, 2), np.uint8)))
    written = read_mask(tmp_path / "m.png")
    assert written.values.tolist() == [[1, 0]]
    assert written.palette is not None
    assert written.palette[1] == (255, 0, 0)


def test_five_channels_and_a_part_without_labels(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", lambda labels: (labels, None), channels=5, suffix=".tif")
    (data / "masks" / "s5.tif").unlink()
    run = train(data, STEPS, out=tmp_path / "run")
    (result,) = predict(run.path, [data / "images" / "s5.tif"], tmp_path / "out", save=("labels", "overlay"))
    assert result.fault is None
    assert read_image(result.written[1]).pixels.shape == (3, 40, 40)


def test_volumes_go_the_whole_way(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for n in range(5):
        labels = np.zeros((8, 24, 20), np.uint8)
        labels[2:6, 5 + n : 12 + n, 4:12] = 1
        pixels = (labels * 90 + generator.normal(80, 10, labels.shape)).astype(np.uint8)
        write_image(tmp_path / "data" / "images" / f"v{n}.tif", pixels[None])
        write_mask(tmp_path / "data" / "masks" / f"v{n}.tif", labels)
    options = Options(steps=3, settings=("model.width=4", "model.depth=1", "training.ema=0"))
    run = train(tmp_path / "data", options, out=tmp_path / "run")
    assert run.report.is_file()
    (result,) = predict(
        run.path, [tmp_path / "data" / "images" / "v0.tif"], tmp_path / "out", save=("labels", "overlay")
    )
    assert result.fault is None
    assert read_mask(result.written[0]).values.shape == (8, 24, 20)
    assert evaluate(run.path, split="val").summary["images"] == 1


def test_two_images_have_no_test_part_and_say_so(tmp_path: Path) -> None:
    for n, (image, labels) in enumerate(scenes(2)):
        write_image(tmp_path / "data" / "images" / f"s{n}.png", image[None])
        write_mask(tmp_path / "data" / "masks" / f"s{n}.png", labels)
    run = train(tmp_path / "data", STEPS, out=tmp_path / "run")
    assert (run.path / "val" / "summary.json").is_file()
    assert "too good" in run.report.read_text()
