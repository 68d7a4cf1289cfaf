"""How long a test waits for what is promised within a time."""

from __future__ import annotations

import os


def within(seconds: float) -> float:
    """Return how long ``seconds`` may take now: as many times longer as there are more processes at work than cores."""
    load, _, _ = os.getloadavg()
    return seconds * max(1.0, load / (os.cpu_count() or 1))
