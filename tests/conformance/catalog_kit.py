"""What catalog tests share: places where catalogs are, plans of every shape, and a worker whose answers can be judged.

The worker's records say where they came from, so that a lost, doubled or misplaced one shows in the result. What the
result must be is worked out a second time, from the plan and the chunks alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

from servers.postgresql import Postgresql
from tolva.catalog import NO_TABLES, Catalog, Limits
from tolva.catalogs.postgresql import PostgresqlCatalog
from tolva.catalogs.sqlite import SqliteCatalog
from tolva.clock import Clock, system_clock
from tolva.model import Chunk, Claim, Done, Failed, Hint, NewFile, NewJob, Part, Partial, Segment
from tolva.plan import Column, Format, Input, Output, Plan, Reads, Result, Role, Stage

LEASE_SECONDS = 10.0
EAGER = Limits(retry_base_seconds=0.0, reduce_task_bytes=2)
"""Limits for tests that don't care when: no pauses, and as many reduce tasks as can be."""

Record = str
Records = Counter[Record]


# -- places -----------------------------------------------------------------------------------------------------------


def _open_sqlite(place: Place, limits: Limits, clock: Clock) -> Catalog:
    return SqliteCatalog(place.where / "catalog.db", limits=limits, clock=clock)


def _open_postgresql(place: Place, limits: Limits, clock: Clock) -> Catalog:
    name = sha256(str(place.where).encode()).hexdigest()[:32]
    database = Postgresql.database_of(place.server, name, place.template)
    return PostgresqlCatalog(database, limits=limits, clock=None if clock is system_clock else clock)


OPENERS: dict[str, Callable[[Place, Limits, Clock], Catalog]] = {
    "sqlite": _open_sqlite,
    "postgresql": _open_postgresql,
}
"""One line an adapter; every test here runs over each."""


@dataclass(frozen=True)
class Place:
    """Where a catalog is: one for each folder. Can be pickled, so that other processes open the same one."""

    adapter: str
    where: Path
    server: str = ""
    template: str = "template1"

    def open(self, limits: Limits = EAGER, clock: Clock = system_clock) -> Catalog:
        return OPENERS[self.adapter](self, limits, clock)


