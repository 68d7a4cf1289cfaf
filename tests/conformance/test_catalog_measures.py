"""What the catalog tells of the stages of a job that ran."""

from __future__ import annotations

from pathlib import Path

from catalog_kit import GROUP, Work, run_to_end, submit

from tolva.catalog import Catalog


def test_measures_are_those_of_the_committed_tasks(catalog: Catalog, tmp_path: Path) -> None:
    # Given a job that ran to its end
    submit(catalog, GROUP, {("big", "1.csv"): 5, ("big", "2.csv"): 1, ("small", "1.csv"): 2})
    run_to_end(catalog, Work(GROUP, tmp_path), catalog.admit())
    # Then there is one record a stage, in the plan's order, with a time for every task that was done
    measures = catalog.measures("job")
    progress = {stage.name: stage for stage in catalog.progress("job").stages}
    assert [found.name for found in measures] == [stage.name for stage in GROUP.stages]
    assert all(len(found.task_seconds) == progress[found.name].done for found in measures)
    assert all(found.records_read == progress[found.name].records for found in measures)
    # And scans left what later stages read
    assert measures[0].records_left
    assert measures[0].bytes_left
