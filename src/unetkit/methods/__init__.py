"""Methods of training: what a step makes small, from labelled images and from images that nobody labelled.

    labelled patches ─────────────────────────▶ student ──▶ loss against the masks ────────┐
    unlabelled patches ── strong views ───────▶ student ──▶ loss against the teacher ──────┴─▶ one number
                       └─ weak view ──▶ teacher (the averaged weights) ──▶ what is wanted

A method is one function of a step. To add one: a file with that function, whose keyword arguments are the method's
options, and a line in `METHODS`; the tests run over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature

from unetkit.errors import UsageError
from unetkit.methods.fixmatch import fixmatch
from unetkit.methods.histogram_matching import histogram_matching
from unetkit.methods.mean_teacher import mean_teacher
from unetkit.methods.method import Labelled, Method, Networks, Unlabelled
from unetkit.methods.supervised import supervised
from unetkit.methods.unimatch import unimatch
from unetkit.methods.views import draw_boxes, paste, strong_view, weak_view
from unetkit.registry import lookup

__all__ = [
    "METHODS",
    "Labelled",
    "Method",
    "Networks",
    "Unlabelled",
    "check_method",
    "draw_boxes",
    "options_of",
    "paste",
    "strong_view",
    "weak_view",
]

METHODS: dict[str, Method] = {
    "supervised": Method(supervised),
    "histogram-matching": Method(histogram_matching, matches=True),
    "mean-teacher": Method(mean_teacher, views=1),
    "fixmatch": Method(fixmatch, views=1),
    "unimatch": Method(unimatch, views=2),
}

RANGES: dict[str, tuple[float, float]] = {
    "weight": (0.0, 100.0),
    "ramp": (0.0, 1.0),
    "threshold": (0.0, 1.0),
    "dropout": (0.0, 0.95),
}
"""Smallest and largest value of every option that a method has."""


def options_of(method: Method) -> dict[str, float]:
    """A method's options with their defaults."""
    parameters = signature(method.loss).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is Parameter.KEYWORD_ONLY}


def check_method(name: str, options: Mapping[str, float]) -> Method:
    """The method called `name`, once it is known to have such options.

    Args:
        name: one of `METHODS`.
        options: keyword arguments of its function.

    Raises:
        UnknownName: no method has that name.
        UsageError: an option that the method does not have, or a value out of its range.

    Example:
        >>> check_method("unimatch", {"threshold": 0.9}).views
        2
    """
    method = lookup(METHODS, name, "method of training")
    known = options_of(method)
    for option, value in options.items():
        if option not in known:
            raise UsageError(
                f"the method '{name}' has no option '{option}'",
                expected=f"one of {', '.join(known)}" if known else "no options",
            )
        low, high = RANGES[option]
        if not low <= value <= high:
            raise UsageError(
                f"the option '{option}' of the method '{name}' is out of its range",
                found=value,
                expected=f"{low:g} to {high:g}",
            )
    return method
