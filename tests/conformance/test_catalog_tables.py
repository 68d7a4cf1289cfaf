"""Stored tables: loads that become true with their job, versions that running jobs keep, objects nobody needs."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from catalog_kit import FILTER, LEASE_SECONDS, new_job, plan_of, submit

from tolva.catalog import Catalog
from tolva.errors import NotFoundError, StateError
from tolva.model import Content, Done, Loaded, LoadMode, NewLoad, StoredTable, TableObject
from tolva.plan import Column, Format, Result, Role, Stage
from tolva.states import JobStatus

COLUMNS = (("id", "INTEGER"), ("name", "VARCHAR"))


def an_object(key: str, records: int = 10, dropped: str | None = None) -> TableObject:
    return TableObject(key, records, 100, {"id": ["1", "9"]}, dropped)


def a_load(mode: LoadMode = LoadMode.APPEND, **changes: object) -> NewLoad:
    return NewLoad(**{"table": "people", "mode": mode, "columns": COLUMNS, **changes})  # type: ignore[arg-type]


def begin(catalog: Catalog, job_id: str, new: NewLoad, client: str = "local") -> None:
    submit(catalog, FILTER, {("big", "1.csv"): 1}, job_id, client)
    catalog.begin_load(job_id, new)


def finish(
    catalog: Catalog,
    job_id: str,
    objects: Iterable[TableObject],
    contents: Iterable[Content] = (),
    table: str = "people",
    verdict: dict[str, object] | None = None,
) -> JobStatus:
    """Do the job's tasks; the last one says what the load came to."""
    found = tuple(objects)
    loaded = (Loaded(table, found, tuple(contents)),) if found or verdict is None else ()
    catalog.admit()
    while hints := catalog.ready(job_id=job_id):
        done = [
            Done(
                claim.task_id,
                claim.attempt,
                loaded=loaded if claim.role is Role.FINISH else (),
                verdict=verdict if claim.role is Role.FINISH else None,
            )
            for claim in catalog.claim([hint.task_id for hint in hints], "worker", LEASE_SECONDS)
        ]
        catalog.commit(done)
        assert catalog.commit(done) == (set(), [])  # a repeated call changes nothing
    return catalog.job(job_id).status


def load(
    catalog: Catalog,
    job_id: str,
    objects: Iterable[TableObject],
    mode: LoadMode = LoadMode.APPEND,
    contents: Iterable[Content] = (),
    **changes: object,
) -> StoredTable:
    begin(catalog, job_id, a_load(mode, **changes))
    assert finish(catalog, job_id, objects, contents) is JobStatus.COMPLETED, catalog.job(job_id).error
    return catalog.table("local", "people")


def keys(catalog: Catalog, table: StoredTable) -> list[str]:
    return [each.key for each in catalog.table_objects(table.id, table.version)]


def test_a_load_is_true_when_its_job_is_completed_and_not_before(catalog: Catalog) -> None:
    begin(catalog, "job", a_load(key=("id",)))
    with pytest.raises(NotFoundError, match="no stored table people"):
        catalog.table("local", "people")
    assert finish(catalog, "job", [an_object("a", 3), an_object("b", 4)]) is JobStatus.COMPLETED
    (table,) = catalog.tables("local")
    assert (table.name, table.version, table.columns, table.key) == ("people", 1, COLUMNS, ("id",))
    assert (table.records, table.bytes) == (7, 200)
    assert catalog.table("local", "PEOPLE") == table
    assert catalog.table_objects(table.id, 1) == [an_object("a", 3), an_object("b", 4)]


def test_append_adds_and_replace_leaves_only_the_new(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("a")])
    assert keys(catalog, load(catalog, "2", [an_object("b")])) == ["a", "b"]
    replaced = load(catalog, "3", [an_object("c")], LoadMode.REPLACE, columns=(("other", "DATE"),))
    assert keys(catalog, replaced) == ["c"]
    assert replaced.columns == (("other", "DATE"),)
    assert [each.key for each in catalog.table_objects(replaced.id, 2)] == ["a", "b"]


