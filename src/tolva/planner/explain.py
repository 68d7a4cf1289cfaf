"""A plan as a tree that people can read: from each query's answer down to the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from types import MappingProxyType
from typing import Any, TypeAlias

from tolva.model import StageMeasures
from tolva.plan import Input, Plan, Reads, Role, Stage

Measured: TypeAlias = Mapping[str, StageMeasures]
"""What was measured of stages, by their names."""

_NOTHING: Measured = MappingProxyType({})
_READS = {
    Reads.PARTITION: "its partitions of",
    Reads.EACH: "its piece of",
    Reads.ALL: "all of",
    Reads.RUNS: "a part's runs of",
}


def render(plan: Plan, measured: Measured = _NOTHING) -> str:
    """Return the plan as text: for each query its finish, below it what it reads, down to the scans.

    A scan names the columns it parses for all queries together. What is shared is shown where it is used first. With
    what was ``measured`` of stages, by their names, each says what it read, left and took.
    """
    finishes = [stage for stage in plan.stages if stage.result is not None]
    tree = _Tree(plan, measured)
    blocks = ["\n".join(tree.query(stage)) for stage in finishes]
    return (
        "\n\n".join([f"{_count(len(plan.stages), 'stage')}, {_count(plan.partitions, 'hash partition')}", *blocks])
        + "\n"
    )


def to_json(plan: Plan, measured: Measured | None = None) -> dict[str, Any]:
    """Return the plan as JSON values, and under ``measured`` what each stage read, left and took."""
    if measured is None:
        return plan.to_json()
    stages = {name: asdict(found) | {"skew": skew(found.task_seconds)} for name, found in measured.items()}
    return plan.to_json() | {"measured": stages}


class _Tree:
    def __init__(self, plan: Plan, measured: Measured) -> None:
        self._plan = plan
        self._measured = measured
        self._shown: set[str] = set()

    def query(self, stage: Stage) -> Iterator[str]:
        if stage.result is not None:
            yield f"{stage.result.query} ({stage.result.format.value})"
            yield from _indented(self._finish(stage), last=True)

    def _finish(self, stage: Stage) -> Iterator[str]:
        work = stage.notes if stage.result and stage.result.sql else ("writes what comes as it is",)
        yield f"{stage.name}: one task"
        yield from self._below(stage, work, stage.inputs)

    def _read(self, given: Input) -> Iterator[str]:
        stage, output = self._plan.writer_of(given.output), self._plan.output(given.output)
        again = output.name in self._shown
        yield f"{_READS[given.reads]} {stage.name}: {_tasks(stage)}{', as above' if again else ''}"
        if not again:
            self._shown.add(output.name)
            used = [i for i in stage.inputs if _mentions(output.sql, i.relation)]
            yield from self._below(stage, output.notes, used)

    def _below(self, stage: Stage, notes: Sequence[str], inputs: Sequence[Input]) -> Iterator[str]:
        parsed = [_parsed(stage)] if stage.table is not None else []
        if stage.table is None and stage.estimated_bytes is not None:
            parsed = [f"reads about {size(stage.estimated_bytes)}"]
        found = self._measured.get(stage.name)
        for note in (*parsed, *notes, *([_measures(found)] if found else [])):
            yield f"{'│' if inputs else ' '}  {note}"
        for number, given in enumerate(inputs, 1):
            yield from _indented(self._read(given), last=number == len(inputs))


def _parsed(stage: Stage) -> str:
    columns = ", ".join(stage.columns) or "no column, counts records"
    return f"parses {columns}" + (f": about {size(stage.estimated_bytes)}" if stage.estimated_bytes else "")


def skew(task_seconds: Sequence[float]) -> float:
    """Return how much longer the longest task of a stage ran than the median one."""
    middle = median(task_seconds) if task_seconds else 0.0
    return max(task_seconds) / middle if middle else 1.0


def _measures(found: StageMeasures) -> str:
    seconds = found.task_seconds
    read = f"{found.records_read:,} rows, " if found.records_read else ""
    left = f"; left {found.records_left:,} rows, {size(found.bytes_left)}" if found.records_left else ""
    tasks = f"{_count(len(seconds), 'task')}, {sum(seconds):.2f} s, skew {skew(seconds):.1f}"
    return f"measured: {tasks}; read {read}{size(found.bytes_read)}{left}"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    for unit, bytes_ in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if count >= bytes_:
            return f"{count / bytes_:.3g} {unit}"
    return f"{count} B"


def _tasks(stage: Stage) -> str:
    if stage.role is Role.SCAN:
        return f"a task for each chunk of {stage.table}"
    return "tasks by size" if any(i.reads is Reads.PARTITION for i in stage.inputs) else "one task"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mentions(sql: str, relation: str) -> bool:
    return re.search(rf"\b{re.escape(relation)}\b", sql) is not None


def _indented(lines: Iterator[str], *, last: bool) -> Iterator[str]:
    for number, text in enumerate(lines):
        head = ("└─ " if last else "├─ ") if number == 0 else ("   " if last else "│  ")
        yield head + text
