"""How much memory there is to be had."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from unetkit.errors import InputError


def free_memory() -> int:
    """Bytes that can be had, as far as the system tells; 2 GB where it does not."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines.get("MemAvailable", "2000000 kB").split()[0]) * 1024
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2 * 10**9


def require_memory(needed: int, what: str, *, amount: str, mend: str, file: str | PathLike[str] | None = None) -> None:
    """Refuse to begin what would end in want of memory.

    Args:
        needed: bytes.
        what: what is too large, for the error.
        amount: of what, such as "3,000 objects".
        mend: what to do about it.
        file: where.

    Raises:
        InputError: fewer bytes are free.
    """
    free = free_memory()
    if needed > free:
        found = f"{amount}, which take about {needed / 1e9:.1f} GB where {free / 1e9:.1f} GB are free"
        raise InputError(what, file=file, found=found, mend=mend)
