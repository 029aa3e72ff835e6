"""Histogram matching: labelled patches are also shown with the intensities of unlabelled images.

What is to be recognised looks otherwise from another microscope, stain or season, while its labels stay. The matching
itself is in `unetkit.augment.histograms`; it has taken place when a step begins.
"""

from __future__ import annotations

from torch import Tensor

from unetkit.methods.method import Labelled, Networks, Unlabelled
from unetkit.methods.supervised import supervised


def histogram_matching(
    networks: Networks, labelled: Labelled, unlabelled: Unlabelled | None, progress: float
) -> Tensor:
    """Half of the labelled patches take on the histogram of an unlabelled image."""
    return supervised(networks, labelled, unlabelled, progress)
