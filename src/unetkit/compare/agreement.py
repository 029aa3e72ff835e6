"""What all cells of a comparison share, kept in its folder: whoever goes on with it must mean the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unetkit.compare.variants import Variant
from unetkit.dataset import Split
from unetkit.errors import UsageError
from unetkit.files import is_temporary, read_json, stamp, write_json
from unetkit.formats import files_below, is_image_path
from unetkit.pipeline import Options, Prepared, prepare
from unetkit.pipeline.preparation import limited, plan_for, require_outlines
from unetkit.plan.make import require_one_length
from unetkit.training.parallel import choose_device

DESCRIPTION = "comparison.json"

STATED = ("splits.json", "groups.csv", "groups.json", "classes.yaml")
"""Files of a dataset besides its images and masks."""


def agree(path: Path, data: Path, variants: Sequence[Variant], options: Options) -> Prepared:
    """Open and check the data, know of every variant that it can be trained, and begin the folder.

    Args:
        path: the comparison's folder, new or begun.
        data: the dataset's folder.
        variants: those to be trained.
        options: what all have in common.

    Returns:
        The data, what the check found, and the split of all cells.

    Raises:
        UnetkitError: as `prepare`.
        UsageError: the folder holds something else or a comparison of something else, or a variant does not fit.
    """
    _require_comparable(variants, options)
    of = describe(data, options)
    started = begun(path, of)
    quick = replace(options, time=None, steps=1, split=started or options.split)
    prepared = prepare(data, replace(quick, settings=()))
    for variant in variants:  # nothing trains before all are known to fit
        unlabelled = limited(prepared.split, replace(quick, labels=variant.labels)).unlabelled
        facts = prepared.fingerprint.model_copy(update={"unlabelled": len(unlabelled)})
        try:
            way = replace(quick, model=variant.model, settings=(*options.settings, *variant.settings))
            require_outlines(prepared.dataset, prepared.split, plan_for(prepared.dataset, facts, way))
        except UsageError as error:
            raise _as_typed(error, options.settings, variant.settings) from None
    _require_each_once(variants, len(prepared.split.train))
    if started is None:
        write_json(path / DESCRIPTION, {"of": of, "split": prepared.split.model_dump(mode="json")})
    return prepared


def _require_comparable(variants: Sequence[Variant], options: Options) -> None:
    """Refuse what cannot be the same for all variants, or would make all trainings of a variant the same one."""
    if options.plan is not None:
        raise UsageError("a comparison makes a plan for each variant", mend="leave --plan out")
    if options.labels is not None:
        mend = f"compare(…, labels=[{options.labels}, None])"
        raise UsageError("a comparison has its own numbers of annotated images", mend=mend)
    require_one_length(options.budget, options.steps, ())
    for setting in chain(options.settings, *(variant.settings for variant in variants)):
        if setting.partition("=")[0].strip() == "training.seed":
            raise UsageError(
                "training.seed cannot be set in a comparison: each variant is trained with several seeds, to tell luck "
                "from gain",
                found=setting,
                mend="--seeds 3 for how many, --seed 5 for the first of them",
            )


def describe(data: Path, options: Options) -> dict[str, Any]:
    """What must be the same each time a comparison, or a simulation, is gone on with."""
    return {
        "data": str(data.resolve()),
        "files": _digest(data),
        "time": options.budget,
        "steps": options.steps,
        "settings": list(options.settings),
        "device": choose_device(options.device).type,
        "allow_leakage": options.allow_leakage,
    }


def _digest(data: Path) -> str:
    """Of the names and sizes of the files that make the dataset."""
    files = [file for name in ("images", "masks") for file in files_below(data / name) if is_image_path(file)]
    files += [file for name in STATED if (file := data / name).is_file()]
    lines = sorted(f"{file.relative_to(data).as_posix()} {stamp(file)[1]}" for file in files)
    return blake2b(os.fsencode("\n".join(lines)), digest_size=16).hexdigest()


def begun(path: Path, of: Mapping[str, Any], *, what: str = "comparison") -> Split | None:
    """The split of the comparison in a folder; None where it is to be begun.

    Args:
        path: the folder.
        of: what it has to be of.
        what: a comparison, or a simulation; its description is called so.

    Raises:
        UsageError: the folder holds something else, or the comparison is of something else.
    """
    file = path / f"{what}.json"
    if not file.is_file():
        if path.exists() and not (path.is_dir() and all(map(is_temporary, path.iterdir()))):
            raise UsageError(f"the folder holds something else than a {what}", found=path, mend="name another --out")
        return None
    said = read_json(file)
    try:
        before, split = {key: said["of"][key] for key in of}, Split.model_validate(said["split"])
    except (KeyError, TypeError, ValidationError):
        mend = "name another --out"
        raise UsageError(f"is no {what}, or was begun by another version", file=file, mend=mend) from None
    for key, value in of.items():
        if before[key] == value:
            continue
        if key == "files":
            raise UsageError(
                f"files of the data were added, removed or changed since the {what} in this folder was begun",
                file=path,
                mend="name another --out, so that all variants see the same data",
            )
        raise UsageError(
            f"the {what} in this folder has another {key.replace('_', ' ')}",
            file=path,
            found=_said(key, value),
            expected=_said(key, before[key]),
            mend="say the same again to go on with it, or name another --out",
        )
    return split


def _said(key: str, value: Any) -> str:
    """A value as the user would say it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == []:
        return f"no {key}"
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:g} s" if key == "time" else str(value)


def _as_typed(error: UsageError, common: Sequence[str], varied: Sequence[str]) -> UsageError:
    """The error, naming the option that its setting was typed with."""
    option = " or ".join(name for name, settings in (("--set", common), ("--vary", varied)) if settings) or "--set"
    expected = error.expected.replace("--set", option) if isinstance(error.expected, str) else error.expected
    mend = error.mend and error.mend.replace("--set", option)
    what = error.what.replace("--set", option)
    return type(error)(what, file=error.file, found=error.found, expected=expected, mend=mend)


def _require_each_once(variants: Sequence[Variant], count: int) -> None:
    """Refuse all annotated images under two names."""
    if {None, count} <= {variant.labels for variant in variants}:
        raise UsageError("--labels names all images twice", found=f"{count} and all", expected="one of the two")