def test_an_upsert_puts_changed_objects_in_place_of_old_ones(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("a"), an_object("b"), an_object("c")])
    objects = [an_object("a", 4, dropped="a-1"), an_object("b", 0), an_object("d", 6)]
    table = load(catalog, "2", objects, LoadMode.UPSERT, base_version=1)
    assert {each.key: each for each in catalog.table_objects(table.id, 2)} == {
        "a": an_object("a", 4, dropped="a-1"),
        "c": an_object("c"),
        "d": an_object("d", 6),
    }
    assert table.records == 20
    assert {each.key for each in catalog.table_objects(table.id, 1)} == {"a", "b", "c"}


def test_an_upsert_against_an_older_version_fails_and_changes_nothing(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("a")])
    begin(catalog, "slow", a_load(LoadMode.UPSERT, base_version=1))
    after = load(catalog, "quick", [an_object("b")])
    assert finish(catalog, "slow", [an_object("a", 1, dropped="a-1")]) is JobStatus.FAILED
    error = catalog.job("slow").error
    assert error
    assert "changed by another load" in error["message"]
    assert catalog.table("local", "people") == after


def test_columns_are_added_and_never_change_their_type(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("a")])
    table = load(catalog, "2", [an_object("b")], columns=(("NAME", "VARCHAR"), ("born", "DATE")))
    assert table.columns == (*COLUMNS, ("born", "DATE"))
    submit(catalog, FILTER, {}, "3")
    with pytest.raises(StateError, match="Column born of table people is DATE"):
        catalog.begin_load("3", a_load(columns=(("born", "VARCHAR"),)))


def test_two_loads_that_disagree_about_a_new_column(catalog: Catalog) -> None:
    begin(catalog, "1", a_load(columns=(("x", "DATE"),)))
    begin(catalog, "2", a_load(columns=(("x", "INTEGER"),)))
    assert finish(catalog, "1", [an_object("a")]) is JobStatus.COMPLETED
    assert finish(catalog, "2", [an_object("b")]) is JobStatus.FAILED
    assert keys(catalog, catalog.table("local", "people")) == ["a"]


def test_the_same_content_is_refused_unless_allowed(catalog: Catalog) -> None:
    monday = [Content("monday.csv", "d1")]
    load(catalog, "1", [an_object("a")], contents=monday)
    begin(catalog, "2", a_load())
    again = [Content("new.csv", "d2"), Content("copy.csv", "d1")]
    assert finish(catalog, "2", [an_object("b")], again) is JobStatus.FAILED
    error = catalog.job("2").error
    assert error
    assert "copy.csv has the content of monday.csv, which job 1 loaded" in error["message"]
    assert keys(catalog, catalog.table("local", "people")) == ["a"]
    # What failed with it is not known, and a replacement is no doubling.
    load(catalog, "3", [an_object("c")], contents=[Content("new.csv", "d2")])
    assert keys(catalog, load(catalog, "4", [an_object("d")], contents=again, allow_again=True)) == ["a", "c", "d"]
    assert keys(catalog, load(catalog, "5", [an_object("e")], LoadMode.REPLACE, contents=monday)) == ["e"]


@pytest.mark.parametrize("how", ["cancel", "fail", "verdict"])
def test_a_load_whose_job_ends_otherwise_leaves_nothing(catalog: Catalog, how: str) -> None:
    before = load(catalog, "1", [an_object("a")])
    begin(catalog, "2", a_load(LoadMode.REPLACE))
    if how == "cancel":
        catalog.cancel("2")
    elif how == "fail":
        catalog.fail("2", {"code": "x", "message": "x", "retryable": False, "data": {}})
    else:
        verdict = {"code": "rejects", "message": "too many", "retryable": False, "data": {}}
        assert finish(catalog, "2", [], verdict=verdict) is JobStatus.FAILED
        assert catalog.job("2").error == verdict
        with pytest.raises(StateError, match="none to retry"):
            catalog.retry_dead("2")
    assert catalog.table("local", "people") == before


def test_a_verdict_can_leave_what_was_loaded(catalog: Catalog) -> None:
    verdict = {"code": "rejects", "message": "too many", "retryable": False, "data": {}}
    begin(catalog, "1", a_load())
    assert finish(catalog, "1", [an_object("tables/1/a")], verdict=verdict) is JobStatus.FAILED
    assert catalog.job("1").error == verdict
    assert keys(catalog, catalog.table("local", "people")) == ["tables/1/a"]
    assert catalog.stored_keys("tables/1") == {"tables/1/a"}


