# ruff: noqa: E501 - a query is read best on one line
"""More of the grammar: each shape of a query by a template of its own, over a table with an id and edge values.

What DuckDB leaves open is not asked: ties are broken by the id, lists are ordered, doubles are small whole numbers.
"""

from __future__ import annotations

from grammar import Draw, Relation, conditions, numbers, texts
from hypothesis import strategies as st

THINGS = Relation("things", ("k", "n", "dec"), ("s",), ("b",), ("dt", "ts"))
FEW = Relation("few", ("k", "n", "dec"), ("s",), ("b",), ("dt", "ts"))
EMPTY = Relation("empty", ("k", "n", "dec"), ("s",), ("b",), ("dt", "ts"))

MAKE_THINGS = """
CREATE TABLE things AS SELECT
  i AS id,
  CASE WHEN random() < 0.15 THEN NULL ELSE (random() * 6)::INTEGER END AS k,
  CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.05 THEN 9007199254740993 ELSE (random() * 50)::BIGINT - 20 END AS n,
  CASE WHEN random() < 0.1 THEN NULL ELSE (random() * 20 - 10)::DECIMAL(12,2) END AS dec,
  CASE WHEN random() < 0.1 THEN 'nan'::DOUBLE WHEN random() < 0.1 THEN 'inf'::DOUBLE WHEN random() < 0.1 THEN '-inf'
       WHEN random() < 0.1 THEN -0.0 WHEN random() < 0.1 THEN NULL ELSE (random() * 4)::INTEGER::DOUBLE END AS d,
  CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.1 THEN '' WHEN random() < 0.1 THEN 'Ä,"' || chr(10)
       WHEN random() < 0.3 THEN 'B' ELSE chr((97 + random() * 3)::INTEGER) END AS s,
  CASE WHEN random() < 0.2 THEN NULL ELSE random() < 0.5 END AS b,
  DATE '2024-02-25' + (random() * 9)::INTEGER AS dt,
  TIMESTAMP '2024-03-30 20:00:00' + to_minutes((random() * 3000)::INTEGER) AS ts,
  TIMESTAMPTZ '2024-03-30 20:00:00+01' + to_hours((random() * 40)::INTEGER) AS tz,
  CASE WHEN random() < 0.1 THEN NULL ELSE to_days((random() * 3)::INTEGER) + to_hours((random() * 2)::INTEGER) END AS iv,
  CASE WHEN random() < 0.1 THEN NULL ELSE [i % 3, NULL, (random() * 3)::INTEGER][:(random() * 3)::INTEGER] END AS l,
  {'x': i % 4, 'y': ['p', 'q', NULL][(random() * 2)::INTEGER + 1]} AS st,
  MAP {'a': i % 2} AS m
FROM range(160) AS r(i)
"""
STATEMENTS = (
    MAKE_THINGS,
    "CREATE TABLE few AS FROM things WHERE id < 12",
    "CREATE TABLE empty AS FROM things WHERE false",
)

relations = st.sampled_from([THINGS, THINGS, THINGS, FEW, EMPTY])
keys = st.sampled_from(["k", "s", "b", "dt", "d", "tz", "iv", "st", "l", "dec", "st.y"])
single_keys = st.sampled_from(["k", "s", "b", "dt", "d", "tz", "iv", "st.x"])


def _where(draw: Draw, of: Relation) -> str:
    return f" WHERE {draw(conditions(of))}" if draw(st.booleans()) else ""


@st.composite
def values(draw: Draw, of: Relation) -> str:
    """Any expression whose value doesn't depend on the order of rows, also of the rarer types."""
    number, text = draw(numbers(of, 1)), draw(texts(of))
    options = [
        number, text, "d", "tz", "iv", "l", "st", "m", "st.x", "l[1]", "len(l)", "ts + iv", "dt + INTERVAL 1 MONTH",
        "date_trunc('month', tz)", "date_part('isodow', ts)", "ts - ts", "least(d, 2)", "d > 1", "d = d", "isnan(d)",
        "list_sort(l)", "list_sum(l)", "l || [7]", "list_contains(l, 1)", "lower(s) COLLATE NOCASE", "s ILIKE 'b%'",
        "fdiv(k, 2)", f"CASE WHEN b THEN {number} END", "b AND d > 0", "k IS NULL OR b", f"coalesce({text}, s, 'z')",
        "try_cast(s AS INTEGER)", "list_transform(l, lambda v: v + k)", "struct_pack(a := k, c := s)", "m['a']",
        "dec * dec", "dec / 3", "n // 3", "CAST(dec AS INTEGER)", "extract(epoch FROM iv)", "strftime(ts, '%Y-%m')",
        "regexp_replace(s, '[a-b]', 'X')", "concat_ws('-', s, k)", "greatest(dt, DATE '2024-02-28')", "hash(k) % 3",
    ]  # fmt: skip
    return str(draw(st.sampled_from(options)))


