"""The training loop: draw a batch, augment it, predict, take the loss, step; validate and save now and then."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from time import monotonic

import numpy as np
import torch
from torch import Tensor, nn

from unetkit.augment import augment, source_size
from unetkit.dataset.patches import PatchSource
from unetkit.errors import RunError, UsageError
from unetkit.losses import Regulariser
from unetkit.models import Segmenter
from unetkit.plan import Plan, TrainingPlan
from unetkit.training.hooks import Hooks, Stopped
from unetkit.training.memory import forget_peak
from unetkit.training.parallel import World
from unetkit.training.run import RunFolder
from unetkit.training.schedule import Clock, learning_rate, progress
from unetkit.training.state import Outcome, State

SAVE_SECONDS = 30.0
"""A kill costs at most about this much work (or one validation interval, if that is longer)."""

WORTH_SAYING = 0.1
"""Smaller corrections of the number of steps, as a share of it, are recorded without a line for the user."""

Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, target, valid) -> what training makes small."""

Validate = Callable[[Segmenter], tuple[float, float]]
"""From a model to (loss, score) on the validation images; a higher score is better."""


class _Levels(nn.Module):
    """What is trained: all levels the model predicts under deep supervision, else the finest alone."""

    def __init__(self, model: Segmenter, deep: bool) -> None:
        super().__init__()
        self.model, self.deep = model, deep

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.model.forward_levels(images) if self.deep else [self.model(images)]


def fit(
    model: Segmenter,
    plan: Plan,
    source: PatchSource,
    loss: Criterion,
    validate: Validate,
    run: RunFolder,
    *,
    world: World,
    regulariser: Regulariser | None = None,
    deadline: float | None = None,
    spent: float = 0.0,
    hooks: Hooks | None = None,
) -> Outcome:
    """Train `model`, leaving the best weights and everything that resuming needs in the run folder.

    A run that was stopped, or killed at any moment, goes on from weights/last.pt and, on a CPU with the same number
    of threads, ends with the same weights bit for bit as one that was not.

    Args:
        model: maps N C *S to logits N K *S; trained in place.
        plan: everything else.
        source: where patches come from.
        loss: takes (logits, target, valid).
        validate: gives (loss, score) of a model.
        run: where files go.
        world: this process among the others.
        regulariser: takes (logits, images); added to the loss, with the plan's weight.
        deadline: `time.monotonic()` at which to be done, or None when the plan's steps alone count.
        spent: seconds of the run before this call; a resumed run brings its own.
        hooks: progress, messages, and the wish to stop.

    Returns:
        Where the best weights were found, and the history.

    Raises:
        Stopped: `hooks.stop` said so; the state is saved.
        RunError: the loss became NaN or infinite.
    """
    hooks = hooks or Hooks()
    state = _prepare(model, plan, world, run, spent)
    outcome, every = state.outcome, plan.training.validate_every
    network = world.wrap(_Levels(model, plan.training.deep_supervision))
    clock, began, earlier = Clock(deadline), monotonic(), outcome.seconds
    clock.start(outcome.step)

    with hooks.deferring(True):
        while not outcome.ended:
            stopping = False
            if not outcome.due(every):  # else it was stopped between a step and its validation
                _step(state, network, plan, source, loss, regulariser, world)
                outcome.seconds = earlier + monotonic() - began
                _replan(outcome, world.agree(clock.corrected(outcome.step, outcome.total, every)), hooks)
                stopping = bool(world.agree(hooks.stop()))
            stopping = stopping or _validate_if_due(state, plan, validate, run, clock, world, hooks)
            validated = outcome.validated == outcome.step
            if world.leads and (stopping or validated or monotonic() - state.saved > SAVE_SECONDS):
                state.save(run)
            hooks.progress(outcome)
            if stopping:
                raise Stopped(run.path)
    return outcome


def _prepare(model: Segmenter, plan: Plan, world: World, run: RunFolder, spent: float) -> State:
    """A new state, or the one the run was left in."""
    training = plan.training
    model.to(world.device)
    if training.channels_last:
        # 3D weights are rank 5; torch has a memory format of its own for them
        order = torch.channels_last if plan.data.spatial_dims == 2 else torch.channels_last_3d
        model.to(memory_format=order)  # type: ignore[call-overload]
    average = deepcopy(model).requires_grad_(False) if training.ema else model
    scaler = torch.amp.GradScaler(world.device.type, enabled=training.precision == "float16")
    state = State(model, average, _optimizer(model, plan), scaler, Outcome(total=_total(plan), seconds=spent))
    if (saved := run.load_state()) is not None:
        state.restore(saved)
    forget_peak(world.device)
    return state


