"""What every loss is made of: the labelled pixels of a batch, terms that score them, and the loss users call.

A term sees `Pixels`: log-probabilities, targets and validity, made ready once and shared by all terms of a sum.
Whatever a network or a mask holds where nobody labelled has been blotted out there, in one place: no term can let
it through, and the gradient there is exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor

from unetkit.errors import InputError, UsageError


@dataclass(frozen=True)
class Pixels:
    """A batch as the terms see it; N images, K classes, *S rows and columns (or planes, rows, columns).

    Args:
        log_p: N K *S log-probabilities, float32 (float64 if the logits were); uniform where not valid.
        target: N *S class indices, int64; 0 where not valid.
        valid: N *S bool: somebody labelled this pixel.
        everywhere: whether `valid` is true throughout, which saves the masking.
        weight: N *S pixel weights, 0 where not valid; or None.
    """

    log_p: Tensor
    target: Tensor
    valid: Tensor
    everywhere: bool
    weight: Tensor | None

    @cached_property
    def p(self) -> Tensor:
        """Probabilities N K *S, in [0, 1]."""
        return self.log_p.exp()

    def labelled(self, values: Tensor) -> Tensor:
        """`values` (N *S or N C *S) with zeros where nobody labelled."""
        if self.everywhere:
            return values
        return values * (self._mask if values.ndim == self.valid.ndim else self._mask.unsqueeze(1))

    @cached_property
    def _mask(self) -> Tensor:
        # As floats, once: torch would convert the bools anew, and slowly, in every product and its gradient.
        return self.valid.to(self.log_p.dtype)

    @cached_property
    def count(self) -> Tensor:
        """How many pixels are labelled; 1 if none is, to divide by."""
        return self.valid.count_nonzero().clamp(min=1)

    def truth(self, first: int = 0) -> Tensor:
        """Bool N C *S: the pixel is labelled and of class `first`, `first` + 1, …, K − 1."""
        target = self.target if self.everywhere else self.target.masked_fill(~self.valid, -1)
        classes = torch.arange(first, self.log_p.shape[1], device=target.device)
        return target.unsqueeze(1) == classes.view(-1, *(1,) * (target.ndim - 1))


class Term(Protocol):
    """One summand of a loss: a frozen dataclass of its options, called with the pixels."""

    @property
    def takes_weight(self) -> bool:
        """Whether pixel weights change the value."""

    def __call__(self, pixels: Pixels) -> Tensor:
        """The scalar to be made small."""


@dataclass(frozen=True)
class Sum:
    """Terms added up, each times its factor."""

    parts: tuple[tuple[float, Term], ...]

    def __post_init__(self) -> None:
        for factor, _ in self.parts:
            check_option("factor", factor, isfinite(factor) and factor >= 0, "a number from 0 up")

    @property
    def takes_weight(self) -> bool:
        """Whether any part takes pixel weights."""
        return any(term.takes_weight for _, term in self.parts)

    def __call__(self, pixels: Pixels) -> Tensor:
        """The weighted sum."""
        return torch.stack([factor * term(pixels) for factor, term in self.parts]).sum()


@dataclass(frozen=True)
class Loss:
    """A loss as training calls it; made by `build_loss`.

    Args:
        name: its name in `LOSSES`.
        num_classes: K, from 2 up: softmax over the classes, for two classes as well.
        term: what is computed.
    """

    name: str
    num_classes: int
    term: Term

    @property
    def takes_weight(self) -> bool:
        """Whether `weight` may be given."""
        return self.term.takes_weight

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, *, weight: Tensor | None = None) -> Tensor:
        """The loss of one batch.

        Args:
            logits: N K *S, any floating type; half precision is computed in float32.
            target: N *S integers, 0 … K − 1 where valid, anything elsewhere.
            valid: N *S bool; false where nobody labelled. Nothing there has any influence, and gets no gradient.
            weight: N *S pixel weights from 0 up, such as those of `border_weight_map`; for losses with a
                cross-entropy or focal part, whose mean over pixels becomes the mean weighted by it.

        Returns:
            A scalar, float32 (float64 for float64 logits); 0 with zero gradient if nothing is labelled.

        Raises:
            InputError: shapes that do not fit, or a target that is no class.
            UsageError: a weight for a loss that does not use one.

        Example:
            >>> from unetkit.losses import build_loss
            >>> loss = build_loss("ce+dice", num_classes=2)
            >>> loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4).long(), torch.zeros(1, 4, 4).bool()).item()
            0.0
        """
        self._check(logits, target, valid, weight)
        return self.term(_pixels(logits, target, valid, weight))

    def _check(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None) -> None:
        if logits.ndim not in (4, 5) or logits.shape[1] != self.num_classes or not logits.is_floating_point():
            raise InputError(
                f"loss '{self.name}' cannot use these logits",
                found=f"{logits.dtype} of shape {tuple(logits.shape)}",
                expected=f"floats of shape (N, {self.num_classes}, rows, columns) or with planes before rows",
            )
        shape = (logits.shape[0], *logits.shape[2:])
        for name, tensor in (("target", target), ("valid", valid), ("weight", weight)):
            if tensor is not None and tensor.shape != shape:
                raise InputError(
                    f"{name} does not fit the logits", found=f"shape {tuple(tensor.shape)}", expected=shape
                )
        if target.is_floating_point() or valid.dtype != torch.bool:
            raise InputError(
                "targets are class indices and valid is a mask",
                found=f"target {target.dtype}, valid {valid.dtype}",
                expected="integers and bool",
            )
        if weight is not None and not self.takes_weight:
            raise UsageError(f"loss '{self.name}' does not use pixel weights", mend="leave 'weight' out")


def _pixels(logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None) -> Pixels:
    logits = logits if logits.dtype == torch.float64 else logits.float()
    target = target.long()
    everywhere = bool(valid.all())
    if not everywhere:
        hidden = ~valid
        logits = logits.masked_fill(hidden.unsqueeze(1), 0.0)
        target = target.masked_fill(hidden, 0)
    if weight is not None:
        weight = weight.to(logits.dtype).masked_fill(~valid, 0.0)
    if target.numel():
        low, high = (int(v) for v in target.aminmax())
        if low < 0 or high >= logits.shape[1]:
            raise InputError(
                "a labelled pixel is of no class",
                found=f"targets from {low} to {high}",
                expected=f"0 to {logits.shape[1] - 1}, or valid = False there",
            )
    return Pixels(logits.log_softmax(1), target, valid, everywhere, weight)


def check_option(name: str, value: object, right: bool, expected: str) -> None:
    """Refuse an option's value.

    Raises:
        UsageError: `right` is false.
    """
    if not right:
        raise UsageError(f"loss option '{name}' has a value it cannot have", found=repr(value), expected=expected)


def check_class_weights(class_weights: Sequence[float] | None, num_classes: int) -> tuple[float, ...] | None:
    """One finite weight from 0 up for each class, not all 0; or None.

    Raises:
        UsageError: the wrong number of them, or a value that is no weight.
    """
    if class_weights is None:
        return None
    weights = tuple(float(w) for w in class_weights)
    right = len(weights) == num_classes and all(isfinite(w) and w >= 0 for w in weights) and sum(weights) > 0
    check_option("class_weights", class_weights, right, f"{num_classes} numbers from 0 up, not all of them 0")
    return weights
