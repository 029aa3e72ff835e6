"""How strongly training patches are varied: one frozen, checked record that the plan stores."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unetkit.registry import lookup

Probability = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0.1, le=10)]
PRESETS = ("full", "flips", "none")
"""Short words for a whole record, as in --set augmentation=flips."""

Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AugmentationSettings(BaseModel):
    """What may happen to a training patch. Without arguments: nothing.

    Tuples with one entry an axis are read from the last axis, so that one record serves (row, column) and
    (plane, row, column). Lengths in px are pixels of the finest axis.

    Raises:
        pydantic.ValidationError: a field is out of its range, or unknown.

    Example:
        >>> AugmentationSettings(flips=(False, True), rotation=15.0, warp_probability=0.5).rotation
        15.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    flips: Annotated[tuple[bool, ...], Field(min_length=2, max_length=3)] = (False, False, False)
    """Whether the patch may be mirrored along (plane,) row, column, each with probability ½.
    (False, True) mirrors left-right only."""
    quarter_turns: bool = False
    """Whether the patch may be turned by 90, 180 or 270 degrees in the row-column plane; by 180 only where that is
    not square."""

    warp_probability: Probability = 0.0
    """Share of the patches that are warped: rotation, scale, shear and elastic deformation, in one interpolation."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation in the row-column plane, degrees, either way."""
    rotation_out_of_plane: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation about the row axis and about the column axis, degrees; three dimensions only."""
    scale: tuple[Factor, Factor] = (1.0, 1.0)
    """Smallest and largest magnification, the same along every axis; above 1 things get larger."""
    shear: Annotated[float, Field(ge=0, le=40)] = 0.0
    """Largest shear angle of rows along columns and of columns along rows, degrees."""
    elastic_sigma: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Standard deviation of the elastic displacement at the control points, px; 10 in the U-Net paper. Up to an eighth
    of the control points' distance, patch / (elastic_grid - 1), the picture does not fold over itself; at a quarter of
    it, one patch in seven does."""
    elastic_grid: Annotated[int, Field(ge=2, le=33)] = 3
    """Control points of the elastic deformation along each axis; 3 in the U-Net paper, more bend finer."""
    spacing: Annotated[tuple[Length, ...], Field(min_length=2, max_length=3)] = (1.0, 1.0, 1.0)
    """Distance between pixel centres along (plane,) row, column, in any unit: rotation, shear, elastic deformation,
    blur and low resolution act on true distances, so that thick slices are not turned into rows."""

    intensity_probability: Probability = 0.0
    """Probability of brightness, contrast, gamma, blur, low resolution and noise, each drawn on its own."""
    brightness: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Largest number added to or taken from all pixels; images are normalised, so 1 is one standard deviation."""
    contrast: tuple[Factor, Factor] = (1.0, 1.0)
    """Smallest and largest factor on the difference from a channel's mean."""
    gamma: tuple[Factor, Factor] = (1.0, 1.0)
    """Smallest and largest exponent on the channel brought to 0…1; its mean and standard deviation are kept."""
    blur: Annotated[float, Field(ge=0, le=20)] = 0.0
    """Largest standard deviation of the Gaussian blur, px."""
    low_resolution: Annotated[float, Field(ge=1, le=16)] = 1.0
    """Largest factor by which the resolution is lowered; the patch keeps its size. 1: never."""
    noise: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Largest standard deviation of the added Gaussian noise; images are normalised."""
    channel_drop: Probability = 0.0
    """Probability that one channel is set to 0, its mean; only with two channels or more."""

    @model_validator(mode="after")
    def _ordered(self) -> AugmentationSettings:
        for name in ("scale", "contrast", "gamma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} ({low}, {high}) has its smallest value last; expected ({high}, {low})")
        return self

    def only(self, preset: str) -> AugmentationSettings:
        """These settings, cut down to a preset.

        Args:
            preset: "full" for all of them, "flips" for flips and quarter turns alone, "none".

        Raises:
            UnknownName: no such preset.
        """
        lookup(dict.fromkeys(PRESETS), preset, "augmentation")
        if preset == "full":
            return self
        kept = {"spacing"} | ({"flips", "quarter_turns"} if preset == "flips" else set())
        return AugmentationSettings(**self.model_dump(include=kept))

    def axis_flips(self, dims: int) -> tuple[bool, ...]:
        """Whether each of `dims` axes may be mirrored; an axis the settings do not name may not."""
        return (False, False, False, *self.flips)[-dims:]

    def coarseness(self, dims: int) -> tuple[float, ...]:
        """Spacing of each of `dims` axes in units of the finest of them (1 where isotropic).

        Raises:
            ValueError: the settings give the spacing of fewer axes.
        """
        if len(self.spacing) < dims:
            raise ValueError(
                f"spacing {self.spacing} has {len(self.spacing)} entries; expected one for each of {dims} axes"
            )
        spacing = self.spacing[-dims:]
        return tuple(length / min(spacing) for length in spacing)

    def warps(self, dims: int) -> bool:
        """Whether any patch with `dims` axes would be interpolated."""
        bent = self.rotation > 0 or self.scale != (1.0, 1.0) or self.shear > 0 or self.elastic_sigma > 0
        return self.warp_probability > 0 and (bent or (dims == 3 and self.rotation_out_of_plane > 0))
