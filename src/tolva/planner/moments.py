"""The time, as queries see it: one value for the whole job.

A task may be tried twice, and a query has many tasks. So what says the time becomes the value it has while the job is
planned, in the text of the query itself, before anything else is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tolva.planner.binder import Binder
from tolva.planner.functions import MOMENTS
from tolva.planner.quoting import quoted


@dataclass(frozen=True, slots=True)
class Place:
    """Where a query asks for the time: the bytes that do, and the function that they call."""

    offset: int
    length: int
    function: str


def fixed(sql: str, places: Sequence[Place], now: Mapping[str, str]) -> str:
    """Return the query with the time written out at these places: for each function what ``now`` has for it."""
    text = sql.encode()
    for place in sorted(places, key=lambda p: p.offset, reverse=True):
        text = text[: place.offset] + now[place.function].encode() + text[place.offset + place.length :]
    return text.decode()


def moments(binder: Binder) -> dict[str, str]:
    """Return what each function that says the time says, as SQL."""
    names = sorted(MOMENTS)
    calls = [f"{quoted(name)}()" for name in names]
    # All in one statement, and so at one moment.
    found = binder.values([f"CAST({call} AS VARCHAR)" for call in calls] + [f"typeof({call})" for call in calls])
    values, types = found[: len(names)], found[len(names) :]
    return {name: f"CAST('{value}' AS {kind})" for name, value, kind in zip(names, values, types, strict=True)}
