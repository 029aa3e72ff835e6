"""The page in a real browser, offline and from a file: its masks are those that the model makes in PyTorch."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from tests.export.conftest import NEEDS_PAGE, OPTIONS, subject_of
from unetkit.classes import Classes
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.export import Subject, html
from unetkit.export.write import write_exports
from unetkit.formats import read_image, read_mask, write_image
from unetkit.image import Image
from unetkit.objects import instance_mask
from unetkit.prediction import predictor as prediction

pytestmark = [pytest.mark.browser, NEEDS_PAGE]

PLAIN = NormalizationPlan()
LIVELY = "lean-unet"
"""Untrained, it gives all classes, in many small regions."""

NEVER = 1e-4
"""The share of pixels that may be of another class, where two are equally probable."""


def scene(channels: int = 1, shape: tuple[int, int] = (45, 61)) -> np.ndarray:
    """Something to look at, C H W, 0 to 255: blurred noise over a ramp."""
    noise = np.random.default_rng(5).random((channels, *shape))
    for axis in (1, 2):
        noise = (noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)) / 3
    return ((noise * 0.8 + 0.2 * np.linspace(0, 1, shape[1])) * 255).astype(np.uint8)


Open = Callable[[Path], Any]


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens a page offline; whatever the console said or the page asked for fails the test at its end."""
    complaints: list[str] = []
    contexts = []

    def opening(path: Path, width: int = 1280) -> Any:
        context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        local = ("file:", "data:", "blob:")
        page.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(local) else None)
        page.goto(path.as_uri())
        return page

    yield opening
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Path]:
    return written(subject_of((LIVELY, PLAIN)), tmp_path_factory.mktemp("grey"))


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Path]:
    return written(subject_of((LIVELY, PLAIN), channels=3), tmp_path_factory.mktemp("colour"))


def written(subject: Subject, folder: Path) -> tuple[Subject, Path]:
    write_exports(subject, ["html"], folder)
    return subject, folder / "tiny.html"


def predicted(page: Any, *files: Path) -> None:
    """Give images to the page and wait until it is through with them."""
    page.set_input_files("[data-picker]", files)
    page.locator("li:not([data-state=waiting], [data-state=running])").nth(len(files) - 1).wait_for(timeout=60_000)