def _total(plan: Plan) -> int:
    return plan.training.replans[-1][1] if plan.training.replans else plan.training.steps


def _optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Weight decay pulls on convolutions only: biases and the scales of normalisation are left alone."""
    training = plan.training
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    free = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": training.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, training.learning_rate, momentum=0.99, nesterov=True)
    return torch.optim.AdamW(groups, training.learning_rate)


def _step(
    state: State,
    network: nn.Module,
    plan: Plan,
    source: PatchSource,
    loss: Criterion,
    regulariser: Regulariser | None,
    world: World,
) -> None:
    """One optimiser step on the loss of the joint batch."""
    training, outcome, device, began = plan.training, state.outcome, world.device, monotonic()
    state.model.train()
    held = _hold_encoder(state, training, world)
    images, target, valid = training_batch(plan, source, outcome.step, world.places(training.batch), device)
    if training.channels_last and images.ndim == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(outcome.step, training, outcome.replans or training.replans)
    torch.manual_seed(hash((training.seed, outcome.step, world.rank)) % 2**63)  # dropout depends on nothing else
    with torch.autocast(device.type, getattr(torch, training.precision), enabled=training.precision != "float32"):
        levels = network(images)
    logits = [world.gather(level.float()) for level in levels]
    value = deep_loss(loss, logits, world.gather(target), world.gather(valid))
    if regulariser is not None:
        classes = logits[0][:, : plan.data.num_classes]
        value = value + training.regulariser_weight * regulariser(classes, world.gather(images))
    state.optimizer.zero_grad(set_to_none=True)
    state.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
    for parameter in held:
        parameter.grad = None
    if training.gradient_clip:
        state.scaler.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), training.gradient_clip)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    outcome.step += 1
    outcome.loss = value.item()
    outcome.recent.append(outcome.loss)
    if not math.isfinite(outcome.loss):
        raise RunError(
            f"the loss became {outcome.loss} at step {outcome.step}",
            mend=f"--set training.learning_rate={training.learning_rate / 10:g}, or look for extreme pixel values",
        )
    if state.average is not state.model:
        _follow(state.average, state.model, min(training.ema, outcome.step / (outcome.step + 10)))
    outcome.stepping += monotonic() - began


def _hold_encoder(state: State, training: TrainingPlan, world: World) -> list[nn.Parameter]:
    """Hold a pretrained encoder still in the first share of the run, `training.freeze`, and let it go after.

    Its BatchNorm statistics are held too. One process computes no gradients for it, and so is faster.

    Returns:
        The parameters that are held, whose gradients shall not count.
    """
    part, outcome = state.model.encoder.pretrained_part, state.outcome
    if part is None or not training.freeze:
        return []
    still = progress(outcome.step, training.steps, outcome.replans or training.replans) < training.freeze
    part.train(not still)
    # DDP waits for every gradient it knew of at first: there they are computed, and dropped
    part.requires_grad_(not still or world.size > 1)
    return list(part.parameters()) if still else []


def training_batch(
    plan: Plan, source: PatchSource, step: int, places: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The augmented patches of one step: images N C *S, labels N *S, valid N *S.

    Args:
        plan: patch size and augmentation.
        source: the images.
        step: number of the step.
        places: which places of the joint batch.
        device: where to augment.
    """
    generators = source.generators(step, places)
    patch = plan.training.patch
    margin = margin_for(plan)
    cut = source.draw(generators, patch, margin)
    images, target, valid = (part.to(device, non_blocking=True) for part in cut)
    draws = [torch.Generator().manual_seed(int(g.integers(2**62))) for g in generators]
    return augment(images, target, valid, plan.augmentation, draws, out_size=patch)


