"""Losses: what training makes small, by name.

Every one is called as `loss(logits, target, valid)` and honours what nobody labelled. To add one, write a file with a
`Term` and a function that builds it, whose keyword arguments are the loss's options, and add a line to `LOSSES`.
A regulariser looks at the image instead of the labels, and is added to any loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from unetkit.errors import UsageError
from unetkit.losses.border import border_ce, border_weight_map
from unetkit.losses.boundary import boundary
from unetkit.losses.cldice import cldice
from unetkit.losses.compound import border_ce_dice, ce_dice, dice_boundary, dice_cldice, weighted_ce_dice
from unetkit.losses.cross_entropy import automatic_class_weights, ce, focal, weighted_ce
from unetkit.losses.loss import Loss, Term, check_class_weights
from unetkit.losses.lovasz import lovasz
from unetkit.losses.overlap import dice, dice_per_image, tversky
from unetkit.losses.regulariser import Regulariser, gated_crf, sparse_crf
from unetkit.losses.robust import gce, gce_dice
from unetkit.registry import lookup

__all__ = [
    "LOSSES", "REGULARISERS", "Loss", "Regulariser", "automatic_class_weights", "border_weight_map", "build_loss",
    "build_regulariser",
]  # fmt: skip

LOSSES: dict[str, Callable[..., Term]] = {
    "ce+dice": ce_dice,
    "ce": ce,
    "weighted-ce": weighted_ce,
    "weighted-ce+dice": weighted_ce_dice,
    "dice": dice,
    "dice-per-image": dice_per_image,
    "focal": focal,
    "tversky": tversky,
    "lovasz": lovasz,
    "boundary": boundary,
    "dice+boundary": dice_boundary,
    "cldice": cldice,
    "dice+cldice": dice_cldice,
    "ce+border": border_ce,
    "ce+border+dice": border_ce_dice,
    "gce": gce,
    "gce+dice": gce_dice,
}

REGULARISERS: dict[str, Callable[..., Regulariser]] = {
    "gated-crf": gated_crf,
    "sparse-crf": sparse_crf,
}
"""What is added to a loss where labels are few, by name; each is called as `regulariser(logits, images)`."""


def build_loss(name: str, *, num_classes: int, class_weights: Sequence[float] | None = None, **options: Any) -> Loss:
    """The loss called `name`.

    Args:
        name: one of `LOSSES`.
        num_classes: K, from 2 up; background counts as one.
        class_weights: one weight a class, for the losses that take them.
        **options: the keyword arguments of the function in `LOSSES`.

    Returns:
        `loss(logits N K *S, target N *S, valid N *S) -> scalar`.

    Raises:
        UnknownName: no loss has that name.
        UsageError: an option the loss does not have or a value it cannot have; class weights missing, of the wrong
            number, or given to a loss that does not use them.

    Example:
        >>> build_loss("tversky", num_classes=2, beta=0.8).name
        'tversky'
    """
    build = lookup(LOSSES, name, "loss")
    if num_classes < 2:
        raise UsageError("a loss needs two classes or more", found=num_classes, expected="background counts as one")
    known = dict(signature(build).parameters)
    weights_wanted = known.pop("class_weights", None)
    _require_known(options, known, f"loss '{name}'")
    if class_weights is not None and weights_wanted is None:
        users = ", ".join(other for other, made in LOSSES.items() if "class_weights" in signature(made).parameters)
        raise UsageError(f"loss '{name}' does not use class weights", mend=f"leave them out, or use one of {users}")
    if weights_wanted is not None:
        if class_weights is None and weights_wanted.default is Parameter.empty:
            raise UsageError(f"loss '{name}' needs class weights", mend="give class_weights, one number a class")
        options["class_weights"] = check_class_weights(class_weights, num_classes)
    return Loss(name, num_classes, build(**options))


def build_regulariser(name: str, **options: Any) -> Regulariser:
    """The regulariser called `name`.

    Args:
        name: one of `REGULARISERS`.
        **options: the keyword arguments of the function in `REGULARISERS`.

    Returns:
        `regulariser(logits N K *S, images N C *S) -> scalar`.

    Raises:
        UnknownName: none has that name.
        UsageError: an option that it does not have, or a value it cannot have.

    Example:
        >>> build_regulariser("sparse-crf", tau=0.3).tau
        0.3
    """
    build = lookup(REGULARISERS, name, "regulariser")
    _require_known(options, signature(build).parameters, f"regulariser '{name}'")
    return build(**options)


def _require_known(options: Mapping[str, Any], known: Mapping[str, Any], whose: str) -> None:
    if unknown := sorted(set(options) - set(known)):
        raise UsageError(
            f"{whose} has no option {', '.join(map(repr, unknown))}",
            expected=f"one of {', '.join(known)}" if known else "no options",
        )