def saved(page: Any, product: str, folder: Path) -> Path:
    """Press a button for a download; what came, under the name it was given."""
    with page.expect_download() as waiting:
        page.locator(f"[data-save={product}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def require_equal(subject: Subject, mask: Path, image: Image) -> None:
    labels = subject.classes.decode(read_mask(mask).values)
    expected = subject.predictor.labels(image)
    assert labels.shape == expected.shape
    assert 0.02 < (expected == 0).mean() < 0.9
    assert (labels != expected).mean() <= NEVER


def write_png(path: Path) -> None:
    write_image(path, scene())


def write_deep_png(path: Path) -> None:
    write_image(path, scene().astype(np.uint16) * 201 + 999)


def write_small_png(path: Path) -> None:
    Pillow.fromarray(scene()[0] > 90).save(path)


def write_clear_png(path: Path) -> None:
    Pillow.merge("LA", [Pillow.fromarray(part) for part in (scene()[0], np.roll(scene()[0], 9))]).save(path)


def write_tiff(path: Path) -> None:
    write_image(path, scene().astype(np.uint16) * 201 + 999)


def write_tiled_tiff(path: Path) -> None:
    tifffile.imwrite(path, scene()[0].astype(np.uint16) * 201, tile=(16, 32), compression="zlib", predictor=True)


def write_float_tiff(path: Path) -> None:
    tifffile.imwrite(path, scene()[0] / np.float32(255) - 0.5, compression="lzw", byteorder=">")


def write_signed_tiff(path: Path) -> None:
    tifffile.imwrite(path, scene()[0].astype(np.int16) * 100 - 9000)


def write_jpeg(path: Path) -> None:
    Pillow.fromarray(scene()[0]).save(path, quality=92)


def write_turned_jpeg(path: Path) -> None:
    exif = Pillow.Exif()
    exif[274] = 6
    Pillow.fromarray(scene()[0]).save(path, quality=92, exif=exif)


def write_bmp(path: Path) -> None:
    Pillow.fromarray(scene()[0]).save(path)


GREY: dict[str, Callable[[Path], None]] = {
    "8.png": write_png,
    "16.png": write_deep_png,
    "1.png": write_small_png,
    "clear.png": write_clear_png,
    "16.tif": write_tiff,
    "tiles.tif": write_tiled_tiff,
    "float.tif": write_float_tiff,
    "signed.tiff": write_signed_tiff,
    "grey.jpg": write_jpeg,
    "turned.jpg": write_turned_jpeg,
    "grey.bmp": write_bmp,
}


def test_grey_images_of_every_kind(grey: tuple[Subject, Path], opened: Open, tmp_path: Path) -> None:
    subject, path = grey
    page = opened(path)
    for name, write in GREY.items():
        write(tmp_path / name)
    predicted(page, *(tmp_path / name for name in GREY))
    for number, name in enumerate(GREY):
        page.locator(".pick").nth(number).click()
        assert page.locator("[data-fault]").inner_text() == "", name
        mask = saved(page, "mask", tmp_path)
        assert mask.name == f"{Path(name).stem}_mask.png"
        require_equal(subject, mask, read_image(tmp_path / name))


def test_colour_images(colour: tuple[Subject, Path], opened: Open, tmp_path: Path) -> None:
    subject, path = colour
    pixels = scene(3)
    last = np.moveaxis(pixels, 0, -1)
    write_image(tmp_path / "rgb.png", pixels)
    write_image(tmp_path / "deep.png", pixels.astype(np.uint16) * 257)
    tifffile.imwrite(tmp_path / "planes.tif", pixels, photometric="rgb", planarconfig="separate", tile=(16, 16))
    tifffile.imwrite(tmp_path / "tiles.tif", last, photometric="rgb", tile=(16, 16), compression="lzw", predictor=True)
    clear = np.concatenate([last, last[..., :1]], -1)
    tifffile.imwrite(tmp_path / "clear.tif", clear, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "imagej.tif", pixels, imagej=True, metadata={"axes": "CYX"})
    Pillow.fromarray(np.ascontiguousarray(last)).save(tmp_path / "colour.jpg", quality=95, subsampling=0)
    Pillow.fromarray(np.ascontiguousarray(last)).quantize(200).save(tmp_path / "palette.png")
    names = [file.name for file in sorted(tmp_path.iterdir())]
    page = opened(path)
    predicted(page, *(tmp_path / name for name in names))
    for number, name in enumerate(names):
        page.locator(".pick").nth(number).click()
        assert page.locator("[data-fault]").inner_text() == "", name
        require_equal(subject, saved(page, "mask", tmp_path), read_image(tmp_path / name))


def test_a_grey_image_for_a_colour_model_is_repeated_and_said(
    colour: tuple[Subject, Path], opened: Open, tmp_path: Path
) -> None:
    subject, path = colour
    write_png(tmp_path / "grey.png")
    page = opened(path)
    predicted(page, tmp_path / "grey.png")
    assert "grey repeated as red, green, blue" in page.locator("[data-notes]").inner_text()
    require_equal(subject, saved(page, "mask", tmp_path), Image(np.repeat(scene(), 3, 0)))


def test_what_cannot_be_used_is_said_and_stops_nothing_else(
    grey: tuple[Subject, Path], opened: Open, tmp_path: Path
) -> None:
    write_deep_png(tmp_path / "good.png")
    content = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "notes.png").write_text("these are notes")
    (tmp_path / "empty.tif").write_bytes(b"")
    write_image(tmp_path / "rgb.png", scene(3))
    write_tiff(tmp_path / "whole.tif")
    content = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: len(content) // 2])
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([scene()[0]] * 4), photometric="minisblack")
    tifffile.imwrite(tmp_path / "nan.tif", np.full((20, 20), np.nan, np.float32))
    tifffile.imwrite(tmp_path / "nodata.tif", scene()[0], extratags=[(42113, "s", 0, "0", False)])
    tifffile.imwrite(tmp_path / "zstd.tif", scene()[0], compression="zstd")
    Pillow.merge("CMYK", [Pillow.fromarray(scene()[0])] * 4).save(tmp_path / "inks.jpg")
    write_jpeg(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    wide = bytearray((tmp_path / "good.png").read_bytes())
    wide[16:24] = (20_000).to_bytes(4, "big") * 2
    (tmp_path / "wide.png").write_bytes(wide)
    faults = {
        "cut.png": "damaged",
        "notes.png": "PNG, TIFF, JPEG or BMP",
        "empty.tif": "empty",
        "rgb.png": "3 channels, as of a colour image\n\nExpected: 1 channel",
        "cut.tif": "damaged",
        "stack.tif": "4 pages",
        "nan.tif": "NaN",
        "nodata.tif": "without data",
        "zstd.tif": "none, LZW, deflate or PackBits",
        "inks.jpg": "stored in inks",
        "cut.jpg": "damaged",
        "wide.png": "20000 × 20000 pixels",
    }
    page = opened(grey[1])
    predicted(page, *(tmp_path / name for name in (*faults, "good.png")))
    for number, (name, fault) in enumerate(faults.items()):
        page.locator(".pick").nth(number).click()
        assert fault in page.locator("[data-fault]").inner_text(), name
        assert not page.locator("[data-save=mask]").is_visible()
    page.locator(".pick").last.click()
    require_equal(grey[0], saved(page, "mask", tmp_path), read_image(tmp_path / "good.png"))


def test_tiles_give_what_one_pass_gives(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(html, "TILE", 32)
    subject, path = written(subject_of((LIVELY, PLAIN), ("unet", NormalizationPlan(kind="none"))), tmp_path)
    assert subject.predictor.exact
    write_image(tmp_path / "large.png", scene(shape=(150, 211)))
    page = opened(path)
    predicted(page, tmp_path / "large.png")
    assert "in 35 tiles" in page.locator("[data-caption]").inner_text()
    assert page.locator("[data-notes]").inner_text() == ""
    require_equal(subject, saved(page, "mask", tmp_path), read_image(tmp_path / "large.png"))


def test_windows_that_are_not_exact_are_averaged_as_predict_does_and_said(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIONS, LIVELY, OPTIONS[LIVELY] | {"norm": "instance"})
    monkeypatch.setattr(prediction, "WHOLE_PIXELS", {2: 4000})
    monkeypatch.setattr(prediction, "TILE", {2: 64})
    subject, path = written(subject_of((LIVELY, PLAIN)), tmp_path)
    assert not subject.predictor.exact
    write_image(tmp_path / "large.png", scene(shape=(150, 211)))
    page = opened(path)
    predicted(page, tmp_path / "large.png")
    assert "overlapping windows were averaged" in page.locator("[data-notes]").inner_text()
    require_equal(subject, saved(page, "mask", tmp_path), read_image(tmp_path / "large.png"))


def test_objects_are_numbered_as_predict_does(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of((LIVELY, PLAIN))
    objects = Classes.model_construct(**dict(subject.classes) | {"encoding": "instances", "values": ()})
    monkeypatch.setitem(subject.__dict__, "classes", objects)
    _, path = written(subject, tmp_path)
    write_png(tmp_path / "cells.png")
    page = opened(path)
    predicted(page, tmp_path / "cells.png")
    expected = instance_mask(subject.predictor.labels(Image(scene())) == 1)
    assert expected.max() > 3
    np.testing.assert_array_equal(read_mask(saved(page, "mask", tmp_path)).values, expected)


def test_probabilities_and_overlay_are_saved(grey: tuple[Subject, Path], opened: Open, tmp_path: Path) -> None:
    subject, path = grey
    write_png(tmp_path / "image.png")
    page = opened(path)
    predicted(page, tmp_path / "image.png")
    page.locator("input[value=probability]").focus()
    page.keyboard.press("Space")
    page.locator("[data-class]").select_option("2")
    file = saved(page, "probability", tmp_path)
    assert file.name == "image_probability_gap.png"
    probability = subject.predictor.probabilities(Image(scene()))[2]
    assert np.abs(read_image(file).pixels[0] / 255 - probability).max() < 0.003
    overlay = read_image(saved(page, "overlay", tmp_path)).pixels
    assert overlay.shape == (3, 45, 61)
    assert len(np.unique(overlay.reshape(3, -1), axis=1).T) > 50
    shares = [float(text.removesuffix(" %")) for text in page.locator(".share").all_inner_texts()]
    labels = subject.predictor.labels(Image(scene()))
    np.testing.assert_allclose(shares, [100 * (labels == k).mean() for k in range(3)], atol=0.06)


def test_images_are_dropped_removed_and_controlled_by_keyboard(
    grey: tuple[Subject, Path], opened: Open, tmp_path: Path
) -> None:
    write_png(tmp_path / "image.png")
    content = base64.b64encode((tmp_path / "image.png").read_bytes()).decode()
    page = opened(grey[1])
    assert page.locator("h1").inner_text() == "tiny"
    assert not page.locator("[data-panel]").is_visible()
    page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), sign => sign.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "dropped.png"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    page.locator("li[data-state=done]").wait_for(timeout=60_000)
    assert page.locator("h2").inner_text() == "dropped.png"
    picture = page.locator("[data-canvas]")
    looks = [picture.screenshot()]
    for control, key in (("[data-opacity]", "Home"), ("[data-canvas]", "+"), ("[data-canvas]", "ArrowLeft")):
        page.locator(control).focus()
        page.keyboard.press(key)
        looks.append(picture.screenshot())
    assert len(set(looks)) == len(looks)
    assert page.locator("[data-percent]").inner_text() == "0 %"
    page.locator(".remove").click()
    assert page.locator("main.empty").is_visible()


def test_what_was_stopped_does_not_keep_the_next_one(grey: tuple[Subject, Path], opened: Open, tmp_path: Path) -> None:
    write_image(tmp_path / "large.png", scene(shape=(2500, 2500)))
    write_png(tmp_path / "small.png")
    page = opened(grey[1])
    page.set_input_files("[data-picker]", tmp_path / "large.png")
    page.locator("[data-doing]", has_text="Predicting").wait_for(timeout=60_000)
    page.locator("[data-stop]").click()
    page.locator("[data-fault]", has_text="Stopped").wait_for()
    page.set_input_files("[data-picker]", tmp_path / "small.png")
    page.locator("li[data-state=done]").wait_for(timeout=60_000)
    require_equal(grey[0], saved(page, "mask", tmp_path), Image(scene()))


def test_no_connection_is_allowed(grey: tuple[Subject, Path], browser: Any) -> None:
    page = browser.new_context(offline=True).new_page()
    page.goto(grey[1].as_uri())
    refused = page.evaluate(
        """async () => {
            const refused = new Promise(resolve => addEventListener("securitypolicyviolation", resolve));
            fetch("https://example.org/").catch(() => undefined);
            return (await refused).effectiveDirective;
        }"""
    )
    page.context.close()
    assert refused == "connect-src"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_runs_over_the_edge(grey: tuple[Subject, Path], opened: Any, width: int, tmp_path: Path) -> None:
    write_png(tmp_path / ("a-rather-long-name-of-an-image-" * 4 + ".png"))
    page = opened(grey[1], width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    predicted(page, *tmp_path.glob("*.png"))
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
