"""Stages that read runs: a task for each part, while more runs come; every run in exactly one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from catalog_kit import LEASE_SECONDS, FakeClock, finish, output, plan_of, scan

from tolva.catalog import Catalog
from tolva.model import Chunk, Claim, Done, NewFile, NewJob, Part, Partial, Segment
from tolva.plan import Format, Input, Reads
from tolva.states import JobStatus

MAX_BYTES = 100
ROLLING = replace(
    plan_of(
        scan("fetch", "keys", [output("records"), output("errors")]),
        finish("errors", Input("errors", "errors", Reads.ALL)),
        finish("records", Input("records", "records", Reads.RUNS)),
    ),
    max_part_bytes=MAX_BYTES,
    multiplier=2,
)


def begin(catalog: Catalog, tasks: int) -> list[Claim]:
    """Make a job of so many scan tasks, END said; return the claims of all of them."""
    catalog.create_job(NewJob("job", "client", "export", {}, "digest"))
    (file,) = catalog.add_files("job", [NewFile("keys", "keys", "/keys", tasks, "f", {})])
    catalog.set_plan("job", ROLLING)
    catalog.add_chunks(file.id, [Chunk(number, 1) for number in range(tasks)], ended=True)
    catalog.end_input("job")
    catalog.admit()
    return claim(catalog)


def claim(catalog: Catalog) -> list[Claim]:
    return catalog.claim([hint.task_id for hint in catalog.ready()], "worker", LEASE_SECONDS)


def left(task: Claim, sizes: Sequence[int]) -> Done:
    """Say that the task left runs of these sizes, and an error."""
    offsets = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    segments = [Segment("records", n, offsets[n], size, 1, run=True) for n, size in enumerate(sizes)]
    errors = Segment("errors", 0, offsets[-1], 1, 1)
    key = f"{task.ordinal}/{task.attempt}"
    return Done(task.task_id, task.attempt, Partial(key, offsets[-1] + 1, "s", (*segments, errors)))


def runs(task: Claim) -> list[tuple[str, int, int]]:
    return [(partial.key, each.partition, each.length) for partial in task.partials for each in partial.segments]


def composed(task: Claim) -> Done:
    query = task.stage.removeprefix("finish ")
    ordinal = task.ordinal + 1
    part = Part(query, ordinal, f"{query}_{ordinal}", Format.NDJSON, f"{query}/{ordinal}/{task.attempt}", 1, 1, "s")
    return Done(task.task_id, task.attempt, parts=(part,))


def test_parts_begin_when_strictly_more_than_the_threshold_waits(catalog: Catalog) -> None:
    first, second, third, last = begin(catalog, 4)
    assert catalog.commit([left(first, [90, 60])]) == (set(), [])
    assert catalog.commit([left(second, [50])]) == (set(), [])
    _, (hint,) = catalog.commit([left(third, [30, 10])])
    assert hint.bytes == 100
    (part,) = claim(catalog)
    # 90 and 10 go together: the largest first, then whatever still fits.
    assert sorted(runs(part)) == [("0/1", 0, 90), ("2/1", 1, 10)]
    assert part.stage == "finish records"
    catalog.commit([composed(part)])
    assert [each.ordinal for each in catalog.parts("job")] == [1]
    assert catalog.job("job").status is JobStatus.WIP
    # After the last of them all that is left becomes parts.
    catalog.commit([left(last, [5])])
    rest = claim(catalog)
    of_records = [task for task in rest if task.stage == "finish records"]
    assert [sorted(length for *_, length in runs(task)) for task in of_records] == [[5, 30, 60], [50]]
    assert [len(task.partials) for task in rest if task.stage == "finish errors"] == [4]
    catalog.commit([composed(task) for task in rest])
    assert catalog.job("job").status is JobStatus.COMPLETED
    assert [each.name for each in catalog.parts("job")] == ["errors_1", "records_1", "records_2", "records_3"]


def test_without_runs_there_is_no_part(catalog: Catalog) -> None:
    (only,) = begin(catalog, 1)
    catalog.commit([Done(only.task_id, only.attempt)])
    (errors,) = claim(catalog)
    assert errors.stage == "finish errors"
    catalog.commit([Done(errors.task_id, errors.attempt)])
    assert catalog.job("job").status is JobStatus.COMPLETED


def test_a_task_that_is_tried_again_has_the_same_runs(catalog: Catalog, clock: FakeClock) -> None:
    (only, _) = begin(catalog, 2)
    catalog.commit([left(only, [100, 100, 50])])
    (first,) = claim(catalog)
    clock.now += LEASE_SECONDS + 1
    catalog.expire_leases()
    again = next(task for task in claim(catalog) if task.stage == "finish records")
    assert again.attempt > first.attempt
    assert runs(again) == runs(first)
    refused, _ = catalog.commit([composed(first)])
    assert refused


@pytest.mark.parametrize("seed", range(5))
def test_every_run_is_in_one_part(catalog: Catalog, seed: int) -> None:
    chance = random.Random(seed)
    waiting = begin(catalog, 20)
    written: Counter[tuple[str, int, int]] = Counter()
    taken: Counter[tuple[str, int, int]] = Counter()
    while waiting:
        task = waiting.pop(chance.randrange(len(waiting)))
        if task.stage == "fetch":
            done = left(task, [chance.randint(1, MAX_BYTES + 20) for _ in range(chance.randint(0, 4))])
            assert done.partial is not None
            written.update((done.partial.key, s.partition, s.length) for s in done.partial.segments if s.run)
        else:
            done = composed(task)
            if task.stage == "finish records":
                assert sum(length for *_, length in runs(task)) <= MAX_BYTES or len(runs(task)) == 1
                taken.update(runs(task))
        catalog.commit([done])
        catalog.commit([done])
        catalog.recheck_barriers()
        waiting += claim(catalog)
    assert taken == written
    assert catalog.job("job").status is JobStatus.COMPLETED
    ordinals = sorted(part.ordinal for part in catalog.parts("job") if part.query == "records")
    assert ordinals == list(range(1, len(ordinals) + 1))
