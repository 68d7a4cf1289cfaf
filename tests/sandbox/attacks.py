"""Attacks: what is asked, and what must come of it.

``ends`` are the codes of the errors that are right; "answer" stands for the right answer, which is then in ``answer``.
"""

# ruff: noqa: E501 - an attack is easier to read in one line
from __future__ import annotations

from dataclasses import dataclass

REFUSED = frozenset({"query"})
SHORT = frozenset({"out_of_memory"})
LATE = frozenset({"late"})
"""Stopped at its deadline, which is an ``execution`` error too; told apart by the tests."""

FAILED = frozenset({"execution"})

SHORT_OR_LATE = SHORT | LATE
BROUGHT_DOWN = SHORT | LATE | {"query", "worker_lost"}
"""Whichever limit is met first, in the parser or behind it."""


@dataclass(frozen=True)
class Attack:
    name: str
    sql: str
    ends: frozenset[str]
    answer: bytes | None = None


def _refused(name: str, sql: str) -> Attack:
    return Attack(name, sql, REFUSED)


READS = [
    _refused("read_csv", "SELECT * FROM read_csv('/etc/passwd')"),
    _refused("read_csv in capitals and quotes", "SELECT * FROM \"READ_CSV\"('/etc/passwd')"),
    _refused("read_csv with its schema", "SELECT * FROM system.main.read_csv('/etc/passwd')"),
    _refused("read_csv in a subquery", "SELECT (SELECT count(*) FROM read_csv_auto('/etc/passwd'))"),
    _refused("read_csv behind a comment", "SELECT * FROM /* harmless() */ read_csv -- range(\n ('/etc/passwd')"),
    _refused("read_csv in EXISTS", "SELECT 1 WHERE EXISTS (FROM read_csv('/etc/passwd'))"),
    _refused("read_csv in a lateral join", "SELECT * FROM range(2) AS r(i), LATERAL (SELECT * FROM read_csv('/etc/passwd'))"),
    _refused("read_csv in a recursive WITH", "WITH RECURSIVE w AS (SELECT 1 UNION ALL FROM read_csv('/x')) FROM w"),
    _refused("read_text", "SELECT content FROM read_text('/etc/passwd')"),
    _refused("read_blob", "SELECT content FROM read_blob('/proc/self/environ')"),
    _refused("read_json", "SELECT * FROM read_json('/etc/passwd')"),
    _refused("read_ndjson_objects", "SELECT * FROM read_ndjson_objects('/etc/passwd')"),
    _refused("read_parquet over the network", "SELECT * FROM read_parquet('https://example.com/x.parquet')"),
    _refused("read_duckdb", "SELECT * FROM read_duckdb('/tmp/x.db')"),
    _refused("parquet_metadata", "SELECT * FROM parquet_metadata('/etc/passwd')"),
    _refused("parquet_schema", "SELECT * FROM parquet_schema('s3://bucket/x')"),
    _refused("sniff_csv", "SELECT * FROM sniff_csv('/etc/passwd')"),
    _refused("glob", "SELECT * FROM glob('/etc/*')"),
    _refused("a file as a table", "SELECT * FROM '/etc/passwd'"),
    _refused("a CSV file as a table", "FROM '/etc/passwd.csv'"),
    _refused("a file on the network as a table", "FROM 'https://example.com/x.parquet'"),
    _refused("a table of the tests' own process", "SELECT * FROM secret_frame"),
    _refused("a raw pointer", "SELECT * FROM arrow_scan(1, 2, 3)"),
    _refused("a storage key as a table", "FROM 'jobs/other/q_finish/0/1/partial'"),
]  # fmt: skip