def margin_for(plan: Plan) -> int:
    """Pixels cut around a patch, so that turned and shrunk patches find image and not emptiness at their corners."""
    patch = plan.training.patch
    if not plan.augmentation.warps(len(patch)):
        return 0
    source = source_size(plan.augmentation, patch)
    return max((wide - narrow) // 2 for wide, narrow in zip(source, patch, strict=True))


def deep_loss(loss: Criterion, levels: Sequence[Tensor], target: Tensor, valid: Tensor) -> Tensor:
    """The loss over all levels; one with stride 2^i weighs 1/2^i of one at full resolution (weights sum to 1)."""
    strides = [level_stride(logits.shape[2:], target.shape[1:]) for logits in levels]
    total = torch.zeros((), device=target.device)
    for stride, logits in zip(strides, levels, strict=True):
        coarse = (slice(None), *[slice(None, None, stride)] * (target.ndim - 1))
        share = 1 / stride / sum(1 / s for s in strides)
        total = total + share * loss(logits, target[coarse], valid[coarse])
    return total


def level_stride(sizes: Sequence[int], full: Sequence[int]) -> int:
    """The power of two that leads from full sizes to those of a level, which are rounded up.

    Raises:
        UsageError: none does.

    Example:
        >>> level_stride((17, 9), (33, 17))
        2
    """
    strides = (1 << i for i in range(32) if all(-(-f // (1 << i)) == s for s, f in zip(sizes, full, strict=True)))
    if (stride := next(strides, None)) is None:
        level, whole = (" × ".join(map(str, size)) for size in (sizes, full))
        raise UsageError(
            "a level of the network fits the labels with no stride",
            found=f"a level of {level} px for labels of {whole} px",
            expected="the labels' size over 1, 2, 4, …, rounded up, the same along every axis",
        )
    return stride


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights, and the averaged BatchNorm statistics, towards the model's."""
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _replan(outcome: Outcome, total: int, hooks: Hooks) -> None:
    if total == outcome.total:
        return
    outcome.replans.append((outcome.step, total))
    outcome.events.append({"event": "replan", "step": outcome.step, "from": outcome.total, "to": total})
    if abs(total - outcome.total) > WORTH_SAYING * outcome.total:
        hooks.say(f"step {outcome.step}: the pace changed, {outcome.total} → {total} steps fit the time")
    outcome.total = total


def _validate_if_due(
    state: State, plan: Plan, validate: Validate, run: RunFolder, clock: Clock, world: World, hooks: Hooks
) -> bool:
    """Validate the step at hand where that is due. True where Ctrl+C left it undone."""
    if not state.outcome.due(plan.training.validate_every):
        return False
    started = monotonic()
    undone = _validate(state, validate, plan.training.patience, run, world, hooks)
    clock.validated(monotonic() - started)
    return undone


def _validate(state: State, validate: Validate, patience: int, run: RunFolder, world: World, hooks: Hooks) -> bool:
    """Validate the step at hand, and end the run where `patience` is over. True where Ctrl+C left that undone."""
    outcome, interrupted = state.outcome, False
    if world.leads:
        try:
            with hooks.deferring(False):
                val_loss, score = validate(state.average)
        except KeyboardInterrupt:
            interrupted = True
    if world.agree(interrupted):
        return True
    if world.leads:
        _record(state, val_loss, score, run)
    outcome.recent.clear()
    outcome.validated = outcome.step
    waited = sum(row["step"] > outcome.best_step for row in outcome.history)
    outcome.early = bool(patience and not outcome.ended and world.agree(waited >= patience))
    if outcome.early:
        hooks.say(f"stopped early at step {outcome.step}: no better score in {patience} validations")
    return False


def _record(state: State, val_loss: float, score: float, run: RunFolder) -> None:
    outcome = state.outcome
    outcome.history.append(
        {
            "step": outcome.step,
            "seconds": outcome.seconds,
            "learning_rate": state.optimizer.param_groups[0]["lr"],
            "train_loss": float(np.mean(outcome.recent)),
            "val_loss": val_loss,
            "val_score": score,
        }
    )
    # where nothing is there to be scored, the loss decides; any score is better than none
    rank = score if math.isfinite(score) else -1 - val_loss
    if rank > outcome.best_score or outcome.best_step == 0:
        outcome.best_score, outcome.best_step = rank, outcome.step
        run.save_weights(dict(state.average.state_dict()), step=outcome.step, score=score)
