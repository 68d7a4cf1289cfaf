"""The demo data has the real layout, fits together, and holds every trap at any size from 1,000 transactions on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tolva.coffee import shape

if TYPE_CHECKING:
    from conftest import Data

HEADERS = {
    "transactions": "transaction_id,store_id,payment_method_id,voucher_id,user_id,original_amount,discount_applied,"
    "final_amount,created_at",
    "transaction_items": "transaction_id,item_id,quantity,unit_price,subtotal,created_at",
    "users": "user_id,gender,birthdate,registered_at",
    "stores": "store_id,store_name,street,postal_code,city,state,latitude,longitude",
    "menu_items": "item_id,item_name,category,price,is_seasonal,available_from,available_to",
    "payment_methods": "method_id,method_name,category",
    "vouchers": "voucher_id,voucher_code,discount_type,discount_value,valid_from,valid_to",
}
MONEY = r"\d{1,2}\.(0|\d{0,2}[1-9])"
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
RECORDS = {
    "transactions": rf"{UUID},\d\d?,[1-5],(\d\d?\.0)?,(\d+\.0)?,{MONEY},{MONEY},{MONEY},{STAMP}",
    "transaction_items": rf"{UUID},[1-8],[1-3],{MONEY},{MONEY},{STAMP}",
    "users": rf"\d+,(female|male),\d{{4}}-\d\d-\d\d,{STAMP}",
}


def test_every_file_has_its_header_and_its_place(data: Data) -> None:
    found = sorted(str(path.relative_to(data.root)) for path in data.root.rglob("*.csv"))
    months = [f"{year}{month:02}" for year in (2024, 2025) for month in range(1, 13)][:18]
    registrations = [f"2023{month:02}" for month in range(7, 13)] + months
    assert found == sorted(
        [f"{name}/{name}.csv" for name in ("stores", "menu_items", "payment_methods", "vouchers")]
        + [f"users/users_{month}.csv" for month in registrations]
        + [
            f"{name}/{name}_{month}.csv"
            for name in ("transactions", "transaction_items")
            for month in ["202312", *months, "202601"]
        ]
    )
    for name in found:
        with (data.root / name).open(encoding="ascii") as file:
            assert file.readline().rstrip("\n") == HEADERS[name.split("/", maxsplit=1)[0]]


@pytest.mark.parametrize("table", sorted(RECORDS))
def test_every_record_is_written_as_the_real_ones_are(data: Data, table: str) -> None:
    record = re.compile(RECORDS[table])
    for path in sorted((data.root / table).glob("*.csv")):
        odd = [line for line in path.read_text("ascii").split("\n")[1:] if line and not record.fullmatch(line)]
        assert odd == []


def test_the_summary_counts_what_is_there(data: Data) -> None:
    summary = data.summary
    for table, count in [
        ("transactions", summary.transactions),
        ("transaction_items", summary.items),
        ("users", summary.users),
    ]:
        assert data.one(f"SELECT count(*) FROM {table}") == (count,)
    files = list(data.root.rglob("*.csv"))
    assert (summary.files, summary.bytes) == (len(files), sum(path.stat().st_size for path in files))


def test_items_and_users_are_in_proportion(data: Data) -> None:
    assert abs(data.summary.items - 2 * data.summary.transactions) <= 1 + data.summary.transactions // 10_000
    assert data.summary.users == max(400, round(data.summary.transactions * 2_196_257 / 14_623_691))


def test_the_full_size_is_that_of_the_real_data() -> None:
    items = shape.scaled(shape.FULL_ITEMS, shape.FULL_TRANSACTIONS)
    users = shape.scaled(shape.FULL_USERS, shape.FULL_TRANSACTIONS)
    months = shape.transaction_months(shape.FULL_TRANSACTIONS, items, users)
    assert sum(month.transactions for month in months) == 14_623_691
    assert sum(month.items for month in months) == 29_246_323
    assert sum(shape.user_months(users).values()) == 2_196_257


@pytest.mark.parametrize("table", sorted(RECORDS))
def test_records_are_in_the_file_of_their_month(data: Data, table: str) -> None:
    for path in (data.root / table).glob("*.csv"):
        stamps = [line.rsplit(",", 1)[1] for line in path.read_text("ascii").splitlines()[1:]]
        assert {stamp[:7].replace("-", "") for stamp in stamps} == {path.stem[-6:]}
        assert table == "users" or stamps == sorted(stamps)


def test_every_reference_is_met(data: Data) -> None:
    orphans = data.one(
        """
        SELECT count(*) FILTER (stores.store_id IS NULL), count(*) FILTER (method_id IS NULL),
               count(*) FILTER (transactions.user_id IS NOT NULL AND users.user_id IS NULL),
               count(*) FILTER (transactions.voucher_id IS NOT NULL AND vouchers.valid_from IS NULL),
               count(*) FILTER (registered_at > created_at[:7] || '-32')
        FROM transactions
        LEFT JOIN stores USING (store_id)
        LEFT JOIN payment_methods ON method_id = payment_method_id
        LEFT JOIN users ON transactions.user_id = users.user_id || '.0'
        LEFT JOIN vouchers ON transactions.voucher_id = vouchers.voucher_id || '.0'
                          AND created_at[:10] BETWEEN valid_from AND valid_to
        """,
    )
    assert orphans == (0, 0, 0, 0, 0)


def test_ids_are_unique(data: Data) -> None:
    assert data.one("SELECT count(DISTINCT transaction_id) FROM transactions") == (data.summary.transactions,)
    assert data.one("SELECT count(DISTINCT user_id::INT), max(user_id::INT) FROM users") == (
        data.summary.users,
        data.summary.users,
    )


def test_money_adds_up(data: Data) -> None:
    wrong = data.one(
        """
        WITH sums AS (
            SELECT transaction_id, sum(subtotal::DECIMAL(18,3)) AS total, min(created_at) AS first,
                   max(created_at) AS last,
                   count(*) FILTER (subtotal::DECIMAL(18,3) <> quantity::INT * unit_price::DECIMAL(18,3)
                                    OR unit_price <> price) AS wrong
            FROM transaction_items JOIN menu_items USING (item_id) GROUP BY transaction_id
        )
        SELECT count(*) FROM transactions LEFT JOIN sums USING (transaction_id)
        WHERE coalesce(wrong, 1) > 0 OR total <> original_amount::DECIMAL(18,3)
           OR first <> created_at OR last <> created_at
           OR original_amount::DECIMAL(18,3) - discount_applied::DECIMAL(18,3) <> final_amount::DECIMAL(18,3)
           OR (voucher_id IS NULL) <> (discount_applied = '0.0')
        """,
    )
    assert wrong == (0,)


TRAPS = {
    "no user id": "SELECT count(*) FROM transactions WHERE user_id IS NULL",
    "user id with .0": "SELECT count(*) FROM transactions WHERE user_id LIKE '%.0'",
    "amount of three decimals": r"SELECT count(*) FROM transactions WHERE final_amount SIMILAR TO '\d+\.\d{3}'",
    "amount of exactly 75.0": "SELECT count(*) FROM transactions WHERE final_amount = '75.0'",
    "equal items": "SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT * FROM transaction_items)) "
    "FROM transaction_items",
    "before 2024": "SELECT count(*) FROM transactions WHERE created_at < '2024'",
    "after 2025": "SELECT count(*) FROM transactions WHERE created_at > '2026'",
    "items before 2024": "SELECT count(*) FROM transaction_items WHERE created_at < '2024'",
    "items after 2025": "SELECT count(*) FROM transaction_items WHERE created_at > '2026'",
    "customers that tie for third place": """
        WITH purchases AS (
            SELECT store_id, user_id, count(*) AS n FROM transactions WHERE user_id IS NOT NULL GROUP BY ALL
        ), placed AS (
            SELECT n, row_number() OVER (PARTITION BY store_id ORDER BY n DESC) AS place,
                   lead(n) OVER (PARTITION BY store_id ORDER BY n DESC) AS next
            FROM purchases
        )
        SELECT count(*) FROM placed WHERE place = 3 AND n = next
        """,
    **{
        f"75.0 at {time}": f"SELECT count(*) FROM transactions WHERE created_at LIKE '202_-__-__ {time}' "
        "AND final_amount = '75.0' AND created_at[:4] IN ('2024', '2025')"
        for time in ("05:59:59", "06:00:00", "23:00:00", "23:00:01")
    },
}


@pytest.mark.parametrize("trap", sorted(TRAPS))
def test_the_trap_is_set(data: Data, trap: str) -> None:
    (count,) = data.one(TRAPS[trap])
    assert isinstance(count, int)
    assert count > 0


def test_equal_items_are_as_frequent_as_in_the_real_data(data: Data) -> None:
    (equal,) = data.one(TRAPS["equal items"])
    assert equal == pytest.approx(data.summary.items * 802_939 / 29_246_323, rel=0.35)


@pytest.mark.parametrize("table", sorted(RECORDS))
def test_some_files_stop_without_a_newline(data: Data, table: str) -> None:
    ends = [path.read_bytes()[-1:] == b"\n" for path in (data.root / table).glob("*.csv")]
    assert {True, False} == set(ends)


def test_users_are_in_no_order(data: Data) -> None:
    for path in sorted((data.root / "users").glob("*.csv"))[12:]:
        ids = [int(line.split(",", 1)[0]) for line in path.read_text("ascii").splitlines()[1:]]
        assert ids != sorted(ids)