STATEMENTS = [
    _refused("COPY FROM", "COPY t FROM '/etc/passwd'"),
    _refused("COPY TO", "COPY (SELECT 1) TO '/tmp/tolva-attack'"),
    _refused("COPY TO a program", "COPY (SELECT 1) TO '/dev/stdout' (FORMAT csv)"),
    _refused("EXPORT DATABASE", "EXPORT DATABASE '/tmp/tolva-attack'"),
    _refused("IMPORT DATABASE", "IMPORT DATABASE '/tmp/tolva-attack'"),
    _refused("ATTACH", "ATTACH '/tmp/tolva-attack.db' AS x"),
    _refused("INSTALL", "INSTALL httpfs"),
    _refused("LOAD", "LOAD '/tmp/evil.duckdb_extension'"),
    _refused("SET", "SET memory_limit = '100GB'"),
    _refused("SET VARIABLE", "SET VARIABLE x = 1"),
    _refused("RESET", "RESET memory_limit"),
    _refused("PRAGMA", "PRAGMA enable_verification"),
    _refused("PRAGMA database_list", "PRAGMA database_list"),
    _refused("CALL", "CALL enable_logging('QueryLog', storage = 'file', storage_config = {'path': '/tmp/x'})"),
    _refused("CREATE SECRET", "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')"),
    _refused("CREATE MACRO", "CREATE MACRO f(x) AS (SELECT * FROM read_csv(x))"),
    _refused("CREATE TABLE AS", "CREATE TABLE x AS SELECT * FROM range(10)"),
    _refused("PREPARE", "PREPARE p AS SELECT 1"),
    _refused("EXECUTE", "EXECUTE statement_0"),
    _refused("EXPLAIN ANALYZE COPY", "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/tolva-attack'"),
    _refused("EXPLAIN ANALYZE", "EXPLAIN ANALYZE SELECT 1"),
    _refused("two statements", "SELECT 1; COPY (SELECT 1) TO '/tmp/tolva-attack'"),
    _refused("a statement behind a comment", "SELECT 1 -- ;\n; ATTACH '/tmp/tolva-attack.db'"),
    _refused("INSERT in a WITH", "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x"),
    _refused("DELETE in a nested WITH", "SELECT * FROM (WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x)"),
    _refused("breaking out of the brackets", "SELECT 1) AS a; COPY (SELECT 1) TO '/tmp/tolva-attack'; SELECT (1"),
    _refused("breaking out by a comment", "SELECT 1) AS answer(c0) --"),
    _refused("VACUUM", "VACUUM"),
    _refused("a parameter", "SELECT $x"),
]

TELLING = [
    _refused("duckdb_settings", "SELECT * FROM duckdb_settings()"),
    _refused("duckdb_secrets", "SELECT * FROM duckdb_secrets(redact := false)"),
    _refused("duckdb_tables as a view", "SELECT * FROM duckdb_tables"),
    _refused("information_schema", "SELECT * FROM information_schema.columns"),
    _refused("pg_catalog", "SELECT * FROM pg_catalog.pg_class"),
    _refused("current_setting", "SELECT current_setting('temp_directory')"),
    _refused("getenv", "SELECT getenv('HOME')"),
    _refused("getvariable", "SELECT getvariable('x')"),
    _refused("current_query", "SELECT current_query()"),
    _refused("SHOW", "SELECT * FROM (SHOW ALL TABLES)"),
    _refused("query()", "SELECT * FROM query('SELECT * FROM read_csv(''/etc/passwd'')')"),
    _refused("query_table()", "SELECT * FROM query_table('/etc/passwd')"),
    _refused("serialized SQL", "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))"),
    _refused("serialized plan", "SELECT json_serialize_plan('SELECT * FROM read_csv(''/etc/passwd'')')"),
    _refused("an aggregate state made up", "SELECT finalize('AAAA'::BLOB)"),
    _refused("an aggregate's name made up", "SELECT list_aggregate(['x'], 'combine' || '_aggr')"),
    _refused("write_log", "SELECT write_log('x')"),
    _refused("setseed", "SELECT setseed(0.1)"),
    _refused("nextval", "SELECT nextval('s')"),
    _refused("sleep_ms", "SELECT sleep_ms(100000)"),
    _refused("pg_sleep", "SELECT pg_sleep(100)"),
]

PARSERS = [
    Attack("parentheses", "SELECT " + "(" * 200_000 + "1" + ")" * 200_000, BROUGHT_DOWN),
    Attack("NOT NOT NOT", "SELECT " + "NOT " * 100_000 + "true", BROUGHT_DOWN),
    Attack("a long sum", "SELECT " + "1+" * 100_000 + "1", BROUGHT_DOWN),
    Attack("nested subqueries", "SELECT " + "(SELECT " * 2_000 + "1" + ")" * 2_000, BROUGHT_DOWN),
    Attack("nested CASE", "SELECT " + "CASE WHEN true THEN " * 5_000 + "1" + " END" * 5_000, BROUGHT_DOWN),
    Attack("nested lists", "SELECT " + "[" * 10_000 + "]" * 10_000, BROUGHT_DOWN),
    Attack("a list of 100,000 in IN", f"SELECT 5 IN ({','.join(map(str, range(100_000)))})", SHORT | {"answer"}, b"true\n"),
    Attack("too much SQL", f"SELECT '{'x' * 2**20}'", REFUSED),
    Attack("a million semicolons", f"SELECT length('{';' * 1_000_000}')", frozenset({"answer"}), b"1000000\n"),
    Attack("WITHs that double", "WITH a0 AS (SELECT 1), " + ", ".join(f"a{n} AS (FROM a{n - 1} UNION ALL FROM a{n - 1})" for n in range(1, 25)) + " SELECT count(*) FROM a24", BROUGHT_DOWN | {"answer"}, b"16777216\n"),
    Attack("a join of 120", "SELECT count(*) FROM " + ", ".join(f"range(2) AS r{n}" for n in range(120)), BROUGHT_DOWN),
]  # fmt: skip

