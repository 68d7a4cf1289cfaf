"""Transactions and their items, a block of a month at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tolva.coffee.chance import Source, below
from tolva.coffee.shape import MOST_ITEMS, QUANTITIES, Month, menu_prices_thousandths, vouchers
from tolva.coffee.text import Field, IdTable, TextTable, rows
from tolva.coffee.times import DAY_SECONDS, Clock, Stamps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from tolva.coffee.chance import Integers, Words

TRANSACTION_COLUMNS: Final = (
    "transaction_id,store_id,payment_method_id,voucher_id,user_id,"
    "original_amount,discount_applied,final_amount,created_at"
)
ITEM_COLUMNS: Final = "transaction_id,item_id,quantity,unit_price,subtotal,created_at"

_BLOCK_TRANSACTIONS: Final = 32_768
"""Small enough for the processor's cache. Another size makes other rows."""
_STORES: Final = 10
_METHODS: Final = 5
_PRICE_STEP: Final = 500
"""All prices are whole halves; money is counted in thousandths."""
_VOUCHER_PERCENT: Final = 40
"""How many transactions in a hundred use the voucher of the day."""
_WORDS: Final = 20

_HALF_HOUR: Final = 1800
_OPENS: Final = 5 * 3600 + _HALF_HOUR
_PACE: Final = (*[1] * 3, *[9] * 30, *[2] * 3)
"""From 05:30 to 23:30; the shops are busy from 07:00 to 22:00."""

_EDGE_TIMES: Final = {14: 21_599, 17: 21_600, 20: 82_800, 23: 82_801}
"""By day of each month (from 0): 05:59:59, 06:00:00, 23:00:00 and 23:00:01."""
_NOON: Final = 43_200


class Block(NamedTuple):
    """Rows of a month as CSV bytes."""

    transactions: int
    items: int
    transaction_rows: memoryview
    item_rows: memoryview


class _Planted(NamedTuple):
    """A transaction that is there whatever the random numbers say."""

    time: int
    order: tuple[int, ...]
    uses_voucher: bool


