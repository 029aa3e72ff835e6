"""Rasters larger than memory: peak memory at two sizes, and what a kill half-way costs.

    python benchmarks/raster.py [--sides 10000 20000] [--width 4] [--depth 2]

A slim network is trained for a few steps on generated images; then GeoTIFFs of those sides (one band, tiled, deflated,
textured everywhere) are predicted with `unetkit predict`; the first of them also killed (SIGKILL) half-way and started
again. Peak memory is that of the process, as the system counts it.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import torch

from unetkit.demo.cells import write_cells
from unetkit.formats import Streamed, read_mask, write_mask, write_streamed
from unetkit.image import Array, Geometry
from unetkit.pipeline import Options, train

OUT = Path(__file__).parent / "results" / "raster.md"
UNETKIT = str(Path(sys.executable).with_name("unetkit"))
UTM = {
    "ModelPixelScale": (0.5, 0.5, 0.0),
    "ModelTiepoint": (0.0, 0.0, 0.0, 500000.0, 4000000.0, 0.0),
    "GeoKeyDirectory": (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633),
}


def write_raster(path: Path, side: int) -> None:
    """Texture that differs from place to place and needs no memory."""
    noise = np.random.default_rng(0).integers(0, 60, (512, 512)).astype(np.uint8)

    def read(channel: int, window: tuple[slice, ...]) -> Array:
        rows, columns = (np.arange(part.start, part.stop) for part in window)
        waves = np.sin(rows / 37.0)[:, None] * np.cos(columns / 53.0)[None] + np.sin((rows[:, None] + columns) / 911.0)
        return (90 + 40 * waves).astype(np.uint8) + noise[rows[:, None] * 7 % 512, columns[None] * 3 % 512]

    geometry = Geometry((0.5, 0.5), "m", {"geotiff": UTM})
    write_streamed(path, Streamed((1, side, side), np.dtype(np.uint8), read, geometry, mask=False))


def peak_and_seconds(command: list[str]) -> tuple[float, float]:
    """Peak memory in GB and seconds of a command that has to succeed."""
    started, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        with suppress(OSError):  # it may end meanwhile
            # not wait4's ru_maxrss: that counts what this process held when it forked
            found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            peak = max(peak, int(found[0].split()[1]) if found else 0)
        time.sleep(0.1)
    assert process.returncode == 0, command
    return peak / 1e6, time.perf_counter() - started


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[10000, 20000])
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    lines = ["| side | file | seconds | Mpx/s | peak memory | killed half-way, and again |", "| ---: " * 6 + "|"]
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        work = Path(folder)
        write_cells(work / "data")
        for mask in (work / "data" / "masks").iterdir():  # classes: numbered objects take memory for each object
            write_mask(mask, (read_mask(mask).values > 0).astype(np.uint8) * 255)
        (work / "data" / "classes.yaml").unlink()
        settings = (f"model.width={arguments.width}", f"model.depth={arguments.depth}")
        run = train(work / "data", Options(steps=30, model="unet", settings=settings), out=work / "run").path
        for side in arguments.sides:
            path, out = work / f"r{side}.tif", work / f"out{side}"
            write_raster(path, side)
            # one runtime, for two differ by rounding and the files are compared
            command = [UNETKIT, "predict", str(run), str(path), "--tile", "1024", "--runtime", "openvino", "--out"]
            peak, seconds = peak_and_seconds([*command, str(out)])
            size = path.stat().st_size / 1e6
            journal = work / "killed" / f".{path.stem}.journal"
            line = f"| {side} | {size:.0f} MB | {seconds:.0f} | {side**2 / seconds / 1e6:.2f} | {peak:.2f} GB | "
            if side == arguments.sides[0]:
                line += interrupted([*command, str(work / "killed")], journal, out / path.name, seconds)
            lines.append(line if line.endswith("|") else f"{line}|")
            print(lines[-1], flush=True)
            machine = f"{platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}; {date.today()}"
            made = f"Depth {arguments.depth}, width {arguments.width}, tiles of 1024, OpenVINO; {machine}."
            OUT.write_text("\n".join([*lines, "", made]) + "\n")


def interrupted(command: list[str], journal: Path, expected: Path, seconds: float) -> str:
    """What a kill half-way costs, and whether the result is the same file."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds / 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    records = journal.read_bytes().count(b'{"window"')
    _, rest = peak_and_seconds(command)
    result = journal.with_name(expected.name)
    same = "the same file" if result.read_bytes() == expected.read_bytes() else "another file"
    result.unlink()
    return f"{seconds / 2:.0f} s ({records} tiles kept) + {rest:.0f} s, {same} |"


if __name__ == "__main__":
    main()
