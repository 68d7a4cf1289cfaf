"""Queries that are refused: what is wrong, where, and what was probably meant."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tolva.errors import QueryError
from tolva.plan import Column
from tolva.planner import Query, TableInfo, plan

TABLES = {
    "transactions": TableInfo(
        (Column("store_id", "INTEGER"), Column("final_amount", "DECIMAL(18,3)"), Column("note", "VARCHAR")), 10**9
    ),
    "stores": TableInfo((Column("store_id", "INTEGER"), Column("store_name", "VARCHAR")), 1000),
}


def refusal(sql: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        plan({"q1": Query(sql)}, TABLES)
    return caught.value


def test_an_unknown_column_is_shown_in_its_line_with_the_nearest_names() -> None:
    error = refusal("SELECT store_id\nFROM transactions\nWHERE final_amont > 3")
    assert error.message == dedent("""\
        Query 'q1': Referenced column "final_amont" not found in FROM clause!
        Did you mean final_amount?
          line 3: WHERE final_amont > 3
                        ^^^^^^^^^^^""")
    assert error.data == {"query": "q1", "line": 3, "column": 7}


def test_an_unknown_column_of_a_table_is_shown_with_the_nearest_names() -> None:
    error = refusal("SELECT t.stor_name FROM stores t")
    assert error.message == dedent("""\
        Query 'q1': Table "t" does not have a column named "stor_name"
        Did you mean store_name?
          line 1: SELECT t.stor_name FROM stores t
                         ^^^^^^^^^^^""")


def test_a_column_of_a_subquery_is_suggested_too() -> None:
    error = refusal("WITH w AS (SELECT store_id AS key FROM stores) SELECT kez FROM w")
    assert "Did you mean key?" in error.message


def test_an_unknown_table_is_shown_with_the_nearest_one() -> None:
    error = refusal("SELECT store_id FROM transaction")
    assert error.message == dedent("""\
        Query 'q1': Table with name transaction does not exist!
        Did you mean transactions?
          line 1: SELECT store_id FROM transaction
                                       ^^^^^^^^^^^""")


def test_an_unknown_table_like_no_other_is_answered_with_all_of_them() -> None:
    assert "The tables are stores, transactions." in refusal("SELECT 1 FROM xyz").message


def test_an_unknown_function_is_shown_with_the_nearest_one() -> None:
    error = refusal("SELECT summ(store_id) FROM stores")
    assert "Scalar Function with name summ does not exist!\nDid you mean sum?" in error.message


def test_a_syntax_error_is_pointed_at() -> None:
    error = refusal("SELECT store_id\nFRM transactions")
    assert error.message == dedent("""\
        Query 'q1': syntax error at or near "transactions"
          line 2: FRM transactions
                      ^^^^^^^^^^^^""")


def test_types_that_do_not_fit_are_both_named() -> None:
    error = refusal("SELECT note + 1 FROM transactions")
    assert error.message == dedent("""\
        Query 'q1': No function matches the given name and argument types '+(VARCHAR, INTEGER_LITERAL)'. You might \
need to add explicit type casts.
          line 1: SELECT note + 1 FROM transactions
                              ^""")


def test_places_are_counted_in_characters() -> None:
    error = refusal("/* größer */ SELECT 'ü', nope FROM stores")
    assert error.message.endswith("  line 1: /* größer */ SELECT 'ü', nope FROM stores\n" + " " * 35 + "^^^^")
    assert error.data["column"] == 26


def test_a_query_refused_names_itself_among_others() -> None:
    with pytest.raises(QueryError, match="Query 'second': Table with name x"):
        plan({"first": Query("SELECT 1"), "second": Query("SELECT 1 FROM x")}, TABLES)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "is empty. Write exactly one SELECT."),
        ("-- nothing", "is empty. Write exactly one SELECT."),
        ("SELECT 1; SELECT 2", "has 2 statements. Write exactly one SELECT."),
        ("CREATE TABLE x (a INTEGER)", "is not a SELECT but CREATE."),
        ("INSERT INTO stores VALUES (1, 'a')", "is not a SELECT but INSERT."),
        ("WITH x AS (INSERT INTO stores VALUES (1, 'a') RETURNING *) SELECT * FROM x", "data-modifying statement"),
        ("COPY stores TO 'x'", "is not a SELECT but COPY."),
        ("ATTACH 'x'", "is not a SELECT but ATTACH."),
        ("LOAD json", "is not a SELECT but LOAD."),
        ("INSTALL json", "is not a SELECT but LOAD."),
        ("SET threads = 4", "is not a SELECT but SET."),
        ("PRAGMA version", "is not a SELECT but PRAGMA."),
        ("CALL pragma_version()", "is not a SELECT but CALL."),
        ("EXPLAIN SELECT 1", "is not a SELECT but EXPLAIN."),
        ("DESCRIBE stores", "describes tables."),
        ("SHOW TABLES", "describes tables."),
        ("SUMMARIZE stores", "describes tables."),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv() isn't allowed: it"),
        ("SELECT (SELECT count(*) FROM glob('/*'))", "glob() isn't allowed: it"),
        ("SELECT * FROM read_text('/etc/passwd')", "read_text() isn't allowed: it"),
        ("SELECT * FROM duckdb_settings()", "duckdb_settings() isn't allowed: it"),
        ("SELECT * FROM pragma_version()", "pragma_version() isn't allowed: it"),
        ("SELECT * FROM query('SELECT 1')", "query() isn't allowed: it"),
        ("SELECT * FROM information_schema.tables", "duckdb_tables() isn't allowed: it"),
        ("SELECT * FROM duckdb_tables", "duckdb_tables() isn't allowed: it"),
        ("FROM '/etc/passwd'", "Table with name /etc/passwd does not exist!"),
        ("SELECT rowid FROM stores", "uses rowid, but rows have no number here."),
        ("SELECT $1", "has a parameter ($1 or ?). Write its value."),
        ("SELECT ?", "has a parameter ($1 or ?). Write its value."),
        ("PIVOT transactions ON store_id USING sum(final_amount)", "say which values become columns"),
        ("SELECT sum(store_id), note FROM transactions", 'column "note" must appear in the GROUP BY clause'),
        ("SELECT store_id FROM transactions, stores", 'Ambiguous reference to column name "store_id"'),
        ("SELECT 1 UNION SELECT 1, 2", "same number of result columns"),
    ],
)
def test_only_a_select_over_the_tables_is_planned(sql: str, said: str) -> None:
    assert said in refusal(sql).message


@pytest.mark.parametrize("end", ["", ";", " ; ", ";;", "; -- done", " -- done", "\n/* done; */\n"])
def test_whatever_ends_the_query_may_stand_there(end: str) -> None:
    made = plan({"q1": Query(f"SELECT ';' AS a, count(*) FROM stores, range(2){end}")}, TABLES)
    assert made.result_of("q1").columns[1] == Column("count_star()", "BIGINT")


def test_a_pivot_with_its_values_is_a_select() -> None:
    made = plan({"q1": Query("PIVOT transactions ON store_id IN (1, 2) USING sum(final_amount)")}, TABLES)
    assert [c.name for c in made.result_of("q1").columns] == ["note", "1", "2"]
