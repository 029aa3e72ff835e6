"""The page of wrong labels: the most suspicious masks first, each with what would mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from unetkit.classes import Classes, has_background
from unetkit.files import write_text
from unetkit.report.charts import hex_colour
from unetkit.report.data import Suspect
from unetkit.report.html import page, suspect_card
from unetkit.suspicion import Verdict

NAMES = ("image", "label", "model")


@dataclass(frozen=True, slots=True, eq=False)
class SuspectImage:
    """A suspicious mask as the page shows it.

    Args:
        verdict: what was found.
        places: the worst findings, with crops of the image, of the mask and of what the model sees.
    """

    verdict: Verdict
    places: tuple[Suspect, ...]


def write_suspicion(
    path: str | PathLike[str],
    title: str,
    verdicts: Sequence[Verdict],
    images: Sequence[SuspectImage],
    classes: Classes,
    notes: Sequence[str] = (),
) -> None:
    """Write the page as one HTML file that opens offline, whole or not at all.

    Args:
        path: where.
        title: of the dataset.
        verdicts: on all images.
        images: those to show, worst first.
        classes: names and colours.
        notes: what the user should know.

    Raises:
        FileError: the file cannot be written.
    """
    write_text(path, render(title, verdicts, images, classes, notes))


def render(
    title: str, verdicts: Sequence[Verdict], images: Sequence[SuspectImage], classes: Classes, notes: Sequence[str] = ()
) -> str:
    """The page as HTML text; arguments as for `write_suspicion`."""
    first = 1 if has_background(classes) else 0
    legend = list(zip(classes.names, map(hex_colour, classes.colours), strict=True))[first:]
    return page(
        "suspicion.html.j2",
        styles=("chart.css", "report.css", "comparison.css"),
        title=title,
        count=len(verdicts),
        found=sum(bool(verdict.findings) for verdict in verdicts),
        notes=notes,
        legend=legend,
        images=[_shown(image, classes) for image in images],
    )


def _shown(image: SuspectImage, classes: Classes) -> dict[str, Any]:
    verdict = image.verdict
    return {
        "name": verdict.name,
        "score": verdict.score,
        "quality": f"{verdict.quality:.2f}",
        "more": len(verdict.findings) - len(image.places),
        "places": [suspect_card(place, classes, NAMES) for place in image.places],
    }
