"""What must become of a client file, worked out line by line from the rules alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

Reason = tuple[int, int, str, str, str]
"""Line from 1, byte offset, column, code, raw record."""


@dataclass
class Expected:
    stored: list[tuple[str, int, str, date, bool, bool | None]] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    rejects: list[str] = field(default_factory=list)
    read: int = 0


def expected(path: Path) -> Expected:
    found = Expected()
    offset = 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        raw = line.decode().rstrip("\n")
        found.read += 1
        reasons, row = _judge(raw)
        found.reasons += [(number, offset, column, code, raw) for column, code in reasons]
        if reasons:
            found.rejects.append(raw)
        else:
            found.stored.append(row)
        offset += len(line)
    return found


def _judge(raw: str) -> tuple[list[tuple[str, str]], tuple[str, int, str, date, bool, bool | None]]:
    name, surname, dni, state, joined, exposed, obliged = raw.split("|")
    reasons = []
    full = f"{name} {surname}"
    if len(full) > 100:
        reasons.append(("NombreCompleto", "max_length"))
    day = _date(joined)
    if not joined:
        reasons.append(("FechaIngreso", "required"))
    elif day is None:
        reasons.append(("FechaIngreso", "type"))
    if not exposed:
        reasons.append(("EsPEP", "required"))
    truth = {"true": True, "false": False, "": None}
    return reasons, (full, int(dni), state, day or date.min, bool(truth[exposed]), truth[obliged])


def _date(text: str) -> date | None:
    try:
        month, day, year = map(int, text.replace("-", "/").split("/"))
        return date(year, month, day)
    except ValueError:
        return None
