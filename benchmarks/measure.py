"""Timing whole commands in turn, and the memory of a whole process tree."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

Command = Sequence[str | Path]

_SAMPLE_SECONDS = 0.02


def machine() -> str:
    """Return one line about this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    memory = psutil.virtual_memory().total / 2**30
    return f"{len(os.sched_getaffinity(0))} cores of {cpu}, {memory:.0f} GB, Python {platform.python_version()}"


@contextmanager
def awake() -> Iterator[None]:
    """Keep the processors from halting inside the block, with loops that give way to all other work at once.

    A virtual processor that halts has to wait for its host when it is woken. Where the host is busy that takes longer
    than the work it was woken for, and how long says nothing about the program that is measured.
    """
    processors = os.sched_getaffinity(0)
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in processors]
    try:
        for loop, processor in zip(loops, processors, strict=True):
            os.sched_setaffinity(loop.pid, {processor})
            os.sched_setscheduler(loop.pid, os.SCHED_IDLE, os.sched_param(0))
            with suppress(OSError):  # where each session has its share, however idle; kernels may do without
                Path(f"/proc/{loop.pid}/autogroup").write_text("19")
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def in_turn(commands: Mapping[str, Command], rounds: int, before: Callable[[str], None]) -> dict[str, list[float]]:
    """Run the commands A B C A B C ..., after one round that isn't counted; return each one's wall seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            before(name)
            began = time.perf_counter()
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
            if turn:
                seconds[name].append(time.perf_counter() - began)
            print(f"  round {turn}: {name} {time.perf_counter() - began:.2f} s", file=sys.stderr)
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], ours: str) -> dict[str, float]:
    """Return our median wall time over each other's."""
    middle = statistics.median(seconds[ours])
    return {name: middle / statistics.median(times) for name, times in seconds.items() if name != ours}


def peak_bytes(command: Command) -> int:
    """Run the command; return the peak of the memory of all its processes together.

    Pages that processes share are counted once (PSS), and pages of mapped input files count while they are mapped.
    """
    process = psutil.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    peak = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(_SAMPLE_SECONDS):
            peak = max(peak, tree_bytes(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    ended.set()
    watcher.join()
    if code:
        raise subprocess.CalledProcessError(code, [str(word) for word in command])
    return peak


def tree_bytes(root: psutil.Process) -> int:
    """Return the memory (PSS) of a process and all below it, as far as they are still there."""
    total = 0
    try:
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines)
