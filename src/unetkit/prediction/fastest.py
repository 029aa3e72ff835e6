"""Which of the installed runtimes predicts fastest on this machine, by a timed probe; none is kept waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from unetkit.errors import UnetkitError
from unetkit.prediction.predictor import Predictor
from unetkit.runtimes import Engine, usable

SIDE = {2: 512, 3: 64}
"""Of the image that is timed, in pixels."""

ROUNDS = 3

WORTH = 60.0
"""Seconds of predicting, as the first runtime does it, from which on others are tried: a copy takes some to make."""

WORTH_AT_HAND = 15.0
"""The same where the copies were made before."""

MARGIN = 1.1
"""How many times faster another runtime has to be."""


def choose_runtime(predictor: Predictor, pixels: Callable[[], int]) -> tuple[str, ...]:
    """Put a predictor on the fastest runtime, where there is so much to predict that it matters.

    Runtimes are timed in turn on an image of zeros; the one at work stays unless another is clearly faster.

    Args:
        predictor: that of `predict`; one whose runtime is settled is left alone.
        pixels: how many (voxels) are to be predicted, asked only where it matters.

    Returns:
        What to say of it: nothing where nothing changed.

    Example:
        >>> choose_runtime(predictor, lambda: 40_000**2)  # doctest: +SKIP
        ('on openvino, 1.9 × as fast here as torch',)
    """
    if predictor.settled:
        return ()
    predictor.settled = True
    dims, first = predictor.plan.data.spatial_dims, predictor.runtime
    others = [name for name in usable(predictor.device.type, predictor.precision) if name != first]
    if not others:
        return ()
    predictor.seconds(SIDE[dims])
    expected = pixels() / SIDE[dims] ** dims * predictor.seconds(SIDE[dims])
    at_hand = all(network.store is not None and network.copy.is_file() for network in predictor.networks)
    if expected < (WORTH_AT_HAND if at_hand else WORTH):
        return ()
    notes: list[str] = []
    engines: dict[str, list[Engine]] = {first: predictor.engines}
    for name in others:
        try:
            predictor.run_on(name)
        except UnetkitError as error:
            notes.append(f"{name} was left out: {error}")
        else:
            engines[name] = predictor.engines
    seconds = _timed(predictor, engines, SIDE[dims])
    fastest = min(seconds, key=lambda name: seconds[name])
    gain = seconds[first] / seconds[fastest]
    if gain < MARGIN:
        fastest = first
    predictor.runtime, predictor.engines = fastest, engines[fastest]
    if fastest != first:
        notes.append(f"on {fastest}, {gain:.1f} × as fast here as {first}")
    return tuple(notes)


def _timed(predictor: Predictor, engines: dict[str, list[Engine]], side: int) -> dict[str, float]:
    """Seconds a pass on each runtime, in turn, so that a busy moment hits them all."""
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(1 + ROUNDS):  # the first round makes room in memory
        for name, own in engines.items():
            predictor.engines = own
            seconds[name].append(predictor.seconds(side))
    return {name: median(times[1:]) for name, times in seconds.items()}
