"""How much slower training gets when another program keeps one core busy, under three ways for threads to wait.

    python benchmarks/busy_core.py [--repeats 5]

Waiting threads may spin (OMP_WAIT_POLICY=ACTIVE), sleep at once (PASSIVE), or spin shortly and then sleep, which is
what unetkit asks for. Each is timed alone and beside a busy process, interleaved; a repeat is the median of eight
training steps of a U-Net of width 8 and depth 3 on two patches of 256 × 256. The table gives medians over repeats.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from statistics import median

OUT = Path(__file__).parent / "results" / "busy_core.md"
POLICIES = {
    "spin (ACTIVE)": {"OMP_WAIT_POLICY": "ACTIVE"},
    "sleep (PASSIVE)": {"OMP_WAIT_POLICY": "PASSIVE"},
    "unetkit": {},
}
STEPS = """
import statistics, time
import unetkit, torch
from unetkit.models import build_model
torch.manual_seed(0)
model = build_model("unet", in_channels=1, num_classes=2, width=8).to(memory_format=torch.channels_last)
images = torch.randn(2, 1, 256, 256).contiguous(memory_format=torch.channels_last)
target = torch.zeros(2, 256, 256, dtype=torch.long)
optimizer, times = torch.optim.AdamW(model.parameters()), []
for _ in range(10):
    started = time.perf_counter()
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(images), target).backward()
    optimizer.step()
    times.append(time.perf_counter() - started)
print(statistics.median(times[2:]), torch.__version__)
"""


def seconds(policy: dict[str, str], *, busy: bool) -> tuple[float, str]:
    """Median seconds a step, and torch's version."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        command = [sys.executable, "-c", STEPS]
        done = subprocess.run(command, env={**clean, **policy}, capture_output=True, text=True, check=True)
    finally:
        if other is not None:
            other.kill()
            other.wait()
    value, version = done.stdout.split()
    return float(value), version


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    times: dict[tuple[str, bool], list[float]] = {}
    version = ""
    for _ in range(repeats):
        for name, policy in POLICIES.items():
            for busy in (False, True):
                value, version = seconds(policy, busy=busy)
                times.setdefault((name, busy), []).append(value)
    lines = [
        "| threads that wait | ms a step, alone | beside a busy process | slower by |",
        "| --- | --- | --- | --- |",
    ]
    for name in POLICIES:
        alone, beside = (median(times[name, busy]) for busy in (False, True))
        lines.append(f"| {name} | {alone * 1000:.0f} | {beside * 1000:.0f} | {beside / alone:.2f} |")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {version}, Python {platform.python_version()}"
    lines += ["", f"Medians of {repeats} interleaved repeats; {machine}, {date.today()}."]
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main()
