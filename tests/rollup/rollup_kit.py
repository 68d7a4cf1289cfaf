"""What the roll-up's tests share."""

from __future__ import annotations

from collections.abc import Callable

from tolva.rollup import Rollup

MakeRollup = Callable[..., Rollup]


def finish_file(rollup: Rollup, name: str, content: bytes) -> None:
    """Put a file into finished/ as any program may: written elsewhere, then renamed."""
    written = rollup.path / f".{name}"
    written.write_bytes(content)
    written.rename(rollup.path / "finished" / name)