@st.composite
def aggregates(draw: Draw, of: Relation) -> str:
    """Any aggregate whose value doesn't depend on the order of rows."""
    value, key = draw(values(of)), draw(single_keys)
    options = [
        "count(*)", f"count({value})", f"count(DISTINCT {key})", f"min({value})", f"max({value})", "sum(n)", "sum(dec)",
        "sum(d)", "avg(dec)", "avg(d)", "sum(DISTINCT k)", "avg(DISTINCT n)", "bool_and(b)", "bool_or(b)", "bit_xor(n)",
        "median(dec)", "quantile_disc(n, 0.3)", "stddev_samp(k)", "var_pop(k)", "corr(k, id)", "entropy(s)",
        "list(s ORDER BY id)", "string_agg(s, '+' ORDER BY id DESC)", "list(DISTINCT k ORDER BY k)", "arg_min(s, id)",
        "arg_max(dec, id)", "first(k ORDER BY id)", "last(s ORDER BY id)", "min(k, 2)", "max(id, 3)", "product(k)",
        "histogram(k)", "kurtosis(k)", "regr_slope(id, k)", "geomean(k + 1)", "weighted_avg(dec, id)", "count_if(d > 1)",
        "min_by(s, id)", "favg(k)", "fsum(k)", "bit_or(k)", "any_value(1)", "mad(k)", "skewness(k)",
    ]  # fmt: skip
    made = str(draw(st.sampled_from(options)))
    return made + (" FILTER (WHERE d > 0 OR b)" if draw(st.integers(0, 5)) == 0 else "")


@st.composite
def grouped(draw: Draw) -> str:
    of = draw(relations)
    by = draw(st.lists(keys, min_size=1, max_size=3, unique=True))
    made = [draw(aggregates(of)) for _ in range(draw(st.integers(1, 3)))]
    listed = ", ".join(by)
    sets = draw(st.sampled_from(["{0}", "{0}", "ROLLUP ({0})", "CUBE ({0})", "GROUPING SETS (({0}), ({1}), ())"]))
    if "(" in sets:
        made.append(f"GROUPING({by[0]})")
    having = draw(st.sampled_from(["", "", " HAVING count(*) > 2", " HAVING min(k) IS NOT NULL"]))
    where = _where(draw, of)
    return f"SELECT {listed}, {', '.join(made)} FROM {of.sql}{where} GROUP BY {sets.format(listed, by[0])}{having}"


@st.composite
def whole(draw: Draw) -> str:
    of = draw(relations)
    made = [draw(aggregates(of)) for _ in range(draw(st.integers(1, 4)))]
    return f"SELECT {', '.join(made)} FROM {of.sql}{_where(draw, of)}"


