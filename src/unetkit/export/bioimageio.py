"""A bioimage.io package: the ONNX model with its description, test tensors, a cover and a page to read, in one zip.

The description follows bioimage.io's model format 0.5 and is checked by its own library before anything is kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from unetkit import __version__
from unetkit.errors import UnetkitError
from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.formats import write_image
from unetkit.image import Array, Image
from unetkit.runtimes.onnxruntime import run_onnx

WEIGHTS = "model.onnx"

AXES = {2: ("y", "x"), 3: ("z", "y", "x")}

UNITS = {
    "nm": "nanometer",
    "um": "micrometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
}
"""Spacing in any other unit is left out."""

PAPER = {
    "text": "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015",
    "doi": "10.1007/978-3-319-24574-4_28",
}

TEST_SIDE = {2: 256, 3: 48}
"""Test tensors show so many pixels (voxels) a side of the first sample."""


def write_bioimageio(subject: Subject, stem: Path) -> None:
    """Write STEM.bioimageio.zip.

    Raises:
        UnetkitError: bioimage.io's own check finds fault, such as with the name of a licence.
    """
    window = (slice(None), *[slice(TEST_SIDE[subject.spatial_dims])] * subject.spatial_dims)
    image = Image(np.ascontiguousarray(subject.samples[0].pixels[window]))
    files = {
        WEIGHTS: subject.onnx.SerializeToString(),
        "test_input.npy": _npy(image.pixels[None]),
        "test_output.npy": _npy(subject.predictor.probabilities(image)[None]),
        "cover.png": _png(subject.cover),
        "README.md": readme(subject).encode(),
        "unetkit.json": json.dumps(dict(subject.facts), indent=1, ensure_ascii=False).encode(),
    }
    described = description(subject, {n: _digest(data) for n, data in files.items()})
    files["bioimageio.yaml"] = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=120).encode()
    path = stem.with_name(stem.name + ".bioimageio.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    require_valid(path)


def open_bioimageio(path: Path) -> Runtime:
    """The ONNX model in a package."""
    with zipfile.ZipFile(path) as archive:
        return run_onnx(archive.read(WEIGHTS))


def require_valid(path: Path) -> None:
    """Check a package by bioimage.io's own library, without the network.

    Raises:
        UnetkitError: it finds fault.
    """
    from bioimageio.spec import InvalidDescr, ValidationContext, load_description

    # By its path the library would open the file and leave it open.
    with zipfile.ZipFile(path) as archive, ValidationContext(perform_io_checks=True, disable_cache=True):
        found = load_description(archive)
    if isinstance(found, InvalidDescr):
        raise UnetkitError(
            "the package is not valid by bioimage.io's rules, so it was not kept",
            found=" ".join(str(found.get_reason()).split())[:400],
            mend="check --author, --licence and --cite",
        )


def description(subject: Subject, digests: dict[str, str]) -> dict[str, Any]:
    """What bioimageio.yaml holds.

    Args:
        subject: the model.
        digests: file name to SHA-256.
    """
    from bioimageio.spec.model.v0_5 import ModelDescr

    plan, credit = subject.predictor.plan, subject.credit
    classes = ", ".join(subject.classes.names)
    weights = {"source": WEIGHTS, "sha256": digests[WEIGHTS], "opset_version": subject.onnx.opset_import[0].version}
    described: dict[str, Any] = {
        "format_version": ModelDescr.implemented_format_version,
        "type": "model",
        "name": f"{re.sub(r'[^A-Za-z0-9_+() -]', '-', subject.name)[:40]} ({_plain(plan.model.name)})",
        "description": f"Segments {subject.spatial_dims}D images into {classes}. Trained with unetkit.",
        "authors": [{"name": name} for name in credit.authors or ("not stated",)],
        "cite": [PAPER, *({"text": doi, "doi": doi} for doi in credit.cite)],
        "documentation": {"source": "README.md", "sha256": digests["README.md"]},
        "covers": [{"source": "cover.png", "sha256": digests["cover.png"]}],
        "attachments": [{"source": "unetkit.json", "sha256": digests["unetkit.json"]}],
        "tags": ["semantic-segmentation", "unet", f"{subject.spatial_dims}d", "unetkit"],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [_input(subject, digests["test_input.npy"])],
        "outputs": [_output(subject, digests["test_output.npy"])],
        "weights": {"onnx": weights},
        "config": {"unetkit": {"version": __version__, "class_values": json.loads(subject.facts["class_values"])}},
    }
    return described if credit.licence is None else {**described, "license": credit.licence}


def _input(subject: Subject, digest: str) -> dict[str, Any]:
    # With a halo, tiles have to be larger than what is cut off them.
    size = {"min": 2 * subject.predictor.halo + 1, "step": 1}
    axes = [{"type": "space", **axis, "size": size} for axis in _space(subject)]
    return {
        "id": "image",
        "description": "the raw image: normalisation is part of the model",
        "axes": [
            {"type": "batch", "size": 1},
            {"type": "channel", "channel_names": list(subject.channels)},
            *axes,
        ],
        "data": {"type": subject.dtype},
        "preprocessing": [],
        "test_tensor": {"source": "test_input.npy", "sha256": digest},
    }


def _output(subject: Subject, digest: str) -> dict[str, Any]:
    axes = [
        {
            "type": "space",
            **axis,
            "size": {"tensor_id": "image", "axis_id": axis["id"]},
            "halo": subject.predictor.halo,
        }
        for axis in _space(subject)
    ]
    return {
        "id": "probabilities",
        "description": "the probability of each class",
        "axes": [
            {"type": "batch", "size": 1},
            {"type": "channel", "channel_names": list(subject.classes.names)},
            *axes,
        ],
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "test_tensor": {"source": "test_output.npy", "sha256": digest},
    }


def _space(subject: Subject) -> list[dict[str, Any]]:
    """The spatial axes' names, with unit and scale where both are known."""
    data = subject.predictor.plan.data
    names = AXES[subject.spatial_dims]
    if data.spacing is None or data.unit not in UNITS:
        return [{"id": name} for name in names]
    return [
        {"id": name, "unit": UNITS[data.unit], "scale": float(step)}
        for name, step in zip(names, data.spacing, strict=True)
    ]


def readme(subject: Subject) -> str:
    """The page to read, in Markdown."""
    facts = subject.facts
    named = enumerate(zip(subject.classes.names, subject.values, strict=True))
    rows = "\n".join(f"| {number} | {name} | {value} |" for number, (name, value) in named)
    return f"""# {subject.name}

A {facts["model"]} trained with unetkit {__version__}. The raw image goes in ({facts["input"]}), and the probability of
each class comes out. The most probable class is the prediction.

| channel | class | value in mask files |
| --- | --- | --- |
{rows}

Normalisation is part of the model and is taken from the image that goes in. So give it whole images, or tiles that
show what the whole image shows: a tile of nothing but background is stretched as if it were an image.

Left out are {facts["left_out"]}.

## Validation

{subject.score or "No score came with the run."} The package was held against the model in PyTorch on {subject.origin}.
`test_output.npy` is what the model makes of `test_input.npy`. A score says nothing about other microscopes, stains or
species: look at the results on your own images first.
"""


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _png(picture: Array) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cover.png"
        write_image(path, np.moveaxis(picture, -1, 0))
        return path.read_bytes()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _plain(name: str) -> str:
    return name.replace("++", " plus plus")
