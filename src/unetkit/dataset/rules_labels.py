"""Rules about how far images are labelled: in part, by marks, or never with some class."""

from __future__ import annotations

from unetkit.dataset.findings import Case, Finding, listed, several
from unetkit.dataset.marked import WHOLE_KINDS


def unlabelled_classes(case: Case) -> list[Finding]:
    """Classes that no mask and no mark shows."""
    if case.dataset is None or all(case.pixels):
        return []
    names = case.dataset.classes.names
    missing = [name for name, count in zip(names, case.pixels, strict=True) if not count]
    what = f"{'no label shows' if len(missing) == 1 else 'no label shows any of'} {listed(map(repr, missing))}"
    if len(names) - len(missing) < 2:
        why = "there is nothing to tell the one labelled class from, so everything would be taken for it"
        mend = f"scribble on some {missing[0]} too, or paint some whole masks"
        return [Finding("unlabelled-classes", "error", (), what, why, mend)]
    why = "the model will never find what it was never shown"
    return [
        Finding("unlabelled-classes", "warning", (), what, why, "label some, or take the class out of classes.yaml")
    ]


def partly_labelled(case: Case) -> list[Finding]:
    """Images that are labelled in part, by paint or by marks."""
    partly = {kind: names for kind, names in case.kinds.items() if kind not in WHOLE_KINDS}
    if not partly:
        return []
    count = sum(map(len, partly.values()))
    what = f"{several(count, 'image')} of {sum(map(len, case.kinds.values()))} labelled in part: "
    what += ", ".join(f"{len(names)} by {kind}" for kind, names in partly.items())
    why = "training learns from the labelled pixels alone, and scores are taken on them alone"
    mend = "nothing to do; 'unetkit plan' says how each kind of label is used"
    return [Finding("partly-labelled", "note", (), what, why, mend)]


def no_whole_image(case: Case) -> list[Finding]:
    """Partial labels, and no whole mask to score on."""
    if WHOLE_KINDS[0] in case.kinds or not case.kinds:
        return []
    what = "no image has a whole mask"
    why = "scores on scribbles, points or boxes say little about outlines: nobody has drawn those"
    mend = "paint the whole masks of a few images; they are put into the test by themselves"
    return [Finding("no-whole-image", "warning", (), what, why, mend)]