@st.composite
def subqueries(draw: Draw) -> str:
    of, inner = draw(relations), draw(st.sampled_from([FEW, FEW, THINGS, EMPTY]))
    own, other = of.under("o"), inner.under("i")
    match = draw(st.sampled_from(["i.k = o.k", "i.s = o.s AND i.k > o.k", "i.dt = o.dt AND i.id <> o.id", "i.d = o.d"]))
    test = draw(conditions(other, 0)) if draw(st.booleans()) else "TRUE"
    source = f"FROM {other.sql} WHERE {match} AND {test}"
    column = draw(st.sampled_from(["k", "n", "s", "dt"]))
    plain = f"SELECT i.{column} FROM {other.sql} WHERE {test}"
    predicate = draw(
        st.sampled_from([
            f"EXISTS (SELECT 1 {source})",
            f"NOT EXISTS (SELECT 1 {source})",
            f"o.{column} IN ({plain})",
            f"o.{column} NOT IN ({plain})",
            f"o.{column} IN (SELECT i.{column} {source})",
            f"o.{column} NOT IN (SELECT i.{column} {source})",
            f"o.n > ALL (SELECT i.n FROM {other.sql} WHERE i.n IS NOT NULL AND {test})",
            f"o.n = ANY (SELECT i.n {source})",
            f"o.n >= (SELECT avg(i.n) {source})",
            f"(SELECT count(*) {source}) > 1",
            f"coalesce((SELECT max(i.dec) {source}), 0) < o.dec",
            f"o.b IS DISTINCT FROM EXISTS (SELECT 1 {source})",
            f"EXISTS (SELECT 1 {source}) OR o.k = 1",
        ])
    )  # fmt: skip
    shown = draw(
        st.sampled_from([
            "o.id, o.k",
            "o.k, count(*) AS c",
            f"o.id, (SELECT min(i.n) {source}) AS least",
            f"o.id, (SELECT count(*) {source}) AS partners",
            f"o.id, EXISTS (SELECT 1 {source}) AS found",
            f"o.id, o.{column} IN ({plain}) AS listed",
            f"o.id, (SELECT list(i.id ORDER BY i.id) {source}) AS ids",
        ])
    )  # fmt: skip
    group = " GROUP BY o.k" if "AS c" in shown else ""
    return f"SELECT {shown} FROM {own.sql} WHERE {predicate} AND {draw(conditions(own, 0))}{group}"


@st.composite
def windows(draw: Draw) -> str:
    of = draw(relations)
    part = draw(
        st.sampled_from(["", "PARTITION BY k ", "PARTITION BY s, b ", "PARTITION BY d ", "PARTITION BY st.x, k "])
    )
    order = draw(
        st.sampled_from(["id", "n, id", "d DESC, id", "s COLLATE NOCASE, id", "iv NULLS FIRST, id DESC", "tz, id"])
    )
    frame = draw(
        st.sampled_from([
            "", "", " ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING", " ROWS UNBOUNDED PRECEDING",
            " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
            " ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING EXCLUDE CURRENT ROW",
        ])
    )  # fmt: skip
    by_value = draw(st.booleans()) and not frame
    window = f"{part}ORDER BY {order}{frame}"
    if by_value:
        window = f"{part}ORDER BY id RANGE BETWEEN 10 PRECEDING AND 5 FOLLOWING"
    framed = ["sum(n)", "count(d)", "min(s)", "first_value(k)", "last_value(dec)", "nth_value(s, 2)", "avg(dec)",
              "list(k)", "sum(dec) FILTER (WHERE b)", "bool_or(b)", "count(DISTINCT k)", "max(tz)"]  # fmt: skip
    plain = ["row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(3)", "lag(n)",
             "lead(s, 2, 'none')", "lag(k IGNORE NULLS)"]  # fmt: skip
    call = draw(st.sampled_from(framed if frame or by_value else framed + plain))
    where = _where(draw, of)
    if draw(st.integers(0, 3)) == 0:
        number = f"row_number() OVER ({part}ORDER BY {order})"
        return f"SELECT id, k FROM {of.sql}{where} QUALIFY {number} <= {draw(st.integers(1, 4))}"
    other = ", sum(n) OVER (PARTITION BY k)" if draw(st.booleans()) else ""
    return f"SELECT id, {call} OVER ({window}) AS w{other} FROM {of.sql}{where}"


