"""Windows into an image: checked, completed, and turned from the upright image to what the file stores."""

from __future__ import annotations

from collections.abc import Sequence

from unetkit.errors import UsageError
from unetkit.formats.format import Layout, Window
from unetkit.formats.orientation import stored_window, upright_shape


def check_window(window: Sequence[slice], shape: tuple[int, ...]) -> Window:
    """The window with its starts and ends filled in.

    Args:
        window: one slice a spatial axis, without steps.
        shape: spatial shape *S of the upright image.

    Returns:
        Slices with whole-number start and stop, 0 ≤ start < stop ≤ size.

    Raises:
        UsageError: the wrong number of slices, a step, or a window that is empty or leaves the image.
    """
    if len(window) != len(shape):
        raise UsageError("the window has the wrong number of axes", found=len(window), expected=f"{len(shape)} slices")
    full = tuple(
        slice(0 if part.start is None else int(part.start), size if part.stop is None else int(part.stop))
        for part, size in zip(window, shape, strict=True)
    )
    if any(part.step not in (None, 1) for part in window):
        raise UsageError("a window cannot have steps", found=tuple(window), expected="slices with step 1")
    if any(not 0 <= part.start < part.stop <= size for part, size in zip(full, shape, strict=True)):
        found = ", ".join(f"{part.start}:{part.stop}" for part in full)
        raise UsageError("the window is empty or leaves the image", found=found, expected=f"a part of {shape}")
    return full


def window_as_stored(window: Sequence[slice], layout: Layout) -> Window:
    """A window of the upright image as the window of the stored image that holds the same pixels."""
    spatial = layout.shape[1:]
    full = check_window(window, upright_shape(spatial, layout.orientation))
    return stored_window(full, spatial, layout.orientation)
