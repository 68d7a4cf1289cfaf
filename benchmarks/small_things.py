"""What must feel immediate."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.measure import Command, in_turn, table


def speed(*, rounds: int) -> str:
    """Return the table of wall times."""
    tolva = Path(sys.executable).with_name("tolva")
    commands: dict[str, Command] = {
        "tolva --help": [tolva, "--help"],
        'tolva sql "select 1"': [tolva, "sql", "select 1"],
        "python -c pass (for comparison)": [sys.executable, "-c", "pass"],
        "python -c 'import duckdb' (for comparison)": [sys.executable, "-c", "import duckdb"],
    }
    seconds = in_turn(commands, rounds, before=lambda _: None)
    return table(
        ["command", "wall seconds (median)"],
        [[f"`{name}`", f"{statistics.median(times):.3f}"] for name, times in seconds.items()],
    )
