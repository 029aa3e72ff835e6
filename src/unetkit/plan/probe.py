"""What this machine can do: a few timed training steps."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import monotonic

import torch
import torch.nn.functional as F

from unetkit.plan.network import build_network
from unetkit.plan.schema import Plan

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""Processor flags (x86, Arm) that say bfloat16 is multiplied natively; without them it is many times slower."""


def native_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively, from /proc/cpuinfo (False where there is none)."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return False
    lines = (line for line in path.read_text(errors="replace").splitlines() if line.startswith(("flags", "Features")))
    return any(flag in line.split() for line in lines for flag in BFLOAT16_FLAGS)


def step_seconds(plan: Plan, device: torch.device, *, seconds: float = 1.5) -> float:
    """Time of one optimiser step.

    Args:
        plan: network, patch, batch and precision.
        device: where.
        seconds: spend about this long; at least three steps are made.

    Returns:
        Median seconds a step, the first one left out.
    """
    training, dims = plan.training, plan.data.spatial_dims
    # weights drawn here must not shift those of the run that follows
    with torch.random.fork_rng():
        network = build_network(plan, pretrained=False).to(device)
        images = torch.randn(training.batch, plan.data.channels, *training.patch, device=device)
    if training.channels_last and dims == 2:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    target = torch.zeros(training.batch, *training.patch, dtype=torch.long, device=device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-6)
    times: list[float] = []
    began = monotonic()
    while len(times) < 3 or monotonic() - began < seconds:
        started = monotonic()
        with torch.autocast(device.type, getattr(torch, training.precision), enabled=training.precision != "float32"):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(monotonic() - started)
    return median(times[1:])
