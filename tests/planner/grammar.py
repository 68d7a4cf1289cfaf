"""A grammar of queries over sales and shops: every shape the planner knows, and their mixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], object]


@dataclass(frozen=True)
class Relation:
    """Something to select from: its SQL, and its columns by the kind of their values."""

    sql: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    flags: tuple[str, ...]
    days: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.numbers + self.texts + self.flags + self.days

    def under(self, alias: str) -> Relation:
        groups = (tuple(f"{alias}.{c}" for c in kind) for kind in (self.numbers, self.texts, self.flags, self.days))
        return Relation(f"{self.sql} AS {alias}", *groups)


SALES = Relation("sales", ("shop", "amount", "price"), ("item",), ("paid",), ("day", "sold_at"))
SHOPS = Relation("shops", ("shop",), ('"Name"',), (), ())
NOTHING = Relation("nothing", ("shop", "price"), ("item",), (), ())


@st.composite
def numbers(draw: Draw, of: Relation, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return str(draw(st.sampled_from((*of.numbers, "1", "7", "0.5", "-3"))))
    inner = numbers(of, depth - 1)
    forms = [
        "({} + {})", "({} - {})", "({} * 2)", "({} % 5)", "abs({})", "coalesce({}, 0)", "nullif({}, 1)", "- {}",
        "greatest({}, {})", "CASE WHEN {} > 3 THEN {} ELSE 0 END", "CAST({} AS BIGINT)", "round({}, 1)",
    ]  # fmt: skip
    if of.texts:
        forms.append("length(" + str(draw(st.sampled_from(of.texts))) + ")")
    if of.days:
        forms.append("month(" + str(draw(st.sampled_from(of.days))) + ")")
    form = str(draw(st.sampled_from(forms)))
    return form.format(*(draw(inner) for _ in range(form.count("{}"))))


@st.composite
def texts(draw: Draw, of: Relation) -> str:
    base = str(draw(st.sampled_from((*of.texts, "'a'"))))
    return str(draw(st.sampled_from([base, f"upper({base})", f"{base} || 'x'", f"coalesce({base}, '')"])))


@st.composite
def conditions(draw: Draw, of: Relation, depth: int = 2) -> str:
    if depth > 0 and draw(st.booleans()):
        form = str(draw(st.sampled_from(["({} AND {})", "({} OR {})", "(NOT {})"])))
        return form.format(*(draw(conditions(of, depth - 1)) for _ in range(form.count("{}"))))
    number, text = draw(numbers(of, 1)), draw(texts(of))
    options = [
        f"{number} > {draw(st.integers(-2, 500))}", f"{number} IN (1, 2, 3)", f"{number} IS NULL", f"{text} LIKE 'a%'",
        f"{text} = 'a'", f"{number} BETWEEN 1 AND 400", f"{text} IS DISTINCT FROM 'b'", *of.flags,
        f"{number} IN (SELECT shop FROM shops)", f"{number} > (SELECT min(shop) FROM shops)", "TRUE",
    ]  # fmt: skip
    return str(draw(st.sampled_from(options)))


@st.composite
def aggregates(draw: Draw, of: Relation) -> str:
    number, text = draw(numbers(of, 1)), draw(texts(of))
    options = [
        "count(*)", f"count({text})", f"sum({number})", f"min({text})", f"max({number})", f"avg({number})",
        f"count(DISTINCT {text})", f"sum(DISTINCT {number})", f"median({number})", "any_value(1)",
        f"bool_or({number} > 2)", f"stddev({number})",
    ]  # fmt: skip
    if draw(st.integers(0, 9)) == 0:
        return f"string_agg({text}, ',' ORDER BY {text})"
    filtered = f" FILTER (WHERE {draw(conditions(of, 0))})" if draw(st.integers(0, 4)) == 0 else ""
    return str(draw(st.sampled_from(options))) + filtered


@st.composite
def relations(draw: Draw, depth: int = 1) -> Relation:
    plain = st.sampled_from([SALES, SALES, SALES, SHOPS, NOTHING])
    kind = draw(st.sampled_from(["plain", "join", "nested", "union"])) if depth else "plain"
    if kind == "join":
        left, right = draw(relations(0)).under("l"), draw(relations(0)).under("r")
        how = draw(st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]))
        on = "l.shop = r.shop"
        if draw(st.booleans()):
            on += f" AND {draw(conditions(left, 0))}" if "IN (SELECT" not in on else ""
        kept = left if how in ("SEMI JOIN", "ANTI JOIN") else None
        both = (
            left.numbers + right.numbers,
            left.texts + right.texts,
            left.flags + right.flags,
            left.days + right.days,
        )
        groups = (kept.numbers, kept.texts, kept.flags, kept.days) if kept else both
        return Relation(f"{left.sql} {how} {right.sql} ON {on}", *groups)
    if kind == "nested":
        return Relation(f"({draw(rows(depth - 1))}) AS n", ("k", "v"), ("w",), (), ())
    if kind == "union":
        return Relation(f"({draw(rows(0))} UNION ALL {draw(rows(0))}) AS u", ("k", "v"), ("w",), (), ())
    return draw(plain)


@st.composite
def rows(draw: Draw, depth: int = 0) -> str:
    """A query of the columns k and v (numbers) and w (text)."""
    of = draw(relations(depth))
    where = f" WHERE {draw(conditions(of))}" if draw(st.booleans()) else ""
    kind = draw(st.sampled_from(["plain", "plain", "grouped", "distinct", "window", "top"]))
    key, value, text = draw(numbers(of, 1)), draw(numbers(of)), draw(texts(of))
    number = "CAST({} AS DECIMAL(18,3))"
    if kind == "grouped":
        return (
            f"SELECT {number.format(key)} AS k, {number.format(f'sum({value})')} AS v, {text} AS w "
            f"FROM {of.sql}{where} GROUP BY {number.format(key)}, {text}"
        )
    body = f"{number.format(key)} AS k, {number.format(value)} AS v, {text} AS w FROM {of.sql}{where}"
    if kind == "distinct":
        return f"SELECT DISTINCT {body}"
    if kind == "window":
        place = f"rank() OVER (PARTITION BY {key} ORDER BY {value}, {text})"
        return f"SELECT {number.format(key)} AS k, {number.format(place)} AS v, {text} AS w FROM {of.sql}{where}"
    if kind == "top":
        return f"SELECT {body} ORDER BY ALL LIMIT {draw(st.integers(0, 40))}"
    return f"SELECT {body}"


@st.composite
def grouped(draw: Draw, of: Relation, where: str) -> str:
    keys = [draw(st.one_of(numbers(of, 1), texts(of))) for _ in range(draw(st.integers(1, 2)))]
    made = [draw(aggregates(of)) for _ in range(draw(st.integers(0, 3)))]
    having = f" HAVING count(*) > {draw(st.integers(0, 5))}" if draw(st.booleans()) else ""
    sets = draw(st.sampled_from(["{}", "{}", "{}", "ROLLUP ({})"])).format(", ".join(keys))
    return f"SELECT {', '.join((*keys, *made))} FROM {of.sql}{where} GROUP BY {sets}{having}"


@st.composite
def aggregated(draw: Draw, of: Relation, where: str) -> str:
    made = [draw(aggregates(of)) for _ in range(draw(st.integers(1, 3)))]
    return f"SELECT {', '.join(made)} FROM {of.sql}{where}"


@st.composite
def windowed(draw: Draw, of: Relation, where: str) -> str:
    key, value = draw(numbers(of, 1)), draw(numbers(of, 1))
    call = draw(st.sampled_from(["sum({})", "count(*)", "min({})", "max({})"])).format(value)
    return f"SELECT {key}, {value}, {call} OVER (PARTITION BY {key}) FROM {of.sql}{where}"


@st.composite
def best(draw: Draw, of: Relation, where: str) -> str:
    key, value = draw(numbers(of, 0)), draw(numbers(of, 1))
    rank = f"{draw(st.sampled_from(['rank', 'dense_rank']))}() OVER (PARTITION BY {key} ORDER BY {value} DESC)"
    return f"SELECT {key}, {value}, {draw(texts(of))} FROM {of.sql}{where} QUALIFY {rank} <= {draw(st.integers(1, 3))}"


@st.composite
def listed(draw: Draw, of: Relation, where: str) -> str:
    items = [draw(st.one_of(numbers(of), texts(of))) for _ in range(draw(st.integers(1, 3)))]
    end = draw(st.sampled_from(["", "", " ORDER BY ALL", " ORDER BY ALL DESC NULLS FIRST LIMIT 7 OFFSET 2"]))
    return f"SELECT {', '.join(items)} FROM {of.sql}{where}{end}"


@st.composite
def combined(draw: Draw) -> str:
    if draw(st.booleans()):
        names = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]
        return f"({draw(rows(1))}) {draw(st.sampled_from(names))} ({draw(rows(0))})"
    return f"WITH c AS ({draw(rows(1))}) SELECT a.k, count(*), max(b.v) FROM c a JOIN c b ON a.k = b.k GROUP BY a.k"


@st.composite
def queries(draw: Draw) -> str:
    """Any query; where it ends in ORDER BY, it orders by all of its columns."""
    of = draw(relations(1))
    where = f" WHERE {draw(conditions(of))}" if draw(st.booleans()) else ""
    shape = draw(st.sampled_from([listed, grouped, grouped, aggregated, windowed, best, combined]))
    return str(draw(combined() if shape is combined else shape(of, where)))
