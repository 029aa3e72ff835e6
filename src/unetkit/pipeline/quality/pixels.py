"""The pixels of an image by which probabilities are judged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE

SAMPLED = 50_000
"""So many labelled pixels of each image: a large one counts no more than others."""


def labelled_pixels(
    log_probabilities: npt.NDArray[np.float32], truth: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """At most `SAMPLED` labelled pixels, evenly chosen.

    Args:
        log_probabilities: K *S.
        truth: *S, 255 where nobody labelled.

    Returns:
        Log-probabilities K N and true classes N.

    Example:
        >>> labelled_pixels(np.zeros((2, 2, 2), np.float32), np.array([[0, 1], [255, 1]], np.uint8))[1].tolist()
        [0, 1, 1]
    """
    labelled = np.flatnonzero(truth != IGNORE)
    chosen = labelled[:: max(-(-labelled.size // SAMPLED), 1)]
    return log_probabilities.reshape(len(log_probabilities), -1)[:, chosen], truth.reshape(-1)[chosen]
