"""What this process may use of its machine: processors and memory, as the container's limits have it.

A container sees the whole machine's processors and memory; its limits are in the control groups, of which there are
two versions, and which nest: the tightest of the process's own group and those above it counts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processors and bytes of memory that may be used."""

    processors: int
    memory_bytes: int


def machine(root: Path = _ROOT, *, affinity: int | None = None) -> Machine:
    """Return what may be used.

    Args:
        root: where ``proc`` and ``sys`` are.
        affinity: how many processors the process may run on; by default asked of the system.
    """
    processors = len(os.sched_getaffinity(0)) if affinity is None else affinity
    memory = _total_memory(root)
    for group in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            memory = min(memory, _number(group / name) or memory)
    for group in _groups(root, "cpu"):
        processors = min(processors, _quota(group) or processors)
    return Machine(processors, memory)


def out_of_memory_kills(root: Path = _ROOT) -> int:
    """Return how often the kernel has killed a process of this container for want of memory."""
    counts = [0]
    for group in _groups(root, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            counts += [int(line.split()[1]) for line in _lines(group / name) if line.startswith("oom_kill ")]
    return max(counts)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the process's control groups that limit this, from its own up to the topmost."""
    mounts = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            tops = [mounts, mounts / "unified"]
        elif controller in controllers.split(","):
            tops = [mounts / controllers, mounts / controller]
        else:
            continue
        for top in tops:
            # Inside a container the path may be the host's, which isn't there.
            group = top / path.strip("/")
            while group != top:
                yield group
                group = group.parent
            yield top


def _quota(group: Path) -> int | None:
    """Return how many processors' time a group may use, rounded up; None for any."""
    words = " ".join(_lines(group / "cpu.max")).split()
    if words and words[0] != "max":
        return math.ceil(int(words[0]) / int(words[1]))
    quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return math.ceil(quota / period) if quota and period and quota > 0 else None


def _number(file: Path) -> int | None:
    text = "".join(_lines(file)).strip()
    return None if text in ("", "max") else int(text)


def _total_memory(root: Path) -> int:
    lines = _lines(root / "proc/meminfo")
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    return found[0] if found else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def resident_bytes(pid: int) -> int:
    """Return the memory that the process holds now, without what it only shares; 0 once it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")
