"""torch.export's archive: the model for PyTorch, without unetkit and without the network's code."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.image import Array

FACTS = "unetkit.json"
"""The extra file in the archive that holds the facts."""


def write_pt2(subject: Subject, stem: Path) -> None:
    """Write STEM.pt2."""
    facts = json.dumps(subject.facts, ensure_ascii=False)
    torch.export.save(subject.program, stem.with_name(stem.name + ".pt2"), extra_files={FACTS: facts})


def open_pt2(path: Path) -> Runtime:
    """The model of a .pt2 file on the CPU."""
    # The checks that loading adds refuse images of less than a cell of the coarsest level, which the graph can take.
    model = torch.export.load(path).module(check_guards=False)

    def run(image: Array) -> Array:
        with torch.inference_mode():
            result: Array = model(torch.from_numpy(image)).numpy()
        return result

    return run