def test_tables_belong_to_their_client(catalog: Catalog) -> None:
    mine = load(catalog, "1", [an_object("a")])
    begin(catalog, "2", a_load(), client="other")
    finish(catalog, "2", [an_object("b")])
    assert [each.client for each in catalog.tables("other")] == ["other"]
    assert catalog.table("local", "people") == mine
    for ask in (catalog.table, catalog.drop_table):
        with pytest.raises(NotFoundError):
            ask("third", "people")


def test_objects_are_retired_when_no_job_uses_them(catalog: Catalog) -> None:
    table = load(catalog, "1", [an_object("a"), an_object("b", dropped="b-1")])
    submit(catalog, FILTER, {("big", "1.csv"): 1}, "reader", uses={table.id: table.version})
    load(catalog, "2", [an_object("c")], LoadMode.REPLACE)
    assert catalog.retire_objects().keys == ()
    assert keys(catalog, table) == ["a", "b"]
    catalog.cancel("reader")
    retired = catalog.retire_objects()
    assert retired.keys == ("a", "b", "b-1")
    assert catalog.retire_objects() == retired  # until they are forgotten
    catalog.forget_objects(retired)
    assert catalog.retire_objects().keys == ()
    assert keys(catalog, catalog.table("local", "people")) == ["c"]


def test_an_object_that_a_version_still_has_keeps_its_bytes(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("a", dropped="a-1")])
    load(catalog, "2", [an_object("a", 3, dropped="a-2")], LoadMode.UPSERT, base_version=1)
    retired = catalog.retire_objects()
    assert retired.keys == ("a-1",)
    catalog.forget_objects(retired)
    catalog.drop_table("local", "people")
    assert catalog.retire_objects().keys == ("a", "a-2")


def test_a_job_can_only_use_the_version_of_now(catalog: Catalog) -> None:
    table = load(catalog, "1", [an_object("a")])
    load(catalog, "2", [an_object("b")])
    with pytest.raises(StateError, match="people was changed"):
        submit(catalog, FILTER, {}, "late", uses={table.id: table.version})
    assert catalog.job("late").plan is None


def test_a_dropped_table_is_gone_but_not_for_those_who_use_it(catalog: Catalog) -> None:
    table = load(catalog, "1", [an_object("a")], contents=[Content("f", "d1")])
    submit(catalog, FILTER, {}, "reader", uses={table.id: table.version})
    catalog.drop_table("local", "People")
    assert catalog.tables("local") == []
    with pytest.raises(NotFoundError):
        catalog.drop_table("local", "people")
    assert catalog.retire_objects().keys == ()
    assert keys(catalog, table) == ["a"]
    # A new one of the name begins from nothing, and knows no contents.
    new = load(catalog, "2", [an_object("b")], contents=[Content("f", "d1")])
    assert (new.version, keys(catalog, new)) == (1, ["b"])
    catalog.cancel("reader")
    retired = catalog.retire_objects()
    assert retired.keys == ("a",)
    catalog.forget_objects(retired)
    assert catalog.table_objects(table.id, table.version) == []


def test_a_final_job_begins_no_load(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    catalog.cancel("job")
    with pytest.raises(StateError, match="loads nothing more"):
        catalog.begin_load("job", a_load())


def test_keys_below_a_folder_are_told_from_garbage(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("tables/1/a", dropped="tables/1/a-1"), an_object("tables/10/b")])
    assert catalog.stored_keys("tables/1") == {"tables/1/a", "tables/1/a-1"}
    assert catalog.stored_keys("tables/_") == set()


def test_tables_are_found_together_with_their_objects(catalog: Catalog) -> None:
    load(catalog, "1", [an_object("a")])
    table = load(catalog, "2", [an_object("b", dropped="b-1")])
    found = catalog.kept("local", ["PEOPLE", "nobody"])
    assert found == {"PEOPLE": (table, catalog.table_objects(table.id, table.version))}
    assert catalog.kept("third", ["people"]) == {}


def test_a_job_without_files_begins_with_its_plan(catalog: Catalog) -> None:
    catalog.create_job(new_job("job"))
    plan = plan_of(Stage("only", Role.FINISH, result=Result("q", Format.CSV, (Column("n", "BIGINT"),), "SELECT 1")))
    hints = catalog.set_plan("job", plan, ended=True)
    assert catalog.job("job").status is JobStatus.WIP
    assert catalog.job("job").input_ended
    assert len(catalog.claim([hint.task_id for hint in hints], "worker", 10)) == 1
