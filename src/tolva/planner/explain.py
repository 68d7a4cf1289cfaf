"""A plan as a tree that people can read: from each query's answer down to the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tolva.plan import Input, Plan, Reads, Role, Stage

_READS = {Reads.PARTITION: "its partitions of", Reads.ALL: "all of", Reads.RUNS: "a part's runs of"}


def render(plan: Plan) -> str:
    """Return the plan as text: for each query its finish, below it what it reads, down to the scans.

    A scan names the columns it parses for all queries together. What is shared is shown where it is used first.
    """
    shown: set[str] = set()
    finishes = [stage for stage in plan.stages if stage.result is not None]
    blocks = ["\n".join(_query(plan, stage, shown)) for stage in finishes]
    return (
        "\n\n".join([f"{_count(len(plan.stages), 'stage')}, {_count(plan.partitions, 'hash partition')}", *blocks])
        + "\n"
    )


def _query(plan: Plan, stage: Stage, shown: set[str]) -> Iterator[str]:
    if stage.result is not None:
        yield f"{stage.result.query} ({stage.result.format.value})"
        yield from _indented(_finish(plan, stage, shown), last=True)


def _finish(plan: Plan, stage: Stage, shown: set[str]) -> Iterator[str]:
    work = stage.notes if stage.result and stage.result.sql else ("writes what comes as it is",)
    yield f"{stage.name}: one task"
    yield from _below(plan, stage, work, stage.inputs, shown)


def _read(plan: Plan, given: Input, shown: set[str]) -> Iterator[str]:
    stage, output = plan.writer_of(given.output), plan.output(given.output)
    again = output.name in shown
    yield f"{_READS[given.reads]} {stage.name}: {_tasks(stage)}{', as above' if again else ''}"
    if not again:
        shown.add(output.name)
        used = [i for i in stage.inputs if _mentions(output.sql, i.relation)]
        yield from _below(plan, stage, output.notes, used, shown)


def _below(plan: Plan, stage: Stage, notes: Sequence[str], inputs: Sequence[Input], shown: set[str]) -> Iterator[str]:
    parsed = [f"parses {', '.join(stage.columns) or 'no column, counts records'}"] if stage.table is not None else []
    for note in (*parsed, *notes):
        yield f"{'│' if inputs else ' '}  {note}"
    for number, given in enumerate(inputs, 1):
        yield from _indented(_read(plan, given, shown), last=number == len(inputs))


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