MEMORY = [
    Attack("repeat", "SELECT length(repeat('a', 2000000000))", SHORT_OR_LATE),
    Attack("repeat in many rows", "SELECT sum(length(repeat('a', 100000000) || range)) FROM range(64)", SHORT_OR_LATE | {"answer"}, b"6400000118\n"),
    Attack("lpad", "SELECT length(lpad('x', 2000000000, 'y'))", SHORT_OR_LATE),
    Attack("format", "SELECT length(format('{:>1000000000}', 'x'))", SHORT_OR_LATE),
    Attack("printf", "SELECT length(printf('%1000000000d', 1))", SHORT_OR_LATE),
    Attack("a list by range", "SELECT len(range(300000000))", SHORT_OR_LATE),
    Attack("a list by generate_series", "SELECT len(generate_series(1, 1000000000))", SHORT_OR_LATE),
    Attack("a list of all rows", "SELECT len(list(range)) FROM range(500000000)", SHORT_OR_LATE),
    Attack("string_agg", "SELECT length(string_agg(repeat('x', 1000), '')) FROM range(10000000)", SHORT_OR_LATE),
    Attack("a string that doubles", "WITH RECURSIVE r AS (SELECT 'x' AS s, 0 AS n UNION ALL SELECT s || s, n + 1 FROM r WHERE n < 40) SELECT max(length(s)) FROM r", SHORT_OR_LATE),
    Attack("recursion without end", "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", SHORT_OR_LATE),
    Attack("recursion that doubles", "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + x FROM r, (VALUES (1), (2)) v(x)) SELECT count(*) FROM r", SHORT_OR_LATE),
    Attack("groups without end", "SELECT count(*) FROM (SELECT DISTINCT range, hash(range) FROM range(2000000000))", SHORT_OR_LATE),
    Attack("a window over everything", "SELECT max(x) FROM (SELECT row_number() OVER (ORDER BY hash(range)) AS x FROM range(2000000000))", SHORT_OR_LATE),
    Attack("a deep OFFSET", "SELECT hash(range) AS h FROM range(2000000000) ORDER BY h LIMIT 1000000000 OFFSET 1000000000", SHORT_OR_LATE),
    Attack("unnest of an unnest", "SELECT count(*) FROM (SELECT unnest(range(100000)) FROM (SELECT unnest(range(100000))))", SHORT_OR_LATE),
    Attack("a wide row", "SELECT " + ", ".join(f"repeat('x', 50000000) AS c{n}" for n in range(40)), SHORT_OR_LATE),
    Attack("a JSON of a million", "SELECT length(json_group_array(range)::VARCHAR) FROM range(300000000)", SHORT_OR_LATE),
    Attack("damerau_levenshtein", "SELECT damerau_levenshtein(repeat('a', 50000), repeat('b', 50000))", SHORT_OR_LATE),
]  # fmt: skip

TIME = [
    Attack("a cross join", "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE hash(a.range) = b.range", SHORT_OR_LATE),
    Attack("levenshtein", "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))", SHORT_OR_LATE),
    Attack("a huge power", "SELECT sum(factorial(33) * sin(range)) FROM range(100000000000)", SHORT_OR_LATE),
    Attack("a regex with nested stars", "SELECT count(*) FROM range(3000000) WHERE regexp_matches(repeat('a', 2000) || range, '(a+)+$')", SHORT_OR_LATE),
]  # fmt: skip

DISK = [
    Attack("spilling a sort", "SELECT max(a) FROM (SELECT range AS a, repeat('x', 200) || hash(range) AS b FROM range(100000000) ORDER BY b LIMIT 90000000)", SHORT_OR_LATE),
    Attack("an answer without end", "SELECT range, repeat('x', 1000) FROM range(1000000000000)", SHORT_OR_LATE | {"storage"}),
]  # fmt: skip

NUMBERS = [
    Attack("a decimal too wide", "SELECT 99999999999999999999999999999999999999::DECIMAL(38,0) * 10", FAILED),
    Attack("a shift too far", "SELECT 1 << 62", FAILED),
    Attack("a date too late", "SELECT DATE '2024-01-01' + INTERVAL '1000000 years'", FAILED),
    Attack("a regex too large", "SELECT regexp_matches('a', '((a{1000}){1000}){1000}')", REFUSED | FAILED),
]

REFUSALS = [*READS, *STATEMENTS, *TELLING]
BOMBS = [*PARSERS, *MEMORY, *TIME, *DISK, *NUMBERS]
