"""The plan while it is being made: sites become stages, flows become outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from tolva.plan import (
    IN_PLACE_KERNEL,
    LINE_COLUMN,
    PARTITION_COLUMN,
    SQL_KERNEL,
    Column,
    Input,
    Output,
    Plan,
    Reads,
    Result,
    Role,
    Stage,
)
from tolva.planner.algebra import Expr, Ref, UnsupportedError
from tolva.planner.encode import line
from tolva.planner.flow import ONE_TASK, Branch, Flow, Named, Site, arrived, group_by, grouped_bytes, item
from tolva.planner.names import Names
from tolva.planner.quoting import quoted
from tolva.planner.sql import expression

_LINE = Column(LINE_COLUMN, "VARCHAR")
_ONE = Column("one", "INTEGER")
_WIDE = ("VARCHAR", "BLOB", "BIT", "STRUCT", "MAP", "JSON")


@dataclass(slots=True)
class _Stage:
    name: str
    role: Role
    table: str | None
    level: int
    columns: set[str] = field(default_factory=set)
    inputs: dict[Input, None] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    result: Result | None = None
    in_place: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> _Stage:
        return replace(
            self,
            columns=set(self.columns),
            inputs=dict(self.inputs),
            outputs=dict(self.outputs),
        )


@dataclass(frozen=True, slots=True)
class _Groups:
    """An output of partial groups: its columns of the keys, and of the aggregates by their text."""

    output: str
    keys: tuple[Column, ...]
    made: dict[str, Column]


Mark: TypeAlias = tuple[dict[object, _Stage], dict[str, object], dict[object, _Groups]]


class Draft:
    """Collects stages.

    ``query`` is the name of the query being planned, from which stages are named; ``estimated`` says whether the sizes
    of its flows come from samples. Then ``sizes`` has those of outputs.
    """

    def __init__(
        self,
        names: Names,
        tables: dict[str, tuple[Column, ...]],
        *,
        partitions: int,
        small_bytes: int,
    ) -> None:
        self._partitions = partitions
        self._small_bytes = small_bytes
        self.query = ""
        self.estimated = False
        self.sizes: dict[str, int] = {}
        self._names = names
        self._tables = tables
        self._stages: dict[object, _Stage] = {}
        self._writers: dict[str, object] = {}
        self._groups: dict[object, _Groups] = {}

    def mark(self) -> Mark:
        """Return where the draft stands, for ``restore``."""
        stages = {key: stage.copy() for key, stage in self._stages.items()}
        return stages, dict(self._writers), dict(self._groups)

    def restore(self, mark: Mark) -> None:
        """Go back to where the draft stood: a query that was given up leaves nothing behind."""
        self._stages, self._writers, self._groups = mark

    # -- moving rows ----------------------------------------------------------------------------------------------

    def exchange(self, flow: Flow, keys: Sequence[str], why: str) -> Flow:
        """Return the flow after its rows moved to the tasks of their hash partition by ``keys``.

        Rows believed to be few are gathered: that makes one task of them, and saves one where they are gathered later.
        """
        if not self._spreads(flow, keys):
            return self.gather(flow, why)
        return self._moved(flow, Reads.PARTITION, frozenset(keys), keys, why)

    def meet(self, flows: Sequence[tuple[Flow, Sequence[str]]], why: str) -> list[Flow]:
        """Return flows after their rows moved to the same tasks, those of the hash partitions of each one's keys."""
        if self._partitions == 1:
            return [self.gather(flow, why) for flow, _ in flows]
        return [self._moved(flow, Reads.PARTITION, frozenset(keys), keys, why) for flow, keys in flows]

    def groups(self, flow: Flow, keys: Sequence[Named], made: Sequence[Named], by: Sequence[str] | None = None) -> Flow:
        """Return partial groups, made in the flow's tasks, after they moved to a hash partition.

        The partition is that of the keys ``by``, by default of all. Queries that group the same rows by the same keys
        share one output with the aggregates of all.
        """
        names = [c.name for c, _ in keys]
        by = names if by is None else by
        columns = tuple(c for c, _ in (*keys, *made))
        size = grouped_bytes(flow, keys)
        note = f"partial groups by {', '.join(names)}" if names else "one partial row for each task"
        if len(flow.branches) > 1:
            parts = tuple(b.grouped(keys, made).noting(note) for b in flow.branches)
            return self.exchange(Flow(parts, columns, None, size), by, "groups combined")
        (branch,) = flow.branches
        spread = self._spreads(flow, by)
        to = f"to hash partitions by {', '.join(by)}" if spread else ""
        places = tuple(names.index(name) for name in by) if spread else ()
        output, there = self._shared_groups(branch.noting(note, to), keys, made, places)
        self._note_size([output], size)
        moved = Branch(
            site=Site(inputs=(Input(output, output, Reads.PARTITION if spread else Reads.ALL),)),
            source=quoted(output),
            outputs={c.name: arrived(c, name) for c, name in zip(columns, there, strict=True)},
            notes=("groups combined",),
        )
        return Flow((moved,), columns, frozenset(by) if spread else ONE_TASK, size)

    def gather(self, flow: Flow, why: str) -> Flow:
        """Return the flow after all of its rows moved into one task, in the order of the tasks they were in."""
        if flow.in_one_task:
            return flow
        return self._moved(flow, Reads.ALL, ONE_TASK, (), why)

    def broadcast(self, flow: Flow) -> tuple[tuple[Input, ...], str]:
        """Let any task read all of the flow's rows; return the inputs it needs and the source to select from."""
        if all(b.site == Site() for b in flow.branches) and len(flow.branches) == 1:
            return (), f"({flow.branches[0].select(c.name for c in flow.columns)})"
        moved = self._moved(flow, Reads.ALL, ONE_TASK, (), "")
        (branch,) = moved.branches
        return branch.site.inputs, f"({branch.select(c.name for c in flow.columns)})"

    def _moved(self, flow: Flow, reads: Reads, together: frozenset[str], keys: Sequence[str], why: str) -> Flow:
        columns = flow.columns
        to = f"to hash partitions by {', '.join(keys)}" if keys else ""
        outputs = [self.emit(b.noting(to), columns, keys).name for b in flow.branches]
        self._note_size(outputs, flow.bytes)
        inputs = tuple(Input(name, name, reads) for name in outputs)
        listed = ", ".join(quoted(c.name) for c in columns) or "1 AS one"
        source = quoted(outputs[0])
        if len(outputs) > 1:
            source = "(" + " UNION ALL ".join(f"SELECT {listed} FROM {quoted(o)}" for o in outputs) + ") AS r"
        branch = Branch(
            site=Site(inputs=inputs),
            source=source,
            outputs={c.name: arrived(c) for c in columns},
            notes=(why,) if why else (),
        )
        return Flow((branch,), columns, together, flow.bytes)

    # -- stages and outputs ---------------------------------------------------------------------------------------

    def emit(self, branch: Branch, columns: Sequence[Column], keys: Sequence[str] = ()) -> Output:
        """Make the branch's rows an output of its site's stage; the same rows are never written twice."""
        extra = [self._partition(expression(branch.outputs[k]) for k in keys)] if keys else []
        sql = branch.select((c.name for c in columns), *extra)
        return self._output(branch, sql, tuple(columns) or (_ONE,), partitioned=bool(keys))

    def finish(self, result: Result, flow: Flow, columns: Sequence[Column]) -> None:
        """End a query with these columns of the flow, as the result names and types them."""
        exprs = [Ref(c.name, c.type) for c in columns]
        if flow.in_one_task and len(flow.branches) == 1:
            (branch,) = flow.branches
            self.end(replace(result, sql=_final(branch, exprs, result)), branch.site.inputs, branch.notes)
            return
        made = f"rows become lines of {result.format.value}" if result.lines else ""
        left = (_LINE,) if result.lines else result.columns
        inputs: list[Input] = []
        for branch in flow.branches:
            sql = _final(branch, exprs, result)
            # Rows that UNION ALL has twice are written twice: the last task just passes on what it reads.
            but = [i.output for i in inputs]
            output = self._output(branch.noting(made), sql, left, lines=result.lines, but=but)
            inputs.append(Input(output.name, output.name, Reads.ALL))
        self._note_size([given.output for given in inputs], flow.bytes)
        self.end(result, inputs, ())

    def end(
        self,
        result: Result,
        inputs: Iterable[Input],
        notes: Iterable[str],
        *,
        in_place: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Add the stage that writes a query's parts; ``in_place``: see ``IN_PLACE_KERNEL``."""
        listed = dict.fromkeys(inputs)
        self._stages["finish", result.query] = _Stage(
            name=self._names.new(f"{result.query}_finish"),
            role=Role.FINISH,
            table=None,
            level=self._level(listed),
            inputs=listed,
            notes=tuple(notes),
            result=result,
            in_place=dict(in_place),
        )

    def plan(self, queries: Iterable[str]) -> Plan:
        """Return the finished plan."""
        stages = sorted(self._stages.values(), key=lambda s: s.level)
        return Plan(tuple(self._frozen(s) for s in stages), self._partitions, tuple(queries), dict(self._tables))

    def _note_size(self, outputs: Sequence[str], size: int) -> None:
        if self.estimated:
            self.sizes.update((name, size // len(outputs)) for name in outputs)

    def _spreads(self, flow: Flow, keys: Sequence[str]) -> bool:
        return self._partitions > 1 and bool(keys) and flow.bytes > self._small_bytes

    def _partition(self, keys: Iterable[str]) -> str:
        return f"CAST(hash({', '.join(keys)}) % {self._partitions} AS USMALLINT) AS {PARTITION_COLUMN}"

    def _shared_groups(
        self, branch: Branch, keys: Sequence[Named], made: Sequence[Named], by: tuple[int, ...]
    ) -> tuple[str, list[str]]:
        """Write partial groups, into an output that is there already if it has the same; return where they are.

        ``by`` are the places, among the keys, of those that make the hash partition.
        """
        slot = (branch.site, branch.source, frozenset(branch.where), tuple(branch.over(e) for _, e in keys), by)
        found = self._groups.get(slot)
        key_columns = found.keys if found else tuple(c for c, _ in keys)
        held = dict(found.made) if found else {}
        taken = Names(c.name for c in (*key_columns, *held.values()))
        texts = [expression(branch.over(e)) for _, e in made]
        for text, (column, _) in zip(texts, made, strict=True):
            if text not in held:
                held[text] = Column(taken.new(column.name), column.type)
        columns = (*key_columns, *held.values())
        items = [item(branch.over(e), c.name) for (_, e), c in zip(keys, key_columns, strict=True)]
        items += [f"{text} AS {quoted(c.name)}" for text, c in held.items()]
        sql = branch.select_items(items) + group_by(len(keys))
        if by:
            listed = ", ".join(quoted(c.name) for c in columns)
            sql = f"SELECT {listed}, {self._partition(quoted(key_columns[n].name) for n in by)} FROM ({sql}) AS r"
        output = self._output(branch, sql, columns, partitioned=bool(by), instead=found.output if found else None)
        self._groups[slot] = _Groups(output.name, key_columns, held)
        return output.name, [*(c.name for c in key_columns), *(held[text].name for text in texts)]

    def _output(
        self,
        branch: Branch,
        sql: str,
        columns: tuple[Column, ...],
        *,
        partitioned: bool = False,
        lines: bool = False,
        instead: str | None = None,
        but: Sequence[str] = (),
    ) -> Output:
        """Make ``sql`` an output of the branch's stage, unless it is there already under a name not in ``but``.

        It takes the place of the output ``instead``, if that is given.
        """
        key, stage = self._stage(branch.site)
        stage.columns |= branch.table_columns
        known = next((o for o in stage.outputs.values() if o.sql == sql and o.name not in but), None)
        if known is not None:
            return known
        name = instead or self._names.new(f"{self.query}_rows")
        output = Output(name, sql, columns, partitioned, lines, self.query, branch.notes, branch.tests)
        stage.outputs[output.name] = output
        self._writers[output.name] = key
        return output

    def _stage(self, site: Site) -> tuple[object, _Stage]:
        if site == Site():
            raise UnsupportedError("rows written in the query that would have to move")
        level = self._level(site.inputs)
        key: object = (site.table, level) if site.table else site.inputs
        stage = self._stages.get(key)
        if stage is None:
            role = Role.SCAN if site.table else Role.REDUCE
            name = self._names.new(f"scan_{site.table}" if site.table else f"{self.query}_reduce")
            stage = self._stages[key] = _Stage(name, role, site.table, level)
        stage.inputs |= dict.fromkeys(site.inputs)
        return key, stage

    def _level(self, inputs: Iterable[Input]) -> int:
        return max((self._stages[self._writers[i.output]].level + 1 for i in inputs), default=0)

    def _frozen(self, stage: _Stage) -> Stage:
        listed = self._tables[stage.table] if stage.table else ()
        return Stage(
            name=stage.name,
            role=stage.role,
            table=stage.table,
            columns=_parsed(listed, stage.columns),
            inputs=tuple(stage.inputs),
            outputs=tuple(stage.outputs.values()),
            result=stage.result,
            notes=stage.notes,
            kernel=IN_PLACE_KERNEL if stage.in_place else SQL_KERNEL,
            settings=stage.in_place,
        )


def _final(branch: Branch, exprs: Sequence[Ref], result: Result) -> str:
    typed = [_typed(branch.over(e), c) for e, c in zip(exprs, result.columns, strict=True)]
    return branch.select_items(line(typed, result.columns, result.format))


def _typed(expr: Expr, column: Column) -> str:
    text = expression(expr)
    return text if expr.type == column.type else f"CAST({text} AS {column.type})"


def _parsed(listed: Sequence[Column], used: set[str]) -> tuple[str, ...]:
    """Return the columns a scan parses, fixed-width ones first: count(*) reads the first column there is."""
    by_width = sorted(listed, key=lambda c: c.type.startswith(_WIDE) or c.type.endswith("]"))
    return tuple(c.name for c in by_width if c.name in used)
