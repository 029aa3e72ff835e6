"""A copy is as good as its original: both predict the same images, and the largest difference counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from unetkit.errors import UnetkitError
from unetkit.export.subject import Subject
from unetkit.image import Array, Image

TOLERANCE = 1e-4
"""Of a probability; single precision on another runtime comes to about a millionth."""

Runtime = Callable[[Array], Array]
"""An exported model at work: 1 C *S in its own type -> 1 K *S float32."""


def expected(subject: Subject) -> list[tuple[Array, npt.NDArray[np.float32]]]:
    """Raw images and what the run's own predictor makes of them: C *S and K *S."""
    return [(image.pixels, subject.predictor.probabilities(image)) for image in views(subject)]


def views(subject: Subject) -> Iterator[Image]:
    """The samples, and parts of the first one with sizes that padding gets wrong first: one pixel, odd, narrow."""
    yield from subject.samples
    grid, first = subject.predictor.grid, subject.samples[0].pixels
    for side in (1, grid, grid + 1, 2 * grid + 3):
        for long in (side, 3 * side + 2):
            window = first[..., :side, :long] if subject.spatial_dims == 2 else first[..., :side, :side, :long]
            yield Image(np.ascontiguousarray(window))


def require_parity(run: Runtime, pairs: list[tuple[Array, npt.NDArray[np.float32]]], name: str) -> float:
    """The largest difference of a probability between a copy and the original.

    Args:
        run: the copy.
        pairs: from `expected`.
        name: of the format, for the error.

    Raises:
        UnetkitError: it is above TOLERANCE, or the copy fails on an image.
    """
    largest = 0.0
    for pixels, truth in pairs:
        try:
            difference = float(np.abs(run(pixels[None])[0] - truth).max())
        except Exception as error:  # each runtime has kinds of its own
            raise UnetkitError(
                f"the {name} copy fails, so it was not kept",
                found=f"on an image of {_size(pixels)}: {str(error).splitlines()[0][:200]}",
                mend="report it, with the model's plan",
            ) from error
        if not difference <= TOLERANCE:  # NaN, too
            raise UnetkitError(
                f"the {name} copy gives other probabilities than the model, so it was not kept",
                found=f"a difference of {difference:.2g} on an image of {_size(pixels)}",
                expected=f"at most {TOLERANCE:g}",
                mend="export another format, or report it with the model's plan",
            )
        largest = max(largest, difference)
    return largest


def _size(pixels: Array) -> str:
    return " × ".join(map(str, pixels.shape[1:]))
