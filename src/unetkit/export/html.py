"""One HTML file that runs the model in a browser, on images that are dropped into it; nothing leaves the computer.

    image ─┬─ measure ─▶ statistics ─┐
           └─ tile by tile ────────── predict ─▶ probabilities

The page itself is made once, by `make web` from web/: its code and onnxruntime's for browsers, in which places are kept
free for a model. Both graphs stand there in ONNX, gzipped, in base64.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unetkit import __version__
from unetkit.classes import Classes, has_background
from unetkit.errors import UnetkitError
from unetkit.export.graph import Graph, Measuring, Predicting
from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.image import Array
from unetkit.prediction import Predictor
from unetkit.prediction import predictor as prediction
from unetkit.runtimes.convert import record, to_onnx
from unetkit.runtimes.onnxruntime import run_onnx

PAGE = Path(__file__).parent / "browser" / "page.html"

HALVES = ("measure", "predict")
"""Where the two graphs stand in the page."""

WHOLE_PIXELS = 1_200_000
"""Larger images are cut into tiles: a browser gives a page 4 GB at most, and tiles show how far it is."""

TILE = 768
"""Side of a tile's own part, in pixels."""

NUMBERS = 2**16
"""What PNG holds of them."""


def read_page() -> str:
    """The page without a model.

    Raises:
        UnetkitError: it was not made when this installation was.
    """
    try:
        return PAGE.read_text(encoding="utf-8")
    except OSError as error:
        raise UnetkitError(
            "the page for browsers was not built into this installation",
            file=PAGE,
            found=error.strerror,
            mend="in a checkout of unetkit, with Node 20 or newer: make web. Wheels that are built then have it inside",
        ) from error


def write_html(subject: Subject, stem: Path) -> None:
    """Write STEM.html.

    Raises:
        UnetkitError: the page was not built, or the run's masks hold what no PNG does.
    """
    graphs = zip(HALVES, halves(subject), strict=True)
    parts = {
        "title": html.escape(subject.name),
        "facts": _within_script(json.dumps(page_facts(subject), ensure_ascii=False)),
        **{name: _packed(graph.SerializeToString()) for name, graph in graphs},
    }
    text, count = re.subn(r"\{\{(title|facts|measure|predict)\}\}", lambda found: parts.pop(found[1]), read_page())
    assert count == 4, "the page and this file are of one version"
    stem.with_name(stem.name + ".html").write_text(text, encoding="utf-8")


def open_html(path: Path) -> Runtime:
    """The two graphs of a page on onnxruntime's CPU, one pass."""
    text = path.read_text(encoding="utf-8")
    measure, predict = (run_onnx(_unpacked(text, name)) for name in HALVES)

    def run(image: Array) -> Array:
        pixels = image.astype(np.float32)
        return predict(pixels, measure(pixels))

    return run


def halves(subject: Subject) -> tuple[Any, Any]:
    """What measures the whole image, and what predicts a tile of it: two `onnx.ModelProto`.

    Both take float32, which holds the numbers of every image that the page reads, of whatever type.
    """
    graph, channels, dims = Graph(subject.predictor), len(subject.channels), subject.spatial_dims
    statistics = torch.ones(len(graph.ways), 4, channels)
    measure = record(Measuring(graph), channels, dims, torch.float32)
    predict = record(Predicting(graph), channels, dims, torch.float32, statistics)
    return (
        to_onnx(measure, dims, {}, output="statistics"),
        to_onnx(predict, dims, {}, inputs=("image", "statistics")),
    )


def page_facts(subject: Subject) -> dict[str, Any]:
    """What the page has to know besides the graphs; the types stand in web/src/facts.ts.

    Raises:
        UnetkitError: the run's masks hold what no PNG does.
    """
    predictor, classes, facts = subject.predictor, subject.classes, subject.facts
    return {
        "name": subject.name,
        "model": facts["model"],
        "version": __version__,
        "score": subject.score,
        "origin": subject.origin,
        "channels": list(subject.channels),
        "classes": [{"name": n, "colour": c} for n, c in zip(classes.names, classes.colours, strict=True)],
        "background": has_background(classes),
        "mask": mask_facts(classes),
        "augmented": any(plan.prediction.augment for plan in predictor.plans),
        "tiles": tile_facts(predictor),
        "facts": objects_fact(subject)
        | {name: fact for name, fact in facts.items() if name not in ("input", "output", "left_out")},
    }


def objects_fact(subject: Subject) -> dict[str, str]:
    """That the page counts and numbers other objects than `predict` does, where the run learnt to tell them apart."""
    if not subject.apart:
        return {}
    told = "here connected regions: objects that touch count as one. unetkit predict tells them apart"
    return {"objects": f"{told}; left out of this page is {subject.apart[0]}"}


def tile_facts(predictor: Predictor) -> dict[str, Any]:
    """How the page cuts large images: as it likes where tiles are exact, else as the predictor does."""
    whole, side = (WHOLE_PIXELS, TILE) if predictor.exact else (prediction.WHOLE_PIXELS[2], prediction.TILE[2])
    return {
        "exact": predictor.exact,
        "grid": predictor.grid,
        "halo": predictor.halo,
        "whole": whole,
        "side": predictor.window_side(side),
        "overlap": predictor.overlap(side),
    }


def mask_facts(classes: Classes) -> dict[str, Any]:
    """How mask files are written, as far as a PNG can.

    Raises:
        UnetkitError: they hold numbers that no PNG does.

    Example:
        >>> mask_facts(Classes(names=("background", "cell"), values=(0, 255)))
        {'kind': 'numbers', 'values': [0, 255], 'bits': 8}
    """
    if classes.label_divisor:
        raise UnetkitError(
            "the masks of this run hold numbers of class and object, and a page writes objects of one class",
            mend="export another format",
        )
    if classes.encoding == "instances":
        return {"kind": "objects"}
    if classes.encoding == "colours":
        return {"kind": "colours"}
    if not all(0 <= value < NUMBERS for value in classes.values):
        raise UnetkitError(
            "the masks of this run hold numbers that no PNG does, and a page writes PNG",
            found=f"{min(classes.values)} to {max(classes.values)}",
            expected=f"0 to {NUMBERS - 1}",
            mend="export another format",
        )
    bits = 8 if max(classes.values) < 256 and classes.dtype in ("bool", "uint8") else 16
    return {
        "kind": "palette" if classes.palette and bits == 8 else "numbers",
        "values": list(classes.values),
        "bits": bits,
    }


def _within_script(text: str) -> str:
    """JSON that cannot end the element it stands in."""
    return text.replace("<", "\\u003c")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _unpacked(text: str, name: str) -> bytes:
    found = re.search(rf'id="{name}">([^<]*)<', text)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1]))
