"""The training loop: draw a batch, augment it, predict, take the loss, step; validate and save now and then."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from time import monotonic

import numpy as np
import torch
from torch import nn

from unetkit.dataset.patches import PatchSource
from unetkit.dataset.unlabelled import UnlabelledSource
from unetkit.errors import RunError
from unetkit.methods import METHODS, Labelled
from unetkit.models import Segmenter
from unetkit.plan import Plan
from unetkit.training.batch import training_batch, unlabelled_batch
from unetkit.training.guard import challenge
from unetkit.training.hooks import Hooks, Stopped
from unetkit.training.memory import forget_peak
from unetkit.training.networks import Criterion, TrainedNetworks
from unetkit.training.parallel import World
from unetkit.training.run import RunFolder
from unetkit.training.schedule import Clock, Course, learning_rate
from unetkit.training.state import Look, Outcome, State

SAVE_SECONDS = 30.0
"""A kill costs at most about this much work (or one validation interval, if that is longer)."""

WORTH_SAYING = 0.1
"""Smaller corrections of the number of steps, as a share of it, are recorded without a line for the user."""

Validate = Callable[[Segmenter], Look]
"""From a model to loss and scores on the validation images."""


def fit(
    model: Segmenter,
    plan: Plan,
    source: PatchSource,
    loss: Criterion,
    validate: Validate,
    run: RunFolder,
    *,
    world: World,
    unlabelled: UnlabelledSource | None = None,
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
        validate: looks at the validation images with a model.
        run: where files go.
        world: this process among the others.
        unlabelled: where patches without labels come from, for the methods that learn from such.
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
    networks = TrainedNetworks(model, state.average, plan, loss, world)
    clock, began, earlier = Clock(deadline), monotonic(), outcome.seconds
    clock.start(outcome.step)

    with hooks.deferring(True):
        while not outcome.ended:
            stopping = False
            if not state.due:  # else it was stopped between a step and its validation
                if state.course.branch != outcome.branch:
                    _enter_branch(state, clock, hooks)
                _step(state, networks, source, unlabelled)
                outcome.seconds = earlier + monotonic() - began
                _replan(outcome, world.agree(clock.corrected(outcome.step, outcome.total, every)), hooks)
                stopping = bool(world.agree(hooks.stop()))
            stopping = stopping or _validate_if_due(state, validate, run, clock, world, hooks)
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
    state = State(plan, model, average, _optimizer(model, plan), scaler, Outcome(total=_total(plan), seconds=spent))
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


def _enter_branch(state: State, clock: Clock, hooks: Hooks) -> None:
    """Take the branch that the next step belongs to; its steps have a pace of their own."""
    branch, training, step = state.course.branch, state.plan.training, state.outcome.step
    state.enter(branch)
    clock.start(step)
    if branch == "supervised":
        hooks.say(f"step {step}: the ways part; first labelled images alone, to their end")
    else:
        hooks.say(f"step {step}: {training.method}{', from where the ways parted' if training.guard else ''}")


def _step(state: State, networks: TrainedNetworks, source: PatchSource, unlabelled: UnlabelledSource | None) -> None:
    """One optimiser step on what the method of training makes of the joint batch."""
    plan, training, outcome = state.plan, state.plan.training, state.outcome
    world, began, now = networks.world, monotonic(), state.course
    state.model.train()
    held = _hold_encoder(state, now, world)
    method, extra, options = METHODS["supervised"], None, {}
    if now.branch == "method":
        method, options = METHODS[training.method], training.method_options
    change = unlabelled.match if unlabelled is not None and method.matches else None
    places = world.places(training.batch)
    labelled = Labelled(*training_batch(plan, source, outcome.step, places, world.device, change))
    if unlabelled is not None and method.views:
        extra = unlabelled_batch(plan, unlabelled, outcome.step, world, method.views)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(outcome.step, training, outcome.replans)
    torch.manual_seed(hash((training.seed, outcome.step, world.rank)) % 2**63)  # dropout depends on nothing else
    value = method.loss(networks, labelled, extra, now.share, **options)
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


def _hold_encoder(state: State, now: Course, world: World) -> list[nn.Parameter]:
    """Hold a pretrained encoder still in the first share of the run, `training.freeze`, and let it go after.

    Its BatchNorm statistics are held too. One process computes no gradients for it, and so is faster.

    Returns:
        The parameters that are held, whose gradients shall not count.
    """
    part, freeze = state.model.encoder.pretrained_part, state.plan.training.freeze
    if part is None or not freeze:
        return []
    still = now.annealed < freeze
    part.train(not still)
    # DDP waits for every gradient it knew of at first: there they are computed, and dropped
    part.requires_grad_(not still or world.size > 1)
    return list(part.parameters()) if still else []


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
    state: State, validate: Validate, run: RunFolder, clock: Clock, world: World, hooks: Hooks
) -> bool:
    """Validate the step at hand where that is due. True where Ctrl+C left it undone."""
    if not state.due:
        return False
    started = monotonic()
    undone = _validate(state, validate, run, world, hooks)
    clock.validated(monotonic() - started)
    return undone


def _validate(state: State, validate: Validate, run: RunFolder, world: World, hooks: Hooks) -> bool:
    """Validate the step at hand, and end the run where `patience` is over. True where Ctrl+C left that undone."""
    outcome, patience, interrupted = state.outcome, state.plan.training.patience, False
    if world.leads:
        try:
            with hooks.deferring(False):
                look = validate(state.average)
        except KeyboardInterrupt:
            interrupted = True
    if world.agree(interrupted):
        return True
    if world.leads:
        _record(state, look, run)
    outcome.recent.clear()
    outcome.validated = outcome.step
    waited = sum(row["step"] > outcome.best_step for row in outcome.history)
    outcome.early = bool(patience and not outcome.ended and world.agree(waited >= patience))
    if outcome.early:
        hooks.say(f"stopped early at step {outcome.step}: no better score in {patience} validations")
    return False


def _record(state: State, look: Look, run: RunFolder) -> None:
    """Note what was seen, and keep the weights where they are the best; against a guard's, where they beat those."""
    outcome, training = state.outcome, state.plan.training
    outcome.history.append(
        {
            "step": outcome.step,
            "seconds": outcome.seconds,
            "learning_rate": state.optimizer.param_groups[0]["lr"],
            "train_loss": float(np.mean(outcome.recent)),
            "val_loss": look.loss,
            "val_score": look.score,
        }
    )
    if training.guard and outcome.branch == "method":
        better = challenge(outcome, look)
    elif better := look.rank > outcome.best_score or outcome.best_step == 0:
        outcome.scores = list(look.scores)
    if better:
        outcome.best_score, outcome.best_step = look.rank, outcome.step
        run.save_weights(dict(state.average.state_dict()), step=outcome.step, score=look.score)