class Writer:
    """Makes the rows of any month; holds the tables of text they are picked from.

    Args:
        users: registered users in all, for the widest user id.
        seed: other seeds make other rows.
    """

    def __init__(self, users: int, seed: int) -> None:
        self._seed = seed
        self._clock = Clock(_OPENS, _PACE, _HALF_HOUR)
        prices = menu_prices_thousandths()
        orders = [(item, price, n) for item, price in enumerate(prices, 1) for n in QUANTITIES]
        self._order_steps = np.array([price * n // _PRICE_STEP for _, price, n in orders], dtype=np.int64)
        self._order_number = {(item, n): k for k, (item, _, n) in enumerate(orders)}
        self._order_table = TextTable(f"{item},{n},{_money(price)},{_money(price * n)}," for item, price, n in orders)
        self._vouchers = vouchers()
        self._voucher_ids = ["", *(f"{voucher.id}.0" for voucher in self._vouchers)]
        self._place_table = TextTable(
            f"{store},{method},{voucher},"
            for voucher in self._voucher_ids
            for store in range(1, _STORES + 1)
            for method in range(1, _METHODS + 1)
        )
        self._user_table = IdTable(users, suffix=".0,", empty=",")
        self._most_steps = MOST_ITEMS * max(price * n // _PRICE_STEP for _, price, n in orders)
        self._amount_table = TextTable(self._amount_texts())
        self._stamps = Stamps()

    def blocks(self, month: Month) -> Iterator[Block]:
        """Yield the month's rows in order of time."""
        source = Source(self._seed, "transactions", month.name)
        planted = self._planted(month)
        for start in range(0, month.transactions, _BLOCK_TRANSACTIONS):
            block = range(start, min(start + _BLOCK_TRANSACTIONS, month.transactions))
            here = {row - start: trap for row, trap in planted.items() if row in block}
            yield self._block(month, block, source.words(len(block), _WORDS), here)

    def _block(self, month: Month, block: range, words: Words, planted: dict[int, _Planted]) -> Block:
        column = words.T
        times = self._clock.times(block, month.transactions, month.days, column[8], column[9])
        orders = below(len(self._order_steps), words[:, 10 : 10 + MOST_ITEMS])
        sizes = 1 + below(MOST_ITEMS, column[13])
        percents = below(100, column[14])
        for row, trap in planted.items():
            times[row] = trap.time
            sizes[row] = len(trap.order)
            orders[row, : len(trap.order)] = trap.order
            percents[row] = 0 if trap.uses_voucher else 99
        _settle(sizes, list(planted), _items_before(month, block.stop) - _items_before(month, block.start))

        in_order = np.arange(MOST_ITEMS) < sizes[:, None]
        steps = (self._order_steps.take(orders) * in_order).sum(axis=1)
        day = times // DAY_SECONDS
        voucher = np.where(percents < _VOUCHER_PERCENT, self._vouchers_by_day(month).take(day), 0)
        place = below(_STORES * _METHODS, column[15]) + _STORES * _METHODS * voucher
        registered = month.users_before + month.users * np.arange(block.start, block.stop) // month.transactions
        user = 1 + below(np.maximum(registered, 1), column[16], column[17])
        user[below(100, column[18]) >= month.user_percent] = 0

        key = _keys(words[:, :8])
        stamp = self._stamps.pick(month.first, times)
        transaction_fields = [
            key,
            self._place_table.pick(place),
            *self._user_table.pick(user),
            self._amount_table.pick(voucher * (self._most_steps + 1) + steps),
            stamp,
        ]
        item_fields = [key.repeat(sizes), self._order_table.pick(orders[in_order]), stamp.repeat(sizes)]
        return Block(len(block), int(sizes.sum()), rows(transaction_fields), rows(item_fields))

    def _planted(self, month: Month) -> dict[int, _Planted]:
        """Place the traps: amounts of exactly 75.0 at the edges of the hours, discounts of odd thousandths."""
        exactly_75 = tuple(self._order_number[order] for order in [(8, 3), (5, 3), (5, 2)])
        odd_price = (self._order_number[6, 1],)
        wanted = [(day, second, exactly_75, False) for day, second in _EDGE_TIMES.items()]
        wanted += [
            (voucher.first.day - 1, _NOON, odd_price, True)
            for voucher in self._vouchers
            if voucher.first.replace(day=1) == month.first
        ]
        return {
            self._clock.row_of(day, second, month.transactions, month.days): _Planted(
                DAY_SECONDS * day + second, order, uses_voucher
            )
            for day, second, order, uses_voucher in wanted
        }

    def _amount_texts(self) -> Iterator[str]:
        for voucher in [None, *self._vouchers]:
            for steps in range(self._most_steps + 1):
                amount = steps * _PRICE_STEP
                discount = voucher.discount_thousandths(amount) if voucher else 0
                yield f"{_money(amount)},{_money(discount)},{_money(amount - discount)},"

    def _vouchers_by_day(self, month: Month) -> Integers:
        return np.array([self._voucher_of(month.first + timedelta(days=day)) for day in range(month.days)])

    def _voucher_of(self, day: date) -> int:
        valid = (n for n, voucher in enumerate(self._vouchers, 1) if voucher.first <= day <= voucher.last)
        return next(valid, 0)


def _items_before(month: Month, row: int) -> int:
    return month.items * row // month.transactions


def _settle(sizes: Integers, fixed: list[int], total: int) -> None:
    """Change the first sizes that can change, by one each, until they add up to ``total``, where that is possible."""
    free = np.ones(len(sizes), dtype=np.bool_)
    free[fixed] = False
    while surplus := int(sizes.sum()) - total:
        movable = np.flatnonzero(free & ((sizes > 1) if surplus > 0 else (sizes < MOST_ITEMS)))
        if not len(movable):
            return
        sizes[movable[: abs(surplus)]] -= np.sign(surplus)


def _keys(words: Words) -> Field:
    """Return random (version 4) UUIDs as text."""
    words = words.astype(">u2")
    words[:, 3] = words[:, 3] & 0x0FFF | 0x4000
    words[:, 4] = words[:, 4] & 0x3FFF | 0x8000
    hexadecimal = np.frombuffer(words.tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 32)
    keys = np.full((len(words), 37), ord("-"), dtype=np.uint8)
    for to, start, stop in [(0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)]:
        keys[:, to : to + stop - start] = hexadecimal[:, start:stop]
    keys[:, 36] = ord(",")
    return Field(keys.view("V37").ravel(), 37)


def _money(thousandths: int) -> str:
    return str(thousandths / 1000)
