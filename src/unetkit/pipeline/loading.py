"""The trained model of a run, ready to predict."""

from __future__ import annotations

from os import PathLike
from typing import Any

from unetkit.errors import RunError
from unetkit.plan import Plan, build_network, read_plan
from unetkit.prediction import Predictor
from unetkit.separation import Decoding
from unetkit.training import RunFolder
from unetkit.training.parallel import choose_device


def load_predictor(
    run: str | PathLike[str],
    *,
    device: str = "auto",
    augment: bool | None = None,
    tile: int | None = None,
    prune: int | None = None,
    runtime: str = "auto",
    precision: str = "float32",
) -> Predictor:
    """The trained model of a run, ready for images; of a cross-validation, all its models together.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        device: "auto", "cpu", "cuda" or "cuda:1".
        augment: average flipped views; None takes the plan's choice.
        tile: side of the tiles in pixels, `unetkit.prediction.WHOLE` for one pass; None takes the plan's choice.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.
        runtime: "torch", "onnxruntime" or "openvino"; "auto" leaves it to `predict`, and is torch until then.
        precision: "float32"; on a GPU "bfloat16" or "float16"; "int8" of a run that `quantize` has seen.

    Raises:
        RunError: no such run, not finished, or damaged; or folds that were trained for different data.
        UsageError: a network that cannot be pruned, or has no such level; a runtime without that precision.
        FileError: int8, and the run was not quantised.
        MissingExtra: a package that the runtime needs is not installed.

    Example:
        >>> load_predictor("runs/cells").labels(read_image("new.png"))  # doctest: +SKIP
    """
    runs = [folder.require() for folder in member_runs(RunFolder(run))]
    plans = [read_plan(folder.plan) for folder in runs]
    models = []
    for folder, plan in zip(runs, plans, strict=True):
        if _form(plan) != _form(plans[0]):
            raise RunError(
                "the folds cannot predict together: the data were changed between them",
                file=folder.plan,
                found=_form(plan),
                expected=_form(plans[0]),
                mend="train them anew, under another --out",
            )
        model = build_network(plan, pretrained=False)
        weights, _ = folder.load_weights()
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise RunError("weights do not fit the plan", file=folder.best, found=str(error).splitlines()[0]) from error
        models.append(model)
    return Predictor(
        models,
        plans,
        device=choose_device(device),
        augment=augment,
        tile=tile,
        prune=prune,
        runtime=runtime,
        precision=precision,
        stores=[folder.path / "runtimes" for folder in runs],
        decoding=read_decoding(runs[0], plans[0]),
    )


def _form(plan: Plan) -> str:
    """What networks must share to predict together."""
    data = plan.data
    apart = f", separated by {plan.objects.separate}" if plan.separates else ""
    return f"{data.channels} channels, {data.spatial_dims} dimensions, {data.num_classes} classes{apart}"


def member_runs(run: RunFolder) -> list[RunFolder]:
    """The run itself, or the folds of a cross-validation."""
    folds = run.read_json("folds.json")
    return [RunFolder(run.path / name) for name in folds["folds"]] if folds else [run]


def trained_type(run: RunFolder) -> str | None:
    """NumPy's name of the type that most training images are stored as; None where the run does not tell."""
    name: str | None = ((run.read_json("data.json") or {}).get("fingerprint") or {}).get("dtype")
    return name


def read_decoding(run: RunFolder, plan: Plan) -> Decoding:
    """What `tune` chose for a run, or what its way of separating begins with.

    Raises:
        RunError: objects.json is damaged.
    """
    found: Any = run.read_json("objects.json")
    if found is None:
        return Decoding(plan.separator.seed)
    try:
        seed, smoothing, least = float(found["seed"]), float(found["smoothing"]), int(found["least"])
        return Decoding(seed, smoothing, least, bool(found.get("deep", False)))
    except (TypeError, KeyError, ValueError) as error:
        raise RunError(
            "does not say how objects are told apart", file=run.path / "objects.json", found=found, mend="delete it"
        ) from error
