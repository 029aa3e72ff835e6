"""Make the pictures of README and documentation anew: train on the demo's data and show what came of it.

    python docs/make_pictures.py            takes some minutes; needs chromium, and `make web` before

Nothing but the demo's data is shown: generated cells, and the photograph of coins that comes with scikit-image.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

from unetkit.augment import AugmentationSettings, augment, deformation_grid
from unetkit.classes import Classes
from unetkit.dataset.folder import open_dataset
from unetkit.demo import draw_cells, write_cells, write_coins
from unetkit.image import Image
from unetkit.pipeline import Options, export, load_predictor, train
from unetkit.report.overlay import overlay, to_rgb

Bytes = npt.NDArray[np.uint8]

IMAGES = Path(__file__).parent / "images"
SIDE, GAP, CAPTION = 256, 8, 22
STEPS = {"cells": 700, "coins": 250}
SHOWN = {"cells": "cells_14", "coins": "coins_2a"}


def main() -> None:
    """Train on both datasets and write every picture."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_cells(root / "cells")
        write_coins(root / "coins")
        rows = [_row(root, name) for name in STEPS]
        _save("results.png", rows, ("image", "truth", "prediction", "right green, extra orange, missed pink"))
        _photograph(root / "runs" / "cells" / "report.html", IMAGES / "report.png")
        page = export(root / "runs" / "cells", ["html"], root)[0].files[0]
        _photograph_at_work(page, root / "cells" / "images" / f"{SHOWN['cells']}.png", IMAGES / "page.png")
    _save(
        "augmentation.png",
        [_augmented()],
        ("as it is", "bent by a grid of 3 by 3 points", "bent, turned, scaled", "a deformation as drawn"),
    )


def _row(root: Path, name: str) -> list[Bytes]:
    """Image, truth, prediction and errors of one test image that training has not seen."""
    run = train(root / name, Options(steps=STEPS[name], device="cpu"), out=root / "runs" / name)
    dataset = open_dataset(root / name)
    sample = dataset.sample(SHOWN[name])
    image, truth = dataset.read_image(sample), dataset.read_labels(sample).labels
    labels = load_predictor(run.path, device="cpu").labels(image)
    picture, classes = to_rgb(image), dataset.classes
    painted = [_paint(picture, part, classes) for part in (truth, labels)]
    return [_fit(part) for part in (picture, *painted, overlay(picture, labels, truth, classes))]


def _paint(picture: Bytes, labels: Bytes, classes: Classes) -> Bytes:
    colours = np.array(classes.colours, np.float64)[labels]
    mixed = np.where((labels > 0)[..., None], 0.45 * picture + 0.55 * colours, picture)
    return mixed.astype(np.uint8)


def _augmented() -> list[Bytes]:
    """One patch of generated cells, bent by the paper's grid, warped in full, and the grid itself."""
    pixels, _ = draw_cells(np.random.default_rng(5), shape=(SIDE, SIDE))
    values = torch.from_numpy(pixels.astype(np.float32))[None]
    values = (values - values.mean()) / values.std()
    labels = torch.zeros(1, SIDE, SIDE, dtype=torch.int64)
    bent = AugmentationSettings(warp_probability=1.0, elastic_sigma=10.0, elastic_grid=3)
    full = bent.model_copy(update={"rotation": 45.0, "scale": (0.75, 1.35), "shear": 5.0})
    panels = [values]
    for settings in (bent, full):
        generator = torch.Generator().manual_seed(3)
        panels.append(augment(values, labels, labels == 0, settings, [generator])[0])
    low, high = values.quantile(0.005), values.quantile(0.995)
    pictures = [to_rgb(Image(((part - low) / (high - low) * 255).clamp(0, 255).byte().numpy()[0])) for part in panels]
    return [*pictures, _grid(bent)]


def _grid(settings: AugmentationSettings) -> Bytes:
    """Where a regular grid of lines goes."""
    points = deformation_grid(settings, (SIDE, SIDE), torch.Generator().manual_seed(3))
    canvas = Picture.new("RGB", (SIDE, SIDE), (250, 250, 248))
    draw = ImageDraw.Draw(canvas)
    for lines in (points, points.transpose(1, 0, 2)):
        for line in lines:
            draw.line([(float(column), float(row)) for row, column in line], fill=(0, 114, 178), width=1)
    return np.asarray(canvas)


def _fit(picture: Bytes) -> Bytes:
    """The picture, brought to the width of a panel."""
    height, width = picture.shape[:2]
    return np.asarray(
        Picture.fromarray(picture).resize((SIDE, round(SIDE * height / width)), Picture.Resampling.LANCZOS)
    )


def _save(name: str, rows: Sequence[Sequence[Bytes]], captions: Sequence[str]) -> None:
    """Rows of pictures, each as wide as a panel, under captions, as a PNG."""
    width = len(captions) * (SIDE + GAP) - GAP
    height = CAPTION + sum(row[0].shape[0] + GAP for row in rows) - GAP
    canvas = Picture.new("RGB", (width, height), (255, 255, 255))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for column, caption in enumerate(captions):
        draw.text((column * (SIDE + GAP), 2), caption, fill=(40, 40, 48), font=font)
    top = CAPTION
    for row in rows:
        for column, picture in enumerate(row):
            canvas.paste(Picture.fromarray(picture), (column * (SIDE + GAP), top))
        top += row[0].shape[0] + GAP
    IMAGES.mkdir(exist_ok=True)
    canvas.quantize(256, dither=Picture.Dither.NONE).save(IMAGES / name, optimize=True)


def _browser() -> str:
    browser = shutil.which("chromium")
    if browser is None:
        raise SystemExit("the pictures of pages need chromium: apt-get install chromium")
    return browser


def _photograph_at_work(page: Path, image: Path, picture: Path) -> None:
    """The page of an exported model, with an image that it has predicted."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_browser(), args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": 1180, "height": 720})
        shown.goto(page.as_uri())
        shown.set_input_files("[data-picker]", image)
        shown.locator("li[data-state=done]").wait_for()
        shown.screenshot(path=picture)
        browser.close()
    _shrink(picture)


def _shrink(picture: Path) -> None:
    Picture.open(picture).convert("RGB").quantize(128, dither=Picture.Dither.NONE).save(picture, optimize=True)


def _photograph(page: Path, picture: Path) -> None:
    """The top of a report, as a browser shows it."""
    size = "--window-size=1100,820"
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000"]
    subprocess.run(
        [_browser(), *quiet, size, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True
    )
    _shrink(picture)


if __name__ == "__main__":
    main()
