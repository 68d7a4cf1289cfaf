"""The document's queries answer the four questions: as published for real rows, as counted by hand for demo data."""

from __future__ import annotations

import csv
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from tolva.coffee import four_questions
from tolva.coffee.generate import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, str]
Answers = dict[str, list[tuple[str, ...]]]

YEARS = ("2024", "2025")
DOCUMENT: dict[str, Any] = yaml.safe_load(four_questions())


def answers(root: Path) -> Answers:
    """What DuckDB answers, reading the document's tables as they are declared."""
    with duckdb.connect() as connection:
        for name, table in DOCUMENT["tables"].items():
            files, types = root / table["files"], table["columns"]
            connection.execute(
                f"CREATE TABLE {name} AS FROM read_csv('{files}', header = true, delim = ',', types = {types})"
            )
        return {
            name: [tuple(str(value) for value in row) for row in connection.execute(query["sql"]).fetchall()]
            for name, query in DOCUMENT["queries"].items()
        }


def records(root: Path, table: str) -> Iterator[Row]:
    for path in sorted((root / table).glob("*.csv")):
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def by_hand(root: Path) -> Answers:
    """The four questions, answered a record at a time from the text of the files."""
    stores = {row["store_id"]: row["store_name"] for row in records(root, "stores")}
    items = {row["item_id"]: row["item_name"] for row in records(root, "menu_items")}
    birthdates = {int(row["user_id"]): row["birthdate"] for row in records(root, "users")}
    large: list[tuple[str, ...]] = []
    taken: Counter[tuple[str, str]] = Counter()
    purchases: dict[str, Counter[int]] = {store: Counter() for store in stores}
    for row in records(root, "transactions"):
        day, time = row["created_at"].split()
        if not day.startswith(YEARS):
            continue
        if "06:00:00" <= time <= "23:00:00":
            amount = Decimal(row["final_amount"])
            if amount >= 75:
                large.append((row["transaction_id"], f"{amount:.3f}"))
            half = f"{day[:4]}-H{1 if day[5:7] <= '06' else 2}"
            taken[half, stores[row["store_id"]]] += amount  # type: ignore[assignment]
        if row["user_id"]:
            purchases[row["store_id"]][int(float(row["user_id"]))] += 1
    quantity: dict[str, Counter[str]] = {}
    profit: dict[str, Counter[str]] = {}
    for row in records(root, "transaction_items"):
        month = row["created_at"][:7]
        if month.startswith(YEARS):
            quantity.setdefault(month, Counter())[row["item_id"]] += int(row["quantity"])
            profit.setdefault(month, Counter())[row["item_id"]] += Decimal(row["subtotal"])  # type: ignore[assignment]
    return {
        "q1": large,
        "q2_quantity": [(month, items[item], str(n)) for month, item, n in best(quantity, 1, int)],
        "q2_profit": [(month, items[item], f"{sold:.3f}") for month, item, sold in best(profit, 1, int)],
        "q3": [(half, store, f"{amount:.3f}") for (half, store), amount in taken.items()],
        "q4": [(stores[store], birthdates[user], str(n)) for store, user, n in best(purchases, 3, int)],
    }


def best(counts: dict[str, Counter[Any]], places: int, number: Callable[[Any], int]) -> Iterator[tuple[str, Any, Any]]:
    for group, counter in counts.items():
        ranked = sorted(counter.items(), key=lambda pair: (-pair[1], number(pair[0])))
        yield from ((group, key, count) for key, count in ranked[:places])


def test_the_document_asks_four_questions_in_five_queries() -> None:
    assert DOCUMENT["kind"] == "query"
    assert list(DOCUMENT["queries"]) == ["q1", "q2_quantity", "q2_profit", "q3", "q4"]
    assert {query["format"] for query in DOCUMENT["queries"].values()} == {"csv"}


def test_demo_data_is_answered_as_by_hand(tmp_path: Path) -> None:
    generate(tmp_path, transactions=5_000, seed=7)
    found, expected = answers(tmp_path), by_hand(tmp_path)
    for query in DOCUMENT["queries"]:
        assert sorted(found[query]) == sorted(expected[query])


def test_answers_come_in_order(tmp_path: Path) -> None:
    generate(tmp_path, transactions=2_000)
    found = answers(tmp_path)
    for query, keys in [("q2_quantity", 1), ("q2_profit", 1), ("q3", 2), ("q4", 1)]:
        order = [row[:keys] for row in found[query]]
        assert order == sorted(order)


@pytest.fixture(scope="module")
def samples() -> Path:
    folder = os.environ.get("TOLVA_SAMPLE_DATA")
    if not folder:
        pytest.skip("TOLVA_SAMPLE_DATA isn't set: it names the folder of coffee_small and coffee_small_expected")
    return Path(folder)


def test_real_rows_are_answered_as_published(samples: Path) -> None:
    found = answers(samples / "coffee_small")
    for query, name in [("q1", "1"), ("q2_quantity", "2_1"), ("q2_profit", "2_2"), ("q3", "3")]:
        published = read(samples, name)
        assert sorted(map(comparable, found[query])) == sorted(map(comparable, published))


def test_real_customers_are_all_ties(samples: Path) -> None:
    """Everybody bought once, so the published customers are any three of each store."""
    found = answers(samples / "coffee_small")["q4"]
    published = read(samples, "4")
    assert Counter(store for store, *_ in found) == Counter(store for store, *_ in published)
    assert {purchases for *_, purchases in found} == {"1"}


def read(samples: Path, name: str) -> list[tuple[str, ...]]:
    with (samples / "coffee_small_expected" / f"results_query_{name}.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def comparable(row: tuple[str, ...]) -> tuple[str, ...]:
    """The row with its last field, a number, written in one way."""
    return (*row[:-1], f"{Decimal(row[-1]):.3f}")
