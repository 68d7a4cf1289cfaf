"""kill -9 before and after every COMMIT: what was committed is there, what wasn't is not, and a second life goes on.

By default a process dies at each point once; with ``TOLVA_KILLS`` set, where it comes first and where it comes last.
"""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from catalog_kit import SHAPES, FakeClock, Place, Work
from catalog_processes import LIFE_GIVEN, context, life, live_until

from tolva import crash
from tolva.catalog import Catalog
from tolva.errors import NotFoundError
from tolva.plan import Plan
from tolva.states import JobStatus

PLAN = SHAPES["broadcast"]
SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
BOTH = "TOLVA_KILLS" in os.environ


def seen(catalog: Catalog) -> Any:
    """Return all that can be seen of the life's jobs."""
    jobs = catalog.jobs()
    try:
        of_job = [
            ask("job")
            for ask in (catalog.files, catalog.progress, catalog.tasks, catalog.attempts, catalog.parts, catalog.keys)
        ]
    except NotFoundError:
        of_job = []
    return jobs, of_job


@pytest.fixture
def states(
    place: Place, work_on: Callable[[Plan], Work], monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, int], Any]:
    """Live once unharmed; return what could be seen around each COMMIT, by crash point and hit."""
    undisturbed = replace(place, where=place.where / "undisturbed")
    catalog = undisturbed.open(clock=FakeClock())
    found: dict[tuple[str, int], Any] = {}
    hits: dict[str, int] = {}

    def look(name: str) -> None:
        if re.fullmatch(r"catalog\.\w+\.(before|after)", name):
            hits[name] = hits.get(name, 0) + 1
            found[name, hits[name]] = seen(catalog)

    monkeypatch.setattr(crash, "point", look)
    life(catalog, work_on(PLAN))
    monkeypatch.undo()
    assert catalog.job("job").status is JobStatus.COMPLETED
    catalog.close()
    return found


def test_a_killed_process_leaves_what_it_committed_and_a_second_one_finishes(
    place: Place, states: dict[tuple[str, int], Any]
) -> None:
    points = {name for name, _ in states}
    for method in ("create_job", "set_plan", "add_chunks", "end_input", "claim", "commit", "release", "cancel"):
        assert {f"catalog.{method}.before", f"catalog.{method}.after"} <= points

    # The first or the last time at each point, or both: those between meet nothing new.
    last = dict(list(states))  # hits of a point come in their order, so its last one stays
    print(f"TOLVA_SEED={SEED}")
    chance = random.Random(SEED)
    chosen = [
        (point, hit) for point in last for hit in ({1, last[point]} if BOTH else {chance.choice([1, last[point]])})
    ]
    for number, (point, hit) in enumerate(chosen):
        where = replace(place, where=place.where / str(number))
        folder = Path(where.where / "work")
        folder.mkdir(parents=True)
        victim = context.Process(target=live_until, args=(where, PLAN, folder, point, hit))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL, (point, hit)

        catalog = where.open(clock=FakeClock())
        assert seen(catalog) == states[point, hit], (point, hit)
        if point.endswith("after"):  # what is there before a COMMIT is what was there after the last
            work = Work(PLAN, folder)
            life(catalog, work)
            assert catalog.job("job").status is JobStatus.COMPLETED
            assert work.result(catalog.parts("job")) == work.expected(LIFE_GIVEN), (point, hit)
        catalog.close()
