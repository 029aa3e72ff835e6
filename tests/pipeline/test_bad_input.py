"""Whatever `check` names, `train` and `predict` answer with one clear error or a stated, safe repair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.broken import FAULTS, RULE_OF
from unetkit.dataset.check import check
from unetkit.errors import UnetkitError, UsageError
from unetkit.formats import is_image_path, read_mask
from unetkit.pipeline import Options, load_predictor, predict, train
from unetkit.training import RunFolder

TINY = Options(
    steps=2,
    model="unet",
    settings=("model.width=4", "model.depth=2", "training.patch=[32, 32]", "training.precision=float32"),
)


@pytest.fixture(scope="module")
def run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(discs, TINY, out=tmp_path_factory.mktemp("runs") / "discs")


def leftovers(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name.startswith("."))


@pytest.mark.parametrize("fault", FAULTS)
def test_training_refuses_or_mends(fault: str, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    FAULTS[fault](data)
    report = check(data)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    if report.ok:
        finished = train(data, TINY, out=out)
        assert finished.report.is_file()
        assert any(finding["rule"] == RULE_OF[fault] for finding in finished.read_json("data.json")["findings"])
    else:
        with pytest.raises(UnetkitError) as caught:
            train(data, TINY, out=out)
        assert len(str(caught.value)) > 40
        assert not out.exists()
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    assert not list(leftovers(tmp_path))


@pytest.mark.parametrize("fault", FAULTS)
def test_predicting_refuses_or_mends(fault: str, tmp_path: Path, run: RunFolder) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    FAULTS[fault](data)
    images = data / "images"
    predictor = load_predictor(run.path)
    if not images.is_dir() or not any(is_image_path(path) for path in images.rglob("*")):
        with pytest.raises(UsageError):
            list(predict(run.path, [images], out, predictor=predictor))
        return
    if fault == "two-files-of-one-name":
        with pytest.raises(UsageError, match="would be written to one file"):
            list(predict(run.path, [images], out, predictor=predictor))
        return
    results = list(predict(run.path, [images], out, predictor=predictor))
    for result in results:
        assert (result.fault is None) == bool(result.written)
        for path in result.written:
            assert set(np.unique(read_mask(path).values)) <= {0, 255}
    assert not list(leftovers(tmp_path))
