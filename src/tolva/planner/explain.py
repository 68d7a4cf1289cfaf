"""A plan as a tree that people can read: from each query's answer down to the tables."""

from __future__ import annotations

from collections.abc import Iterator

from tolva.plan import Input, Output, Plan, Reads, Role, Stage

_READS = {Reads.PARTITION: "its hash partitions of", Reads.ALL: "all of"}


def render(plan: Plan) -> str:
    """Return the plan as text: for each query its finish, below it what it reads, down to the scans.

    A scan names the columns it parses for all queries together. What is shared is shown where it is used first.
    """
    shown: set[str] = set()
    blocks = [f"{len(plan.stages)} stages, {plan.partitions} hash partitions"]
    blocks += ["\n".join(_query(plan, stage, shown)) for stage in plan.stages if stage.result is not None]
    return "\n\n".join(blocks) + "\n"


def _query(plan: Plan, stage: Stage, shown: set[str]) -> Iterator[str]:
    if stage.result is None:
        return
    yield f"{stage.result.query} ({stage.result.format.value})"
    yield from _indented(_finish(plan, stage, shown), last=True)


def _finish(plan: Plan, stage: Stage, shown: set[str]) -> Iterator[str]:
    work = "" if stage.result and stage.result.sql else ": writes the rows as they come"
    yield f"finish {stage.name}, one task{work}"
    yield from _below(plan, stage, stage.notes, shown)


def _output(plan: Plan, given: Input, shown: set[str]) -> Iterator[str]:
    stage, output = plan.writer_of(given.output), plan.output(given.output)
    again = " (as above)" if output.name in shown else ""
    yield f"{_READS[given.reads]} {output.name} from {_described(stage)}{again}"
    if not again:
        shown.add(output.name)
        yield from _below(plan, stage, output.notes, shown, output)


def _below(
    plan: Plan, stage: Stage, notes: tuple[str, ...], shown: set[str], output: Output | None = None
) -> Iterator[str]:
    used = [i for i in stage.inputs if output is None or _mentions(output.sql, i.relation)]
    for note in notes:
        yield f"{'│' if used else ' '}  {note}"
    for number, given in enumerate(used, 1):
        yield from _indented(_output(plan, given, shown), last=number == len(used))


def _described(stage: Stage) -> str:
    if stage.role is Role.SCAN:
        return f"scan {stage.name}, a task for each chunk of {stage.table} ({', '.join(stage.columns)})"
    if any(i.reads is Reads.PARTITION for i in stage.inputs):
        return f"reduce {stage.name}, tasks by size"
    return f"reduce {stage.name}, one task"


def _mentions(sql: str, relation: str) -> bool:
    return relation in sql.replace("(", " ").replace(")", " ").replace('"', " ").split()


def _indented(lines: Iterator[str], *, last: bool) -> Iterator[str]:
    for number, text in enumerate(lines):
        head = ("└─ " if last else "├─ ") if number == 0 else ("   " if last else "│  ")
        yield head + text
