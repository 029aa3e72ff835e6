"""How much memory there is to be had."""

from __future__ import annotations

import os
from pathlib import Path


def free_memory() -> int:
    """Bytes that can be had, as far as the system tells; 2 GB where it does not."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines.get("MemAvailable", "2000000 kB").split()[0]) * 1024
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2 * 10**9
