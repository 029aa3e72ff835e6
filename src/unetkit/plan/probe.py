"""What this machine can do: a few timed training steps."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import monotonic

import torch
import torch.nn.functional as F

from unetkit.models import build_model
from unetkit.plan.schema import DataPlan, ModelPlan

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""Processor flags (x86, Arm) that say bfloat16 is multiplied natively; without them it is many times slower."""


def native_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively, from /proc/cpuinfo (False where there is none)."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return False
    lines = (line for line in path.read_text(errors="replace").splitlines() if line.startswith(("flags", "Features")))
    return any(flag in line.split() for line in lines for flag in BFLOAT16_FLAGS)


def step_seconds(
    model: ModelPlan,
    data: DataPlan,
    *,
    patch: tuple[int, ...],
    batch: int,
    device: torch.device,
    precision: str = "float32",
    seconds: float = 1.5,
) -> float:
    """Time of one optimiser step.

    Args:
        model: the network.
        data: its inputs and outputs.
        patch: spatial size in pixels.
        batch: patches a step.
        device: where.
        precision: of the forward pass.
        seconds: spend about this long; at least two steps are made.

    Returns:
        Median seconds a step, the first one left out.
    """
    # weights drawn here must not shift those of the run that follows
    with torch.random.fork_rng():
        network = build_model(
            model.name,
            in_channels=data.channels,
            num_classes=data.num_classes,
            spatial_dims=data.spatial_dims,
            **model.options,
        ).to(device)
        images = torch.randn(batch, data.channels, *patch, device=device)
    if data.spatial_dims == 2:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    target = torch.zeros(batch, *patch, dtype=torch.long, device=device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-6)
    times: list[float] = []
    began = monotonic()
    while len(times) < 3 or monotonic() - began < seconds:
        started = monotonic()
        with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(monotonic() - started)
    return median(times[1:])
