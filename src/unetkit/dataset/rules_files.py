"""Rules about files: can they be read, do they pair, do their names and sizes agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from difflib import get_close_matches

from unetkit.dataset.findings import FIX, Case, Finding, listed, several
from unetkit.dataset.records import FaultKind, ImageFacts, MaskFacts
from unetkit.dataset.survey import format_of_suffix

FEW = 5
"""Fewer labelled images than this cannot be split into parts that say much."""

_FAULTS: dict[FaultKind, tuple[str, str]] = {
    "empty-file": ("zero bytes long", "copy the file again from its source"),
    "text-pointer": ("text and not an image", "if it is a Git LFS pointer: git lfs pull; else export the image again"),
    "truncated": ("cut short or damaged", "copy the file again from its source"),
    "unreadable": ("unreadable", "export the file again as PNG or TIFF"),
}


def no_images(case: Case) -> list[Finding]:
    """There is nothing below images/."""
    if case.survey.images:
        return []
    folder = case.survey.root / "images"
    what = "images/ holds no image" if folder.is_dir() else "there is no folder images/"
    why = "a dataset is a folder with images/ and masks/; there is nothing to train on"
    return [Finding("no-images", "error", (), what, why, f"put the images into {folder}")]


def no_pairs(case: Case) -> list[Finding]:
    """There are images, but none has a mask, and there is no folder marks/."""
    survey = case.survey
    names = {mask.name for mask in survey.masks}
    marked = (survey.root / "marks").is_dir()
    if not survey.images or any(image.name in names for image in survey.images) or (marked and not survey.masks):
        return []
    if survey.masks:
        what = f"no mask has the name of an image: images such as {survey.images[0].name}, masks such as "
        what += survey.masks[0].name
        mend = _rename_hint(survey.images, survey.masks) or "give each mask the name of its image"
    else:
        what = "there are no masks" if (survey.root / "masks").is_dir() else "there is no folder masks/"
        mend = f"put masks into {survey.root / 'masks'}, each with the name of its image, or marks into marks/"
    why = "training learns from pairs of an image and a mask with the same name"
    return [Finding("no-pairs", "error", (), what, why, mend)]


def unpaired_masks(case: Case) -> list[Finding]:
    """Masks that belong to no image."""
    survey = case.survey
    names = {image.name for image in survey.images}
    lonely = [mask for mask in survey.masks if mask.name not in names]
    if not lonely or len(lonely) == len(survey.masks):
        return []  # none of several, or all of them: no_images and no_pairs report that
    hint = _rename_hint(survey.images, lonely)
    if not hint:
        near = get_close_matches(lonely[0].name, sorted(names), n=1, cutoff=0.6)
        hint = f"rename {lonely[0].file} to the name of its image" + (f" ({near[0]}?)" if near else "")
    what = f"{several(len(lonely), 'mask')} without an image: {listed(mask.name for mask in lonely)}"
    why = "they are not used; often a name is misspelt, and then an image trains as unlabelled"
    return [Finding("unpaired-masks", "warning", _files(lonely), what, why, f"{hint}, or delete the mask")]


def unlabelled_images(case: Case) -> list[Finding]:
    """Images without a label, which is allowed."""
    bare = [image for image in case.survey.images if image.name not in case.labelled]
    unread = case.dataset is None and (case.survey.root / "marks").is_dir()
    if not bare or len(bare) == len(case.survey.images) or unread:
        return []
    what = f"{several(len(bare), 'image')} of {len(case.survey.images)} without a label"
    why = "they count as unlabelled: nothing is learnt from them as background"
    mend = "nothing to do; if an image holds no object, write its name into marks/nothing.txt"
    return [Finding("unlabelled-images", "note", _files(bare), what, why, mend)]


def few_labels(case: Case) -> list[Finding]:
    """Too few labelled images for a test that means something."""
    pairs = case.survey.pairs
    count = len(pairs) + len(case.marked)
    if not 0 < count < FEW:
        return []
    what = f"only {several(count, 'labelled image')}"
    why = "with so few, a score on one or two test images says little about the next image"
    files = tuple(mask.file for _, mask in pairs)
    return [Finding("few-labels", "warning", files, what, why, f"label at least {FEW} images, or use cross-validation")]


def unreadable(kind: FaultKind, case: Case) -> list[Finding]:
    """Files that cannot be read, of one kind of fault."""
    names = {image.name for image in case.survey.images}
    broken: list[ImageFacts | MaskFacts] = [*case.survey.images]
    broken += [mask for mask in case.survey.masks if mask.name in names]
    broken = [facts for facts in broken if facts.fault is not None and facts.fault.kind == kind]
    if not broken or broken[0].fault is None:
        return []
    state, mend = _FAULTS[kind]
    what = f"{several(len(broken), 'file')} {'is' if len(broken) == 1 else 'are'} {state}; {broken[0].fault.text}"
    why = "training stops at such a file, or learns from half an image"
    return [Finding(kind, "error", _files(broken), what, why, f"{mend}; '{FIX}' leaves it out", fixable=True)]


def wrong_suffix(case: Case) -> list[Finding]:
    """Files whose name promises another format than the content has."""
    readable: list[ImageFacts | MaskFacts] = [*case.survey.readable_images, *case.survey.readable_masks]
    wrong = [facts for facts in readable if format_of_suffix(facts.path) != facts.format]
    if not wrong:
        return []
    what = f"{several(len(wrong), 'file')} in another format than the name says: {wrong[0].file} is {wrong[0].format}"
    why = "unetkit reads by content and is not misled, but other programs are"
    return [Finding("wrong-suffix", "note", _files(wrong), what, why, f"'{FIX}' renames it", fixable=True)]


def duplicated_stems(case: Case) -> list[Finding]:
    """Two images, or two masks, with one name (a.png and a.tif)."""
    found = []
    tables: tuple[tuple[ImageFacts | MaskFacts, ...], ...] = (case.survey.images, case.survey.masks)
    for table in tables:
        files: dict[str, list[ImageFacts | MaskFacts]] = defaultdict(list)
        for facts in table:
            files[facts.name].append(facts)
        twice = [facts for same in files.values() if len(same) > 1 for facts in same]
        if twice:
            what = f"several files share a name: {listed(facts.file for facts in twice)}"
            why = "it is not clear which of them belongs to the pair"
            mend = "delete or rename all but one of each name"
            found.append(Finding("duplicated-stems", "error", _files(twice), what, why, mend))
    return found


def case_collisions(case: Case) -> list[Finding]:
    """Names that differ only in upper and lower case."""
    names = Counter(image.name for image in case.survey.images)
    folded = Counter(name.casefold() for name in names)
    same = [image for image in case.survey.images if folded[image.name.casefold()] > 1]
    if not same:
        return []
    what = f"names that differ only in upper and lower case: {listed(image.name for image in same)}"
    why = "on Windows and macOS one of them overwrites the other when the folder is copied"
    mend = "rename one of them together with its mask"
    return [Finding("case-collisions", "warning", _files(same), what, why, mend)]


def other_files(case: Case) -> list[Finding]:
    """Files below images/ and masks/ that are not images."""
    other = case.survey.other
    if not other:
        return []
    what = f"{several(len(other), 'file')} that no reader claims: {listed(other)}"
    why = "they are left alone; if they are images or masks, they are missing from the dataset"
    return [Finding("other-files", "note", other, what, why, "convert images among them to PNG or TIFF")]


def size_mismatch(case: Case) -> list[Finding]:
    """Masks of another size than their image."""
    wrong = [(image, mask) for image, mask in case.survey.pairs if image.shape != mask.shape]
    if not wrong:
        return []
    image, mask = wrong[0]
    what = f"{several(len(wrong), 'mask')} of another size than the image: {mask.file} has {_by(mask.shape)} pixels, "
    what += f"the image {_by(image.shape)}"
    mend = "export the mask again at the image's size (nearest neighbour, never smooth)"
    if mask.shape == image.shape[::-1]:
        mend = "the mask lies on its side: turn it, or save the image with its rotation applied"
    why = "it is unknown which pixel of the mask belongs to which pixel of the image"
    return [Finding("size-mismatch", "error", tuple(mask.file for _, mask in wrong), what, why, mend)]


def _files(facts: Iterable[ImageFacts | MaskFacts]) -> tuple[str, ...]:
    return tuple(one.file for one in facts)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _rename_hint(images: Iterable[ImageFacts], masks: Iterable[MaskFacts]) -> str:
    """The edit that pairs masks whose names all carry the same addition ("a_mask" for image "a")."""
    names = {image.name for image in images}
    endings: Counter[str] = Counter()
    total = 0
    for mask in masks:
        total += 1
        cut = max((n for n in range(1, len(mask.name)) if mask.name[:n] in names), default=0)
        if cut:
            endings[mask.name[cut:]] += 1
    if not endings:
        return ""
    ending, count = endings.most_common(1)[0]
    if count < max(1, total // 2):
        return ""
    return f"{count} masks are called like their image with '{ending}' added: rename them without it"
