"""The 2015 U-Net's border weight map: the narrow background between neighbouring objects counts up to eleven times.

    w(x) = w_c(x) + w0 · exp(−(d1(x) + d2(x))² / (2σ²))

w_c the class's weight, d1 and d2 the distances to the nearest and the second nearest object, w0 = 10, σ = 5 px.
(Ronneberger, Fischer & Brox, U-Net, MICCAI 2015, eq. 2.) The second summand is added on the background only: that is
what the paper's fig. 3d shows, and inside the objects it would outweigh the very gap it is there to open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log, sqrt
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from unetkit.classes import IGNORE
from unetkit.errors import InputError
from unetkit.losses.cross_entropy import true_log_p, weighted_mean
from unetkit.losses.loss import Pixels, Term, check_class_weights, check_option

NEGLIGIBLE = 1e-7
"""Border weights below this share of w0 are not computed: they would vanish in float32 beside a class weight of 1."""


def border_weight_map(
    instances: npt.NDArray[Any],
    *,
    labels: npt.NDArray[Any] | None = None,
    class_weights: Sequence[float] | None = None,
    w0: float = 10.0,
    sigma: float = 5.0,
    spacing: Sequence[float] | None = None,
) -> npt.NDArray[np.float32]:
    """Pixel weights that make a network learn the narrow gaps between objects.

    Objects that touch have no background between them, so nothing to weigh: give them a gap first, as the paper did.

    Args:
        instances: *S of integers: 0 is background, every other number one object.
        labels: *S class index of each pixel, to look up `class_weights`, 255 where ignored; None for 0 background,
            1 object.
        class_weights: w_c, one a class; None for 1.
        w0: greatest weight of a border, from 0 up.
        sigma: how wide gaps may be, in units of the spacing; above 0.
        spacing: size of a pixel along each axis; None for 1 px.

    Returns:
        *S float32, from the least class weight to w0 more than the background's; 0 where ignored.

    Raises:
        InputError: arrays that are not integers or do not fit each other.
        UsageError: an option outside its range.

    Example:
        >>> border_weight_map(np.array([[1, 1, 0, 2, 2]])).round().tolist()
        [[1.0, 1.0, 10.0, 1.0, 1.0]]
    """
    _check_border_options(w0, sigma)
    if instances.dtype.kind not in "biu" or (labels is not None and labels.shape != instances.shape):
        raise InputError(
            "a border weight map is made from instance numbers, and labels of the same size",
            found=f"{instances.dtype} {instances.shape}"
            + (f" and labels {labels.shape}" if labels is not None else ""),
            expected="whole numbers",
        )
    steps = tuple(float(s) for s in spacing) if spacing is not None else (1.0,) * instances.ndim
    check_option("spacing", spacing, len(steps) == instances.ndim and min(steps) > 0, f"{instances.ndim} sizes above 0")
    reach = sigma * sqrt(-2 * log(NEGLIGIBLE))
    nearest, second = _two_nearest(instances, steps, reach)
    weight = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    weight[instances != 0] = 0
    ignored = np.zeros(instances.shape, bool) if labels is None else labels == IGNORE
    weight += _class_weight_map(instances, None if labels is None else np.where(ignored, 0, labels), class_weights)
    weight[ignored] = 0
    return weight.astype(np.float32)


def _two_nearest(
    instances: npt.NDArray[Any], spacing: tuple[float, ...], reach: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distances to the nearest and the second nearest object; infinite where further than `reach`."""
    numbers = np.unique(instances)
    relabelled = np.searchsorted(numbers[numbers != 0], instances) + 1
    relabelled[instances == 0] = 0
    nearest = np.full(instances.shape, np.inf)
    second = nearest.copy()
    halo = [int(reach / step) + 1 for step in spacing]
    for number, box in enumerate(ndimage.find_objects(relabelled), start=1):
        # Only the object's surroundings can be within reach of it: hundreds of cells cost hundreds of small transforms.
        window = tuple(slice(max(0, s.start - h), s.stop + h) for s, h in zip(box, halo, strict=True))
        distance = ndimage.distance_transform_edt(relabelled[window] != number, sampling=spacing)
        second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
        nearest[window] = np.minimum(nearest[window], distance)
    return nearest, second


def _class_weight_map(
    instances: npt.NDArray[Any], labels: npt.NDArray[Any] | None, class_weights: Sequence[float] | None
) -> npt.NDArray[np.float64]:
    weights = None if class_weights is None else check_class_weights(class_weights, len(class_weights))
    if weights is None:
        return np.ones(instances.shape)
    classes = (instances != 0).astype(np.intp) if labels is None else labels
    if classes.size and not 0 <= classes.min() <= classes.max() < len(weights):
        raise InputError(
            "a label has no class weight",
            found=f"labels from {classes.min()} to {classes.max()}",
            expected=f"0 to {len(weights) - 1}, or {IGNORE} where ignored",
        )
    looked_up: npt.NDArray[np.float64] = np.asarray(weights)[classes]
    return looked_up


def connected_objects(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
    """Objects as connected components (corners connect) of each foreground class by itself, numbered from 1; *S.

    Objects of one class that touch come out as one: only instance numbers can tell them apart.
    """
    objects = np.zeros(labels.shape, np.int32)
    everywhere = np.ones((3,) * labels.ndim)
    count = 0
    for label in np.unique(labels[labels > 0]):
        components, found = ndimage.label(labels == label, everywhere)
        objects[components > 0] = components[components > 0] + count
        count += found
    return objects


@dataclass(frozen=True)
class BorderCrossEntropy:
    """Cross-entropy weighted by the border weight map.

    A `weight` given to the loss is taken as the whole map, class weights included: `border_weight_map` of the true
    instances, computed once a data set. Without it the map is made at every call, on the CPU, from the connected
    components of the labelled target: right for objects with a gap between them, blind to those that touch.

    Args:
        class_weights: w_c, one a class; None for 1.
        w0: greatest weight of a border, from 0 up.
        sigma: how wide gaps may be, px; above 0.
    """

    class_weights: tuple[float, ...] | None = None
    w0: float = 10.0
    sigma: float = 5.0

    takes_weight: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_border_options(self.w0, self.sigma)

    def __call__(self, pixels: Pixels) -> Tensor:
        """The weighted mean penalty, in nats."""
        weight = self._weight(pixels) if pixels.weight is None else pixels.weight
        return weighted_mean(-true_log_p(pixels), pixels, weight)

    def _weight(self, pixels: Pixels) -> Tensor:
        maps = [
            border_weight_map(
                connected_objects(labels),
                labels=labels,
                class_weights=self.class_weights,
                w0=self.w0,
                sigma=self.sigma,
            )
            for labels in pixels.target.cpu().numpy()  # 0 where not valid: what nobody labelled is no object
        ]
        return pixels.labelled(torch.from_numpy(np.stack(maps)).to(pixels.log_p))


def _check_border_options(w0: float, sigma: float) -> None:
    check_option("w0", w0, isfinite(w0) and w0 >= 0, "a number from 0 up")
    check_option("sigma", sigma, isfinite(sigma) and sigma > 0, "a number above 0")


def border_ce(*, class_weights: tuple[float, ...] | None = None, w0: float = 10.0, sigma: float = 5.0) -> Term:
    """Cross-entropy with the 2015 paper's border weight map, which separates neighbouring objects."""
    return BorderCrossEntropy(class_weights, w0, sigma)
