"""A rule about images without a label: do they look like those with one?"""

from __future__ import annotations

from unetkit.dataset.findings import Case, Finding, listed, several
from unetkit.dataset.looks import unlike


def unlike_labelled(case: Case) -> list[Finding]:
    """Images without a label that look unlike all with one."""
    bare = {image.name for image in case.unlabelled}
    seen = case.survey.readable_images
    labelled = [image for image in seen if image.name in case.labelled]
    odd = unlike(labelled, [image for image in seen if image.name in bare])
    if not odd:
        return []
    what = f"{several(len(odd), 'image')} without a label unlike all with one: {listed(image.name for image in odd)}"
    why = "what labelled images alone teach says nothing of such"
    mend = "label one of them; a training tries to do without (histogram-matching). Move out what shows something else"
    return [Finding("unlike-labelled", "warning", tuple(image.file for image in odd), what, why, mend)]
