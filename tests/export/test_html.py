"""The page that runs a model in the browser: what it is made of, and what cannot be made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.conftest import NEEDS_PAGE, subject_of
from unetkit.classes import Classes
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import UnetkitError, UsageError
from unetkit.export import EXPORTS, TOLERANCE, html
from unetkit.export.html import halves, mask_facts, page_facts
from unetkit.export.write import write_exports
from unetkit.image import Image
from unetkit.runtimes.onnxruntime import run_onnx

DATASET = NormalizationPlan(kind="dataset", mean=(90.0, 80.0), std=(40.0, 30.0), per_channel=True)


@pytest.mark.parametrize(
    "way", [NormalizationPlan(), NormalizationPlan(kind="none"), DATASET], ids=lambda way: way.kind
)
def test_a_tile_is_normalised_as_its_image(way: NormalizationPlan) -> None:
    subject = subject_of(("unet", way), channels=2, dtype="uint16")
    measure, predict = (run_onnx(half.SerializeToString()) for half in halves(subject))
    pixels = np.random.default_rng(1).gamma(2, 3000, (2, 96, 80)).astype(np.float32)
    pixels[:, :20, :20] = 7  # a tile by itself would be stretched
    corner = predict(pixels[None, :, :20, :20], measure(pixels[None]))
    image = Image(pixels)
    seen = subject.predictor.log_probabilities(Image(pixels[:, :20, :20]), statistics=subject.predictor.measure(image))
    np.testing.assert_allclose(corner[0], np.exp(seen), atol=TOLERANCE / 2)


@NEEDS_PAGE
def test_a_page_holds_both_graphs_and_nothing_from_outside(tmp_path: Path) -> None:
    subject = subject_of(("unet", NormalizationPlan()))
    (one,) = write_exports(subject, ["html"], tmp_path)
    assert one.difference < TOLERANCE / 2
    page = (tmp_path / "tiny.html").read_text(encoding="utf-8")
    assert "{{" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', page).group(1))  # type: ignore[union-attr]
    assert facts == json.loads(json.dumps(page_facts(subject)))
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "default-src 'none'" in page
    assert "MIT License" in page


@NEEDS_PAGE
def test_a_hostile_name_ends_no_element(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(("unet", NormalizationPlan()))
    hostile = Classes(names=("background", "</script><script>alert(1)</script>", r"\g<1>{{measure}}"))
    monkeypatch.setitem(subject.__dict__, "classes", hostile)
    write_exports(subject, ["html"], tmp_path)
    page = (tmp_path / "tiny.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert EXPORTS["html"].open(tmp_path / "tiny.html")(np.zeros((1, 1, 5, 4), np.uint8)).shape == (1, 3, 5, 4)


def test_without_the_page_the_command_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "PAGE", tmp_path / "page.html")
    with pytest.raises(UnetkitError, match=r"not built into this installation.*make web"):
        write_exports(subject_of(("unet", NormalizationPlan())), ["html"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@NEEDS_PAGE
def test_volumes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"html format is for 2D models; found a model of 3D.*onnx, openvino, pt2"):
        write_exports(subject_of(("unet", NormalizationPlan()), dims=3), ["onnx", "html"], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stated", "facts"),
    [
        ({}, {"kind": "numbers", "values": [0, 1, 2], "bits": 8}),
        ({"values": (0, 7, 300), "dtype": "uint16"}, {"kind": "numbers", "values": [0, 7, 300], "bits": 16}),
        ({"dtype": "uint16"}, {"kind": "numbers", "values": [0, 1, 2], "bits": 16}),
        ({"palette": True}, {"kind": "palette", "values": [0, 1, 2], "bits": 8}),
        ({"encoding": "colours", "colours": ((0, 0, 0), (1, 2, 3), (4, 5, 6))}, {"kind": "colours"}),
        ({"encoding": "instances", "names": ("background", "cell")}, {"kind": "objects"}),
    ],
)
def test_masks_are_written_as_the_training_masks(stated: dict[str, Any], facts: dict[str, Any]) -> None:
    assert mask_facts(Classes(**{"names": ("background", "cell", "gap"), **stated})) == facts


@pytest.mark.parametrize("values", [(0, 70_000), (-1, 1)])
def test_masks_that_no_png_holds_are_refused(values: tuple[int, int]) -> None:
    with pytest.raises(UnetkitError, match="no PNG"):
        mask_facts(Classes(names=("background", "cell"), values=values, dtype="int32"))


def test_both_halves_take_the_numbers_of_every_file() -> None:
    import onnx

    subject = subject_of(("unet", NormalizationPlan()), dtype="uint8")

    for half in halves(subject):
        assert half.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
