"""The plan while it is being made: sites become stages, flows become outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tolva.plan import LINE_COLUMN, PARTITION_COLUMN, Column, Input, Output, Plan, Reads, Result, Role, Stage
from tolva.planner.algebra import Ref
from tolva.planner.binder import Binder
from tolva.planner.encode import line
from tolva.planner.flow import ONE_TASK, Branch, Flow, Site
from tolva.planner.names import Names
from tolva.planner.sql import expression, quoted

_LINE = Column(LINE_COLUMN, "VARCHAR")
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
    notes: dict[str, None] = field(default_factory=dict)
    result: Result | None = None

    def copy(self) -> _Stage:
        return replace(
            self,
            columns=set(self.columns),
            inputs=dict(self.inputs),
            outputs=dict(self.outputs),
            notes=dict(self.notes),
        )


Mark: TypeAlias = tuple[dict[object, _Stage], dict[str, object]]


class Draft:
    """Collects stages. ``query`` is the name of the query being planned, from which stages are named."""

    def __init__(self, binder: Binder, names: Names, tables: dict[str, tuple[Column, ...]], partitions: int) -> None:
        self.partitions = partitions
        self.query = ""
        self._binder = binder
        self._names = names
        self._tables = tables
        self._stages: dict[object, _Stage] = {}
        self._writers: dict[str, object] = {}

    def mark(self) -> Mark:
        """Return where the draft stands, for ``restore``."""
        return {key: stage.copy() for key, stage in self._stages.items()}, dict(self._writers)

    def restore(self, mark: Mark) -> None:
        """Go back to where the draft stood: a query that was given up leaves nothing behind."""
        self._stages, self._writers = mark

    # -- moving rows ----------------------------------------------------------------------------------------------

    def exchange(self, flow: Flow, keys: Sequence[str], why: str) -> Flow:
        """Return the flow after its rows moved to the tasks of their hash partition by ``keys``."""
        if self.partitions == 1 or not keys:
            return self.gather(flow, why)
        together = frozenset(keys)
        return self._moved(flow, Reads.PARTITION, together, keys, why)

    def gather(self, flow: Flow, why: str) -> Flow:
        """Return the flow after all of its rows moved into one task, in the order of the tasks they were in."""
        if flow.in_one_task:
            return flow
        return self._moved(flow, Reads.ALL, ONE_TASK, (), why)

    def broadcast(self, flow: Flow) -> tuple[tuple[Input, ...], str]:
        """Let any task read all of the flow's rows; return the inputs it needs and the source to select from."""
        moved = self._moved(flow, Reads.ALL, ONE_TASK, (), "")
        (branch,) = moved.branches
        return branch.site.inputs, f"({branch.select(c.name for c in flow.columns)})"

    def _moved(self, flow: Flow, reads: Reads, together: frozenset[str], keys: Sequence[str], why: str) -> Flow:
        columns = flow.columns
        outputs = [self.emit(b, columns, keys).name for b in flow.branches]
        inputs = tuple(Input(name, name, reads) for name in outputs)
        listed = ", ".join(quoted(c.name) for c in columns) or "1 AS one"
        source = quoted(outputs[0])
        if len(outputs) > 1:
            source = "(" + " UNION ALL ".join(f"SELECT {listed} FROM {quoted(o)}" for o in outputs) + ") AS r"
        branch = Branch(
            site=Site(inputs=inputs),
            source=source,
            outputs={c.name: Ref(c.name, c.type) for c in columns},
            notes=(why,) if why else (),
        )
        return Flow((branch,), columns, together, flow.bytes)

    # -- stages and outputs ---------------------------------------------------------------------------------------

    def emit(self, branch: Branch, columns: Sequence[Column], keys: Sequence[str] = ()) -> Output:
        """Make the branch's rows an output of its site's stage; the same rows are never written twice."""
        extra = [self._partition(branch, keys)] if keys else []
        sql = branch.select((c.name for c in columns), *extra)
        return self._output(branch, sql, partitioned=bool(keys))

    def finish(self, result: Result, flow: Flow, columns: Sequence[Column]) -> None:
        """End a query with these columns of the flow, as the result names and types them."""
        exprs = [Ref(c.name, c.type) for c in columns]
        if flow.in_one_task and len(flow.branches) == 1:
            (branch,) = flow.branches
            self.end(replace(result, sql=_final(branch, exprs, result)), branch.site.inputs, branch.notes)
            return
        outputs = [self._output(b, _final(b, exprs, result), lines=result.lines) for b in flow.branches]
        self.end(result, [Input(o.name, o.name, Reads.ALL) for o in outputs], ())

    def end(self, result: Result, inputs: Iterable[Input], notes: Iterable[str]) -> None:
        """Add the stage that writes a query's parts."""
        listed = dict.fromkeys(inputs)
        self._stages["finish", result.query] = _Stage(
            name=self._names.new(f"{result.query}_finish"),
            role=Role.FINISH,
            table=None,
            level=self._level(listed),
            inputs=listed,
            notes=dict.fromkeys(notes),
            result=result,
        )

    def plan(self, queries: Iterable[str]) -> Plan:
        """Return the finished plan."""
        stages = sorted(self._stages.values(), key=lambda s: s.level)
        return Plan(tuple(self._frozen(s) for s in stages), self.partitions, tuple(queries), dict(self._tables))

    def _partition(self, branch: Branch, keys: Sequence[str]) -> str:
        hashed = ", ".join(expression(branch.outputs[k]) for k in keys)
        return f"CAST(hash({hashed}) % {self.partitions} AS USMALLINT) AS {PARTITION_COLUMN}"

    def _output(self, branch: Branch, sql: str, *, partitioned: bool = False, lines: bool = False) -> Output:
        key, stage = self._stage(branch.site)
        stage.columns |= branch.table_columns
        stage.notes |= dict.fromkeys(branch.notes)
        known = stage.outputs.get(sql)
        if known is not None:
            return known
        columns = (_LINE,) if lines else self._binder.describe(sql)
        if partitioned:
            columns = columns[:-1]
        output = Output(self._names.new(f"{self.query}_rows"), sql, columns, partitioned, lines, self.query)
        self._binder.create(output.name, columns)
        stage.outputs[sql] = output
        self._writers[output.name] = key
        return output

    def _stage(self, site: Site) -> tuple[object, _Stage]:
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
            notes=tuple(stage.notes),
        )


def _final(branch: Branch, exprs: Sequence[Ref], result: Result) -> str:
    return branch.select_items(line([branch.over(e) for e in exprs], result.columns, result.format))


def _parsed(listed: Sequence[Column], used: set[str]) -> tuple[str, ...]:
    """Return the columns a scan parses, fixed-width ones first: count(*) reads the first column there is."""
    by_width = sorted(listed, key=lambda c: c.type.startswith(_WIDE) or c.type.endswith("]"))
    return tuple(c.name for c in by_width if c.name in used) or tuple(c.name for c in by_width[:1])
