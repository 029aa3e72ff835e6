"""The demo's two datasets are what they claim to be, and the demo runs, again too, without eating anybody's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from unetkit.dataset.check import check
from unetkit.dataset.label_shapes import touching
from unetkit.dataset.splits import find_leaks, make_split
from unetkit.demo import coin_outlines, draw_cells, draw_coins, run_demo, write_cells, write_coins
from unetkit.demo.coins import coin_crops, coin_names
from unetkit.errors import UsageError
from unetkit.formats import read_image, read_mask
from unetkit.pipeline import Options
from unetkit.training import Hooks, RunFolder


@pytest.fixture(scope="module")
def cells() -> list[tuple[np.ndarray, np.ndarray]]:
    return [draw_cells(np.random.default_rng(seed), shape=(192, 224)) for seed in range(4)]


def test_cells_are_twelve_bit_images_with_instances(cells: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for pixels, instances in cells:
        assert pixels.shape == (1, 192, 224)
        assert pixels.dtype == np.uint16
        assert instances.shape == (192, 224)
        assert instances.dtype == np.uint16
        assert pixels.max() <= 4095
        assert np.unique(instances).tolist() == list(range(instances.max() + 1))
        assert instances.max() >= 10


def test_every_cell_is_one_piece_without_holes(cells: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for _, instances in cells:
        for number in range(1, instances.max() + 1):
            own = instances == number
            assert ndimage.label(own)[1] == 1, number
            filled = ndimage.binary_fill_holes(own)
            assert not (filled & (instances == 0)).any(), number
            assert own.sum() >= 20, number


def test_cells_touch(cells: list[tuple[np.ndarray, np.ndarray]]) -> None:
    edge, touched = np.sum([touching(instances) for _, instances in cells], axis=0)
    assert touched / edge > 0.2


def test_cells_outshine_their_surroundings_but_not_by_a_plain_threshold(
    cells: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    for pixels, instances in cells:
        smooth = ndimage.gaussian_filter(pixels[0].astype(float), 1)
        inside = instances > 0
        assert np.median(smooth[inside]) > 1.5 * np.median(smooth[~inside])
        assert np.percentile(smooth[~inside], 99.5) > np.percentile(smooth[inside], 5)  # haze, debris


def test_light_falls_at_the_truth_and_not_beside_it(cells: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for pixels, instances in cells:
        smooth = ndimage.gaussian_filter(pixels[0].astype(float), 0.7)
        falls = []
        for shift in (-4, -2, 0, 2, 4):
            distance = ndimage.distance_transform_edt(instances > 0) - ndimage.distance_transform_edt(instances == 0)
            near = distance - shift
            falls.append(smooth[(near > 0) & (near <= 1.5)].mean() - smooth[(near < 0) & (near >= -1.5)].mean())
        assert int(np.argmax(falls)) in (2, 3)  # the dome and the point spread pull the steepest place inwards
        assert falls[2] > 2 * falls[0]


def test_a_seed_draws_the_same_cells_again_and_another_one_others() -> None:
    one, same, other = (draw_cells(np.random.default_rng(seed), shape=(96, 96)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[1], same[1])
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("shape", [(64, 64), (65, 130)])
def test_cells_fit_any_image(shape: tuple[int, int]) -> None:
    pixels, instances = draw_cells(np.random.default_rng(0), shape=shape, density=0.5)
    assert pixels.shape == (1, *shape)
    assert instances.shape == shape
    assert instances.max() >= 1


def test_all_coins_are_outlined_once() -> None:
    pixels, instances = draw_coins()
    assert pixels.shape == (1, 303, 384)
    assert len(coin_outlines()) == 24
    areas = np.bincount(instances.ravel())[1:]
    assert areas.shape == (24,)
    assert (areas > 800).all()
    assert (areas < 4000).all()
    assert all(ndimage.label(instances == n)[1] == 1 for n in range(1, 25))
    assert touching(instances)[1] == 0


def test_no_coin_is_painted_over_by_another() -> None:
    _, instances = draw_coins()
    for number, outline in enumerate(coin_outlines(), 1):
        rows, columns = outline[:, 0], outline[:, 1]
        area = abs(np.dot(rows, np.roll(columns, 1)) - np.dot(columns, np.roll(rows, 1))) / 2
        assert (instances == number).sum() == pytest.approx(area, rel=0.04), number


def test_outlines_lie_on_the_coins_edges() -> None:
    photograph = draw_coins()[0][0].astype(float)
    shifts = np.arange(-4, 4.1, 0.5)
    for number, outline in enumerate(coin_outlines(), 1):
        falls = np.stack([_falls(photograph, outline, shift) for shift in shifts])  # shift, point
        mean = falls.mean(1)
        assert abs(shifts[mean.argmax()]) <= 0.5, number
        assert mean.max() > 1.5 * max(mean[0], mean[-1], 1), number
        quarters = falls.reshape(len(shifts), 4, -1).mean(-1)
        assert (abs(shifts[quarters.argmax(0)]) <= 1).all(), (number, shifts[quarters.argmax(0)])


def _falls(photograph: np.ndarray, outline: np.ndarray, shift: float) -> np.ndarray:
    """How much brighter it is inside than outside of an outline moved outwards by `shift` pixels, at 200 points."""
    along = np.linspace(0, len(outline), 200, endpoint=False)
    closed = np.vstack([outline, outline[:1]])
    points = np.stack([np.interp(along, np.arange(len(closed)), closed[:, axis]) for axis in (0, 1)], -1)
    centre = outline.mean(0)
    away = (points - centre) / np.linalg.norm(points - centre, axis=1, keepdims=True)
    inside, outside = (
        ndimage.map_coordinates(photograph, (points + (shift + step) * away).T, order=1, mode="nearest")
        for step in (-1.2, 1.2)
    )
    return np.asarray(inside - outside)


def test_crops_hold_two_whole_coins_and_share_no_pixel() -> None:
    _, instances = draw_coins()
    cover = np.zeros(instances.shape, int)
    for crop in coin_crops().values():
        cover[crop] += 1
        held = np.unique(instances[crop][instances[crop] > 0])
        assert held.size == 2
        assert all((instances[crop] == n).sum() == (instances == n).sum() for n in held)
    assert (cover == 1).all()
    assert sorted(name for names in coin_names().values() for name in names) == sorted(coin_crops())


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    write_cells(root / "cells")
    write_coins(root / "coins")
    return root


@pytest.mark.parametrize(("name", "images", "classes"), [("cells", 16, "cell"), ("coins", 12, "coin")])
def test_check_finds_nothing_wrong(datasets: Path, name: str, images: int, classes: str) -> None:
    report = check(datasets / name)
    assert not [f for f in report.findings if f.severity in ("error", "warning")]
    assert report.dataset is not None
    assert len(report.dataset.labelled) == images
    assert report.dataset.classes.names == ("background", classes)
    split = make_split(report.dataset)
    assert split.source == "given"
    assert len(split.train) + len(split.val) + len(split.test) == images
    assert find_leaks(report.dataset, split) == []


def test_the_coins_say_that_they_are_one_photograph(datasets: Path) -> None:
    assert "one photograph" in (datasets / "coins" / "README.md").read_text(encoding="utf-8")


def test_cells_files_hold_what_was_drawn(datasets: Path) -> None:
    image = read_image(datasets / "cells" / "images" / "cells_01.png")
    mask = read_mask(datasets / "cells" / "masks" / "cells_01.png")
    assert image.pixels.dtype == np.uint16
    assert mask.values.shape == image.shape
    assert mask.values.max() > 20
    assert np.median(image.pixels[0][mask.values > 0]) > np.median(image.pixels[0][mask.values == 0])


def test_the_demo_trains_both_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import unetkit.demo.story as story

    def few_steps(options: Options) -> Options:
        assert options.time == 75
        small = ("model.name=unet", "model.depth=2", "model.width=8", "training.patch=[64,64]", "training.batch=2")
        return Options(steps=4, device=options.device, settings=small)

    train = story.train
    monkeypatch.setattr(story, "train", lambda data, options, **rest: train(data, few_steps(options), **rest))
    monkeypatch.setattr("unetkit.demo.cells.SIZES", ((96, 96), (96, 112)))
    out = tmp_path / "demo"
    planned: list[str] = []
    said: list[str] = []
    hooks = Hooks(planned=lambda prepared: planned.append(prepared.dataset.root.name), say=said.append)
    runs = run_demo(out, time=75, device="cpu", hooks=hooks)
    assert [run.path for run in runs] == [out / "runs" / "cells", out / "runs" / "coins"]
    assert planned == ["cells", "coins"]
    assert any("one real photograph" in line for line in said)
    for run, count in zip(runs, (3, 3), strict=True):
        page = run.report.read_text(encoding="utf-8")
        assert f"on {run.path.name}" in page
        assert run.read_json("test/summary.json")["images"] == count
        assert run.read_json("data.json")["data"] == str((out / run.path.name).resolve())

    own = out / "runs" / "mine" / "note.txt"
    own.parent.mkdir()
    own.write_text("keep me")
    (out / "cells" / "images" / ".DS_Store").write_text("of a file browser")
    left = runs[0].path / "left-over"
    left.write_text("of the last demo")
    monkeypatch.setattr(story, "train", lambda data, options, *, out, hooks: RunFolder(out))
    assert [run.path for run in run_demo(out, time=75)] == [run.path for run in runs]
    assert not left.exists()
    assert own.read_text() == "keep me"


@pytest.mark.parametrize("made", ["file", "foreign", "mark", "stray image", "own run"])
def test_the_demo_writes_over_nothing_that_is_not_its_own(
    tmp_path: Path, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import unetkit.demo.story as story

    monkeypatch.setattr(story, "train", lambda *_, **__: pytest.fail("trained"))
    out = tmp_path / "demo"
    mark = '{"made_by": "unetkit demo", "runs": ["coins"]}'
    files = {
        "file": {"": "text"},
        "foreign": {"thesis.tex": "years of work"},
        "mark": {"demo.json": '{"made_by": "me"}'},
        "stray image": {"demo.json": mark, "cells/images/mine.png": "mine"},
        "own run": {"demo.json": mark, "runs/cells/plan.yaml": "mine"},
    }[made]
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.raises(UsageError, match="--out") as caught:
        run_demo(out, time=1)
    assert caught.value.exit_code == 2
    assert made == "file" or "demo-2" in str(caught.value)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        Path(name).name or "demo" for name in files
    }
