"""Queries that are refused: what is wrong, where, and what was probably meant."""

# ruff: noqa: E501 - a message is easier to read in one line
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
        Query 'q1': VARCHAR + INTEGER: these types don't fit. Cast one side, as in CAST(x AS INTEGER).
          line 1: SELECT note + 1 FROM transactions
                              ^""")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT store_id LIKE 'x' FROM stores", "INTEGER LIKE VARCHAR: these types don't fit. Cast one side, as in CAST(x AS VARCHAR)."),
        ("SELECT DATE '2024-01-01' - final_amount FROM transactions", "DATE - DECIMAL(18,3): these types don't fit. Cast one side to a type that does."),
        ("SELECT sum(note) FROM transactions", "sum() doesn't take (VARCHAR). It takes sum(DECIMAL), sum(BOOLEAN), sum(SMALLINT), sum(INTEGER), sum(BIGINT), sum(HUGEINT) and others."),
        ("SELECT date_trunc('month', note) FROM transactions", "date_trunc() doesn't take (VARCHAR, VARCHAR). It takes date_trunc(VARCHAR, DATE), date_trunc(VARCHAR, INTERVAL),"),
        ("SELECT upper(store_id) FROM stores", "upper() doesn't take (INTEGER). It takes upper(VARCHAR)."),
        ("SELECT created > 5 FROM (SELECT DATE '2024-01-01' AS created)", "Cannot compare values of type DATE and type INTEGER. Cast one of them"),
        ("SELECT coalesce(note, store_id) FROM transactions", "Cannot mix values of type VARCHAR and INTEGER in COALESCE operator. Cast one of them"),
        ("SELECT CASE WHEN true THEN note ELSE store_id END FROM transactions", "INTEGER and VARCHAR in CASE expression. Cast one of them"),
    ],
)  # fmt: skip
def test_types_that_do_not_fit_are_named_with_those_that_do(sql: str, said: str) -> None:
    assert said in refusal(sql).message


@pytest.mark.parametrize(
    ("sql", "said", "marked"),
    [
        ("SELECT s.name FROM stores s", "Did you mean store_name?", "s.name"),
        ("SELECT strores.store_id FROM stores", "Did you mean stores?", "strores.store_id"),
        ("SELECT x.* FROM stores", "The tables are stores, transactions.", "x"),
        ("SELECT * EXCLUDE (nme) FROM stores", "The columns are store_id, final_amount, note, store_name.", "nme"),
        ("SELECT * FROM transactions JOIN stores USING (storeid)", "Did you mean store_id?", "storeid"),
        ("SELECT store_id::INTEGR FROM stores", "Did you mean INTEGER?", "INTEGR"),
        ("SELECT {'total': 1}.totl", "Did you mean total?", "totl"),
        ("SELECT lenght(note) FROM transactions", "Did you mean length?", "lenght(note)"),
        ("SELECT sum(store_id) OVER (PARTITION BY nott) FROM transactions", "Did you mean note?", "nott"),
        ("SELECT unnest(store_id) FROM stores", "can only be applied to lists, structs and NULL, not INTEGER", "unnest(store_id)"),
        ("SELECT 'abc FROM stores", "unterminated string literal", "'abc FROM stores"),
        ("SELECT sum(sum(store_id)) FROM stores", "aggregate function calls cannot be nested", "sum(store_id)"),
        ("SELECT store_id FROM stores WHERE sum(store_id) > 3", "WHERE clause cannot contain aggregates", "sum(store_id)"),
        ("SELECT (SELECT store_id, store_name FROM stores)", "Subquery returns 2 columns - expected 1", "(SELECT store_id, store_name FROM stores)"),
        ("SELECT 1\nFROM read_csv('x')", "Name the files as a table of the job.", "read_csv('x')"),
        ("SELECT sleep_ms(5)", "sleep_ms() isn't allowed: it only waits.", "sleep_ms(5)"),
    ],
)  # fmt: skip
def test_every_refusal_shows_its_place(sql: str, said: str, marked: str) -> None:
    lines = refusal(sql).message.split("\n")
    assert said in "\n".join(lines[:-2])
    start = lines[-1].index("^")
    under = lines[-2][start : start + lines[-1].count("^")]
    assert under == marked or (under == marked[0] and marked.startswith("'"))


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