class FakeClock:
    """A clock that goes on when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


# -- plans ------------------------------------------------------------------------------------------------------------

COLUMNS = (Column("record", "VARCHAR"),)


def output(name: str, *, split: bool = False) -> Output:
    return Output(name, "SELECT", COLUMNS, partitioned=split)


def reads(name: str, *, split: bool = False) -> Input:
    return Input(name, name, Reads.PARTITION if split else Reads.ALL)


def scan(name: str, table: str, outputs: Iterable[Output], inputs: Iterable[Input] = ()) -> Stage:
    return Stage(name, Role.SCAN, table=table, inputs=tuple(inputs), outputs=tuple(outputs))


def reduce(name: str, inputs: Iterable[Input], outputs: Iterable[Output]) -> Stage:
    return Stage(name, Role.REDUCE, inputs=tuple(inputs), outputs=tuple(outputs))


def finish(query: str, *inputs: Input) -> Stage:
    return Stage(f"finish {query}", Role.FINISH, inputs=inputs, result=Result(query, Format.CSV, COLUMNS))


def plan_of(*stages: Stage, partitions: int = 3) -> Plan:
    return Plan(stages, partitions, tuple(stage.result.query for stage in stages if stage.result))


FILTER = plan_of(scan("s", "big", [output("a")]), finish("q", reads("a")))
GROUP = plan_of(
    scan("s", "big", [output("a", split=True)]),
    reduce("r", [reads("a", split=True)], [output("b")]),
    finish("q", reads("b")),
)
SHAPES: dict[str, Plan] = {
    "filter": FILTER,
    "group": GROUP,
    "two queries, one scan": plan_of(
        scan("s", "big", [output("a", split=True), output("b")]),
        reduce("r", [reads("a", split=True)], [output("c")]),
        finish("q1", reads("c")),
        finish("q2", reads("b")),
    ),
    "broadcast": plan_of(
        scan("small", "small", [output("a")]),
        scan("big", "big", [output("b")], [reads("a")]),
        finish("q", reads("b")),
    ),
    "join of two big sides": plan_of(
        scan("left", "big", [output("a", split=True)]),
        scan("right", "small", [output("b", split=True)]),
        reduce("r", [reads("a", split=True), reads("b", split=True)], [output("c")]),
        finish("q", reads("c")),
    ),
    "reduce with a broadcast": plan_of(
        scan("small", "small", [output("a")]),
        scan("big", "big", [output("b", split=True)]),
        reduce("r", [reads("a"), reads("b", split=True)], [output("c")]),
        finish("q", reads("c")),
    ),
    "a table scanned again": plan_of(
        scan("first", "big", [output("a", split=True)]),
        reduce("r", [reads("a", split=True)], [output("b")]),
        scan("second", "big", [output("c", split=True)], [reads("b")]),
        reduce("r2", [reads("c", split=True)], [output("d")]),
        finish("q", reads("d")),
    ),
    "two scans of one table": plan_of(
        scan("one", "big", [output("a")]),
        scan("two", "big", [output("b")]),
        finish("q", reads("a"), reads("b")),
    ),
    "gather": plan_of(
        scan("s", "big", [output("a")]),
        reduce("r", [reads("a")], [output("b", split=True)]),
        reduce("r2", [reads("b", split=True)], [output("c")]),
        finish("q", reads("c")),
    ),
    "no table": plan_of(finish("q")),
    "scan only": plan_of(scan("s", "big", [output("a")])),
    "nothing": plan_of(),
}


# -- input ------------------------------------------------------------------------------------------------------------


def new_job(job_id: str = "job", client: str = "local") -> NewJob:
    return NewJob(job_id, client, "query", {"kind": "query"}, "digest")


def new_file(table: str, name: str = "1.csv", length: int = 100) -> NewFile:
    return NewFile(table, name, f"/data/{table}/{name}", length, "fingerprint", {"delimiter": ","})


def chunks_of(count: int, *, start: int = 0) -> list[Chunk]:
    return [Chunk(start + 10 * n, 10, {"lines": n}) for n in range(count)]


Input_ = dict[tuple[str, str], int]
"""How many chunks each file has, by table and name."""


def submit(
    catalog: Catalog,
    plan: Plan,
    given: Input_,
    job_id: str = "job",
    client: str = "local",
    uses: Mapping[int, int] = NO_TABLES,
) -> None:
    """Put a job with all its input in; it is left pending."""
    catalog.create_job(new_job(job_id, client))
    catalog.set_plan(job_id, plan, uses=uses)
    files = catalog.add_files(job_id, [new_file(table, name, 10 * count) for (table, name), count in given.items()])
    for file, count in zip(files, given.values(), strict=True):
        catalog.add_chunks(file.id, chunks_of(count), ended=True)
    catalog.end_input(job_id)


# -- work -------------------------------------------------------------------------------------------------------------


@dataclass
class Work:
    """Does tasks, and knows what must come of them. What attempts leave is kept in files below ``folder``."""

    plan: Plan
    folder: Path
    done: Counter[tuple[str, int]] = field(default_factory=Counter)

    def do(self, claim: Claim) -> Done:
        """Work as a worker would, on nothing but what the claim says."""
        stage = self.plan.stage(claim.stage)
        if stage.role is Role.FINISH:
            return self._finish(claim, stage)
        left = {out: self._records(claim, stage, out) for out in stage.outputs}
        segments = []
        stored: dict[str, list[Record]] = {}
        for out, records in left.items():
            for partition in range(self.plan.partitions if out.partitioned else 1):
                own = [r for r in records if not out.partitioned or self._partition(r) == partition]
                if own:
                    stored[f"{out.name}/{partition}"] = own
                    segments.append(Segment(out.name, partition, len(segments), len(own), len(own)))
        key = self._store(claim, stored)
        partial = Partial(key, len(segments), "sha256", tuple(segments))
        read = claim.chunk.length if claim.chunk else 0
        return Done(claim.task_id, claim.attempt, partial, records_read=1, bytes_read=read)

    def _finish(self, claim: Claim, stage: Stage) -> Done:
        assert stage.result
        records = [r for needed in stage.inputs for r in self._read(claim, needed)]
        key = self._store(claim, {"result": records})
        query = stage.result.query
        part = Part(query, 1, f"{query}_0001.csv", "csv", key, len(records), 1, "sha256")
        return Done(claim.task_id, claim.attempt, None, (part,))

    def _records(self, claim: Claim, stage: Stage, out: Output) -> list[Record]:
        shared = sorted(r for i in stage.inputs if i.reads is Reads.ALL for r in self._read(claim, i))
        if stage.role is Role.SCAN:
            assert claim.file
            assert claim.chunk
            assert claim.file.table == stage.table
            own = [f"{claim.file.table}/{claim.file.name}@{claim.chunk.offset}"]
        else:
            own = [r for i in stage.inputs if i.reads is Reads.PARTITION for r in self._read(claim, i)]
            own += [f"{stage.name}:start"] if 0 in claim.partitions else []
        return [self._derived(stage, out, r, shared) for r in own]

    def _read(self, claim: Claim, needed: Input) -> list[Record]:
        found = []
        for partial in claim.partials:
            stored = json.loads((self.folder / partial.key).read_text())
            for segment in partial.segments:
                if segment.output == needed.output:
                    records = stored[f"{segment.output}/{segment.partition}"]
                    assert len(records) == segment.records
                    assert needed.reads is Reads.ALL or segment.partition in claim.partitions
                    found += records
        return found

    def _store(self, claim: Claim, content: dict[str, list[Record]]) -> str:
        key = f"{claim.job_id}-{claim.task_id}-{claim.attempt}"
        (self.folder / key).write_text(json.dumps(content))
        return key

    def _partition(self, record: Record) -> int:
        return crc32(record.encode()) % self.plan.partitions

    @staticmethod
    def _derived(stage: Stage, out: Output, record: Record, shared: list[Record]) -> Record:
        seen = f"+{crc32(json.dumps(shared).encode())}" if shared else ""
        return f"{stage.name}>{out.name}({record}{seen})"

    def result(self, parts: Iterable[Part]) -> dict[str, Records]:
        """Return what the parts hold, by query."""
        found: dict[str, Records] = {}
        for part in parts:
            found[part.query] = Counter(json.loads((self.folder / part.key).read_text())["result"])
        return found

    def expected(self, given: Input_) -> dict[str, Records]:
        """Return what each query's answer must be, worked out from the plan alone."""
        values: dict[str, list[Record]] = {}
        answers = {}
        for stage in self.plan.stages:
            read = {i.output: values[i.output] for i in stage.inputs}
            if stage.result:
                answers[stage.result.query] = Counter(r for records in read.values() for r in records)
                continue
            shared = sorted(r for i in stage.inputs if i.reads is Reads.ALL for r in read[i.output])
            if stage.role is Role.SCAN:
                own = [
                    f"{table}/{name}@{chunk.offset}"
                    for (table, name), count in given.items()
                    if table == stage.table
                    for chunk in chunks_of(count)
                ]
            else:
                own = [r for i in stage.inputs if i.reads is Reads.PARTITION for r in read[i.output]]
                own.append(f"{stage.name}:start")
            for out in stage.outputs:
                values[out.name] = [self._derived(stage, out, r, shared) for r in own]
        return answers


def run_to_end(catalog: Catalog, work: Work, hints: Iterable[Hint], job_id: str = "job") -> None:
    """Be the only worker until nothing is ready."""
    ready = list(hints)
    while ready:
        claims = catalog.claim([hint.task_id for hint in ready], "worker", LEASE_SECONDS)
        refused, ready = catalog.commit([work.do(claim) for claim in claims])
        assert not refused
        ready = ready or catalog.ready(job_id=job_id)


def broken(claim: Claim, message: str = "It broke.", *, retryable: bool = True) -> Failed:
    error: dict[str, Any] = {"code": "storage", "message": message, "retryable": retryable, "data": {}}
    return Failed(claim.task_id, claim.attempt, error, retryable)