@st.composite
def joins(draw: Draw) -> str:
    left, middle = draw(relations).under("a"), draw(relations).under("b")
    how = draw(st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]))
    on = draw(
        st.sampled_from([
            "a.k = b.k", "a.k = b.k AND a.dt < b.dt", "a.s = b.s AND a.k = b.k", "a.d = b.d", "a.dec = b.n", "a.st = b.st",
            "a.k IS NOT DISTINCT FROM b.k AND a.b = b.b", "a.id = b.id", "a.n < b.n AND a.k = 2", "a.tz = b.ts",
            "a.k = b.k + 1 AND b.b", "(a.k = b.k AND a.b) OR (a.k = b.k AND b.s = 'a')", "lower(a.s) = b.s", "a.iv = b.iv",
        ])
    )  # fmt: skip
    columns = "a.id, a.k, a.d" if how in ("SEMI JOIN", "ANTI JOIN") else "a.id, b.id AS bid, a.s, b.d"
    if how in ("JOIN", "LEFT JOIN") and draw(st.booleans()):
        third = draw(st.sampled_from(["few", "things"]))
        more = draw(st.sampled_from(["c.id = a.id", "c.k = b.k AND c.id = a.id", "c.id = a.id AND c.s = b.s"]))
        return f"SELECT {columns}, c.n FROM {left.sql} {how} {middle.sql} ON {on} LEFT JOIN {third} AS c ON {more}"
    if how == "JOIN" and draw(st.booleans()):
        return (
            f"SELECT a.k, count(*), sum(c.n) FROM {left.sql}, few AS x, {middle.sql}, {draw(relations).sql} AS c "
            f"WHERE {on} AND c.id = a.id AND x.id = b.id AND {draw(conditions(left, 0))} GROUP BY a.k"
        )
    where = f" WHERE {draw(conditions(left, 1))}" if draw(st.booleans()) else ""
    return f"SELECT {columns} FROM {left.sql} {how} {middle.sql} ON {on}{where}"


@st.composite
def odd_joins(draw: Draw) -> str:
    of = draw(relations)
    where = _where(draw, of)
    return str(
        draw(
            st.sampled_from(
                [
                    f"SELECT a.id, b.id FROM (SELECT * FROM {of.sql}{where}) a ASOF JOIN few b ON a.k = b.k AND a.id >= b.id",
                    f"SELECT a.id, b.n FROM {of.sql} a ASOF LEFT JOIN few b ON a.id > b.id",
                    f"SELECT a.id, x.c FROM {of.sql} a, LATERAL (SELECT count(*) AS c FROM few b WHERE b.k < a.k) x",
                    f"SELECT a.id, x.v FROM {of.sql} a, LATERAL (SELECT a.n + 1 AS v) x",
                    f"SELECT a.id, x.n FROM {of.sql} a LEFT JOIN LATERAL (SELECT n FROM few b WHERE b.k = a.k ORDER BY b.id LIMIT 1) x ON TRUE",
                    f"SELECT a.id, u.e FROM {of.sql} a, unnest(a.l) AS u(e){where.replace('WHERE ', 'WHERE a.id > 3 AND ', 1)}",
                    f"SELECT id, unnest(l) AS e, unnest([1, 2]) AS f FROM {of.sql}{where}",
                    f"SELECT id, unnest(st) FROM {of.sql}{where}",
                    f"SELECT e, count(*) FROM (SELECT unnest(l) AS e, k FROM {of.sql}{where}) GROUP BY e",
                    f"SELECT * FROM (VALUES (1, 'x'), (2, NULL), (NULL, 'z')) v(k, w) JOIN {of.sql} t USING (k)",
                    f"SELECT a.id, r.i FROM {of.sql} a, range(3) r(i){where}",
                    f"SELECT a.id, r.i FROM few a, LATERAL (SELECT unnest(range(a.k)) AS i) r{where.replace('things', 'few')}",
                    f"SELECT a.k, b.k FROM (SELECT DISTINCT k FROM {of.sql}{where}) a CROSS JOIN (SELECT DISTINCT k FROM few) b",
                ]
            )
        )
    )


@st.composite
def pivots(draw: Draw) -> str:
    of = draw(relations)
    where = _where(draw, of)
    made = draw(
        st.sampled_from(["sum(n)", "count(*)", "max(dec)", "sum(n) AS total, count(*) AS c", "list(id ORDER BY id)"])
    )
    return str(
        draw(
            st.sampled_from(
                [
                    f"PIVOT (SELECT k, s, n, dec, id FROM {of.sql}{where}) ON s IN ('a', 'b', 'B') USING {made} GROUP BY k",
                    f"PIVOT (SELECT b, k, n, dec, id FROM {of.sql}{where}) ON k IN (1, 2, 3) USING {made} GROUP BY b",
                    f"UNPIVOT (SELECT id, k, n FROM {of.sql}{where}) ON k, n INTO NAME what VALUE v",
                    f"SELECT what, sum(v) FROM (UNPIVOT INCLUDE NULLS (SELECT id, k::BIGINT AS k, n FROM {of.sql}{where}) ON k, n INTO NAME what VALUE v) GROUP BY what",
                ]
            )
        )
    )


