"""What every export format promises, for every model of the registry; a new line in either is tested by being there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unetkit.runtimes.packages
from tests.export.conftest import WRITABLE, subject_of
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import MissingExtra, UnetkitError, UnknownName, UsageError
from unetkit.export import EXPORTS, TOLERANCE, Credit, Export, Subject
from unetkit.export.parity import expected
from unetkit.export.write import write_exports
from unetkit.models import MODELS
from unetkit.runtimes.packages import load

PLAIN = NormalizationPlan()
CASES = [*((name, 2) for name in MODELS), ("unet", 3)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Path]:
    """One model in every format."""
    subject = subject_of(("unet", PLAIN), spacing=0.5)
    out = tmp_path_factory.mktemp("exports")
    exported = write_exports(subject, WRITABLE, out)
    assert [one.format for one in exported] == WRITABLE
    assert all(file.is_file() for one in exported for file in one.files)
    return subject, out


@pytest.mark.parametrize(("name", "dims"), [case for case in CASES if case != ("unet", 2)])
def test_every_model_predicts_the_same_in_every_format(name: str, dims: int, tmp_path: Path) -> None:
    subject = subject_of((name, PLAIN), dims=dims, channels=2, dtype="uint16" if dims == 3 else "uint8")
    formats = [
        name for name in WRITABLE if name != "bioimageio" and dims in EXPORTS[name].dims
    ]  # it holds the ONNX file
    for one in write_exports(subject, formats, tmp_path):
        assert one.difference < TOLERANCE / 2, one.format
    norms = {node.op_type for node in subject.onnx.graph.node} & {"BatchNormalization"}
    assert not norms


def test_several_networks_give_their_mean_each_with_its_own_normalisation(tmp_path: Path) -> None:
    other = NormalizationPlan(kind="dataset", mean=(90.0,), std=(40.0,))
    subject = subject_of(("unet", PLAIN), ("lean-unet", other), ("unet", other), dtype="float32")
    (one,) = write_exports(subject, ["pt2"], tmp_path)
    assert one.difference < TOLERANCE / 2
    assert len(subject.facts["plan"]) > 1000


def test_the_files_hold_what_the_model_is(written: tuple[Subject, Path]) -> None:
    import onnx

    openvino = load("openvino", "openvino")
    subject, out = written
    facts = dict(subject.facts)
    assert json.loads(facts["class_names"]) == ["background", "cell", "gap"]
    assert json.loads(facts["class_values"]) == [0, 100, 255]
    assert json.loads(facts["spacing"]) == [0.5, 0.5]
    assert json.loads(facts["plan"])["model"]["name"] == "unet"
    model = onnx.load(out / "tiny.onnx")
    assert {entry.key: entry.value for entry in model.metadata_props} == facts
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    network = openvino.Core().read_model(out / "tiny.xml")
    assert {name: network.get_rt_info(["unetkit", name]).astype(str) for name in facts} == facts
    extra = {"unetkit.json": ""}
    torch.export.load(out / "tiny.pt2", extra_files=extra)
    assert json.loads(extra["unetkit.json"]) == facts


def test_the_files_tell_nothing_of_the_machine(written: tuple[Subject, Path]) -> None:
    _, out = written
    with zipfile.ZipFile(out / "tiny.pt2") as archive:
        parts = [archive.read(name) for name in archive.namelist()]
    root = str(Path(__file__).resolve().parents[2]).encode()
    for content in (*parts, *(path.read_bytes() for path in out.iterdir())):
        assert b"site-packages" not in content
        assert root not in content


def test_the_package_is_valid_without_a_network(written: tuple[Subject, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from bioimageio.spec import ValidationContext, load_description

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    subject, out = written
    with (
        zipfile.ZipFile(out / "tiny.bioimageio.zip") as archive,
        ValidationContext(perform_io_checks=True, disable_cache=True),
    ):
        found = load_description(archive)
    assert found.validation_summary.status == "valid-format", found.validation_summary.format()
    assert found.type == "model"
    with zipfile.ZipFile(out / "tiny.bioimageio.zip") as archive:
        image, truth = (np.load(archive.open(f"test_{part}.npy")) for part in ("input", "output"))
        assert b"Validation" in archive.read("README.md")
    assert image.dtype == np.uint8
    run = EXPORTS["bioimageio"].open(out / "tiny.bioimageio.zip")
    np.testing.assert_allclose(run(image), truth, atol=TOLERANCE)
    assert found.inputs[0].axes[2].unit == "micrometer"
    assert found.outputs[0].axes[2].halo == subject.predictor.halo


def test_openvino_is_loaded_without_its_report() -> None:
    code = """if True:
        import os, runpy, sys, time
        os.register_at_fork(before=lambda: os.write(1, b"forked"))
        packages = runpy.run_path(sys.argv[1])  # alone, without torch
        packages["load"]("openvino", "openvino").Core()
        time.sleep(0.5)
        print(packages["REPORTER"] in sys.modules)
    """
    command = [sys.executable, "-c", code, unetkit.runtimes.packages.__file__]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_a_licence_that_does_not_exist_is_refused(
    written: tuple[Subject, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, _ = written
    monkeypatch.setitem(subject.__dict__, "credit", Credit(("A. Person",), "WTF-9", ("10.1000/182",)))
    with pytest.raises(UnetkitError, match="licence"):
        write_exports(subject, ["bioimageio"], tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(subject.__dict__, "credit", Credit(("A. Person",), "CC-BY-4.0", ("10.1000/182",)))
    assert write_exports(subject, ["bioimageio"], tmp_path)


def broken(change: Any) -> Export:
    """A format whose copies are the model but for a change."""

    def write(subject: Subject, stem: Path) -> None:
        truths = {pixels.shape: truth for pixels, truth in expected(subject)}
        stem.with_name(stem.name + ".txt").write_text("written")
        write.run = lambda image: change(truths[image.shape[1:]][None])  # type: ignore[attr-defined]

    return Export("for nobody", (".txt",), write, lambda path: write.run)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda truth: truth + 2 * TOLERANCE, "other probabilities"),
        (lambda truth: truth * np.nan, "other probabilities"),
        (lambda truth: truth / "2", "copy fails"),
        (lambda truth: truth[..., :-2], "copy fails"),
    ],
)
def test_a_copy_that_differs_is_not_kept(
    change: Any, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPORTS, "good", broken(lambda truth: truth))
    monkeypatch.setitem(EXPORTS, "broken", broken(change))
    subject = subject_of(("unet", PLAIN))
    with pytest.raises(UnetkitError, match=complaint):
        write_exports(subject, ["good", "broken"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert write_exports(subject, ["good"], tmp_path / "out")[0].difference == 0


def test_what_cannot_be_written_is_said_before_anything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of(("unet", PLAIN))
    with pytest.raises(UnknownName, match="did you mean 'onnx'"):
        write_exports(subject, ["onx"], tmp_path)
    with pytest.raises(UsageError, match="no format"):
        write_exports(subject, [], tmp_path)
    (tmp_path / "tiny.onnx").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        write_exports(subject, ["onnx"], tmp_path)
    for name, export in EXPORTS.items():
        for package in export.packages:
            with monkeypatch.context() as missing:
                missing.setitem(sys.modules, package, None)
                with pytest.raises(MissingExtra, match=rf"unetkit\[{export.extra}\]"):
                    write_exports(subject, [name], tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    assert (tmp_path / "tiny.onnx").read_text() == "mine"
