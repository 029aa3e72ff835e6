"""How much memory a training takes: the most this process has held since training began.

On a GPU it is what torch has given to tensors there. On a CPU it is resident memory, libraries and data included: the
high-water mark VmHWM that Linux keeps (proc_pid_status(5)), set back before training (proc_pid_clear_refs(5)) so that
what was held earlier does not count. Elsewhere it is the most since the process began.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch

PROCESS = Path("/proc/self")


def forget_peak(device: torch.device) -> None:
    """Count from now on, where the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            (PROCESS / "clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Most bytes held; 0 where the system does not tell.

    Example:
        >>> peak_memory(torch.device("cpu")) > 0
        True
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return _most_resident()


def _most_resident() -> int:
    """Of this process since it began, as `getrusage` tells; Linux counts its parent's at the start too."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024)