@st.composite
def combined(draw: Draw) -> str:
    sides = []
    for _ in range(draw(st.integers(2, 3))):
        of = draw(relations)
        sides.append(
            f"SELECT {draw(st.sampled_from(['k, s', 'DISTINCT k, s', 'n, s', 'k, upper(s)']))} FROM {of.sql}{_where(draw, of)}"
        )
    words = [
        "UNION",
        "UNION ALL",
        "INTERSECT",
        "EXCEPT",
        "INTERSECT ALL",
        "EXCEPT ALL",
        "UNION BY NAME",
        "UNION ALL BY NAME",
    ]
    text = f"({sides[0]})"
    for side in sides[1:]:
        text = f"{text} {draw(st.sampled_from(words[:6] if 'BY NAME' in text else words))} ({side})"
    if draw(st.booleans()):
        return f"WITH c AS ({text}) SELECT * FROM c WHERE 1 NOT IN (SELECT 2) UNION ALL SELECT * FROM c"
    return text


@st.composite
def ctes(draw: Draw) -> str:
    of = draw(relations)
    where = _where(draw, of)
    kind = draw(st.sampled_from(["AS", "AS", "AS MATERIALIZED", "AS NOT MATERIALIZED"]))
    inner = draw(
        st.sampled_from(
            [
                f"SELECT k, count(*) AS c, max(n) AS n FROM {of.sql}{where} GROUP BY k",
                f"SELECT DISTINCT k, n, 1 AS c FROM {of.sql}{where}",
                f"SELECT k, n, id AS c FROM {of.sql}{where} ORDER BY id LIMIT 9",
            ]
        )
    )
    outer = draw(
        st.sampled_from(
            [
                "SELECT a.k, b.c FROM c a JOIN c b ON a.k = b.k AND a.n <= b.n",
                "SELECT * FROM c WHERE n = (SELECT max(n) FROM c)",
                "SELECT k FROM c EXCEPT SELECT k FROM c WHERE c > 3",
                "SELECT a.k, x.s FROM c a LEFT JOIN things x ON x.k = a.k AND x.id = a.c",
                "SELECT sum(c) FROM (SELECT c FROM c UNION ALL SELECT c FROM c)",
                "SELECT k, rank() OVER (ORDER BY c, k, n) FROM c",
            ]
        )
    )
    return f"WITH c {kind} ({inner}) {outer}"


@st.composite
def listed(draw: Draw) -> str:
    of = draw(relations)
    shown = ", ".join(draw(values(of)) for _ in range(draw(st.integers(1, 4))))
    where = _where(draw, of)
    tail = draw(
        st.sampled_from([
            "", "", " ORDER BY id", " ORDER BY d DESC NULLS FIRST, id LIMIT 9", " ORDER BY s COLLATE NOCASE, id LIMIT 5 OFFSET 3",
            " ORDER BY iv NULLS LAST, tz, id LIMIT 11", " ORDER BY l, st, id LIMIT 7", " ORDER BY id DESC LIMIT 10%",
            " USING SAMPLE 100%", " ORDER BY -n, id OFFSET 150",
        ])
    )  # fmt: skip
    on = draw(st.sampled_from(["", "", "", "DISTINCT ON (k) ", "DISTINCT ON (d, b) "]))
    if on and "ORDER" not in tail:
        tail = " ORDER BY id"
    elif on:
        on = ""
    return f"SELECT {on}{shown} FROM {of.sql}{where}{tail}"


@st.composite
def recursive(draw: Draw) -> str:
    steps = draw(st.integers(1, 4))
    return (
        f"WITH RECURSIVE r(i, k) AS (SELECT 0, k FROM few UNION SELECT i + 1, r.k + 1 FROM r WHERE i < {steps}) "
        f"SELECT {draw(st.sampled_from(['i, count(*), sum(k)', 'i, max(k), min(k)']))} FROM r GROUP BY i"
    )


shapes = st.one_of(
    grouped(), whole(), subqueries(), subqueries(), windows(), joins(), joins(), odd_joins(), pivots(), combined(), ctes(),
    listed(), recursive(),
)  # fmt: skip
"""A query of any of these shapes."""
