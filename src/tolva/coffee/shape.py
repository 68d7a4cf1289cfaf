"""What the demo data looks like: its files, its sizes, its menu and vouchers, and the oddities put in on purpose.

Proportions follow the real chain's data: twice as many items as transactions, a user base that grows by 63 % a month
until it has its full pace, user ids in few transactions at first and in half of them at the end.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tolva.coffee.times import days_in, next_month

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_TRANSACTIONS: Final = 14_623_691
FULL_ITEMS: Final = 29_246_323
FULL_USERS: Final = 2_196_257
FEWEST_USERS: Final = 400

FIXED_FILES: Final = ("stores", "menu_items", "payment_methods", "vouchers")
QUANTITIES: Final = (1, 2, 3)
MOST_ITEMS: Final = 3

_BUSY_MONTHS: Final = (date(2024, 1, 1), date(2025, 6, 1))
_QUIET_MONTHS: Final = (date(2023, 12, 1), date(2026, 1, 1))
"""Outside the years that the questions ask about, and small."""
_QUIET_DAYS: Final = 6
_USER_MONTHS: Final = (date(2023, 7, 1), date(2025, 6, 1))


@dataclass(frozen=True)
class Month:
    """A month of transactions with their items.

    Args:
        first: its first day.
        transactions: how many.
        items: how many, for all its transactions together.
        users_before: users registered before it.
        users: users who register in it.
        user_percent: how many transactions in a hundred have a user id.
    """

    first: date
    transactions: int
    items: int
    users_before: int
    users: int
    user_percent: int

    @property
    def name(self) -> str:
        """The month as file names have it."""
        return f"{self.first:%Y%m}"

    @property
    def days(self) -> int:
        """Days in the month."""
        return days_in(self.first)


class Voucher(NamedTuple):
    """A discount: its id, the first and last day it is valid, and what it takes off."""

    id: int
    first: date
    last: date
    percent: int
    fixed_thousandths: int

    def discount_thousandths(self, amount_thousandths: int) -> int:
        """Return what it takes off an amount; a percentage of whole halves is exact in thousandths."""
        return min(amount_thousandths, self.fixed_thousandths + amount_thousandths * self.percent // 100)


def fixed_file(name: str) -> bytes:
    """Return a file that is the same in all demo data."""
    return files(__package__).joinpath(f"fixed/{name}/{name}.csv").read_bytes()


def menu_prices_thousandths() -> list[int]:
    """Return the prices of the items, by item id from 1 on."""
    return [round(1000 * float(row["price"])) for row in _fixed_rows("menu_items")]


def vouchers() -> list[Voucher]:
    """Return the vouchers."""
    return [
        Voucher(
            id=int(row["voucher_id"]),
            first=date.fromisoformat(row["valid_from"]),
            last=date.fromisoformat(row["valid_to"]),
            percent=int(float(row["discount_value"])) if row["discount_type"] == "percentage" else 0,
            fixed_thousandths=round(1000 * float(row["discount_value"])) if row["discount_type"] == "fixed" else 0,
        )
        for row in _fixed_rows("vouchers")
    ]


def user_months(users: int) -> dict[date, int]:
    """Return how many users register in each month, one at least, from when the chain opened on."""
    months = _months(*_USER_MONTHS)
    full_pace = 156_000
    weights = [min(full_pace, 580 * 163**k // 100**k) for k in range(len(months))]
    return {month: 1 + share for month, share in zip(months, _shares(users - len(months), weights), strict=True)}


def transaction_months(transactions: int, items: int, users: int) -> list[Month]:
    """Return the months of transactions, in order of time."""
    firsts = sorted([*_months(*_BUSY_MONTHS), *_QUIET_MONTHS])
    weights = [_QUIET_DAYS if first in _QUIET_MONTHS else days_in(first) for first in firsts]
    registered = user_months(users)
    counts = _shares(transactions, weights)
    return [
        Month(
            first=first,
            transactions=count,
            items=item_count,
            users_before=sum(n for month, n in registered.items() if month < first),
            users=registered.get(first, 0),
            user_percent=min(55, max(4, 4 + 3 * _months_between(_BUSY_MONTHS[0], first))),
        )
        for first, count, item_count in zip(firsts, counts, _shares(items, counts), strict=True)
    ]


def scaled(full: int, transactions: int) -> int:
    """Return a full-size count in proportion to this many transactions."""
    return (2 * full * transactions + FULL_TRANSACTIONS) // (2 * FULL_TRANSACTIONS)


def _fixed_rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(fixed_file(name).decode("utf-8").splitlines()))


def _shares(total: int, weights: Sequence[int]) -> list[int]:
    """Cut ``total`` in proportion to ``weights``; the shares add up to it exactly."""
    bounds = [total * weight // max(1, sum(weights)) for weight in accumulate(weights, initial=0)]
    return [high - low for low, high in pairwise(bounds)]


def _months(first: date, last: date) -> list[date]:
    found = [first]
    while found[-1] < last:
        found.append(next_month(found[-1]))
    return found


def _months_between(early: date, late: date) -> int:
    return 12 * (late.year - early.year) + late.month - early.month
