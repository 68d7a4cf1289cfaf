"""Writes the demo data to a directory.

The same seed and size give the same bytes on every machine. ``coffee.json`` says what the directory holds and is
written last; while files are being written ``coffee.unfinished`` is there instead, so that data of a generation that
was killed is never taken for whole, and may be written again.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from tolva.coffee import shape, transactions, users
from tolva.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANIFEST: Final = "coffee.json"
UNFINISHED: Final = "coffee.unfinished"
_VERSION: Final = 1
"""Raised when the same seed and size give other bytes than before."""


@dataclass(frozen=True)
class Summary:
    """What was written: records of each kind, files and their bytes."""

    transactions: int
    items: int
    users: int
    files: int
    bytes: int


@dataclass(frozen=True)
class _Settings:
    """What decides the bytes."""

    version: int
    seed: int
    transactions: int


def generate(
    root: Path,
    *,
    transactions: int = 1_000_000,
    seed: int = 0,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Fill ``root`` with the coffee-shop data, and say what is there.

    If ``root`` already holds the data of this size and seed, nothing is written. Coffee data of another size or seed,
    or of a generation that was killed, is replaced.

    Args:
        root: directory; made if it isn't there, else empty or with coffee data.
        transactions: how many; items and users are in proportion, with 400 users at least.
        seed: 0 or more; other seeds make other data.
        full: as many transactions as the real chain's data has (14,623,691, about 3.2 GB); overrides
            ``transactions``.
        progress: called now and then with the transactions written so far and in all.

    Raises:
        UsageError: ``transactions`` is below 1, or ``seed`` below 0.
        OutputError: ``root`` holds something else, or can't be written.
    """
    if full:
        transactions = shape.FULL_TRANSACTIONS
    if transactions < 1 or seed < 0:
        raise UsageError(
            f"Can't make {transactions} transactions with seed {seed}: at least 1 transaction and a seed of 0 or more."
        )
    settings = _Settings(_VERSION, seed, transactions)
    try:
        return _finished(root, settings) or _write(root, settings, progress or (lambda _done, _total: None))
    except OSError as error:
        raise OutputError(
            f"Coffee data can't be written to {root}: {error.strerror or error}. Choose a directory that can be "
            "written, on a disk with room (about 225 MB for a million transactions).",
            path=str(root),
        ) from error


def _finished(root: Path, settings: _Settings) -> Summary | None:
    """Return what ``root`` holds if that is all that was asked for, and ``None`` if it may be written."""
    if not root.exists() or not any(root.iterdir()) or (root / UNFINISHED).exists():
        return None
    manifest = _read_manifest(root)
    if manifest is None:
        raise OutputError(
            f"{root} isn't empty, and not coffee data (it has no readable {MANIFEST}). Name a new or empty directory.",
            path=str(root),
        )
    sizes: dict[str, int] = manifest["files"]
    whole = all((root / name).is_file() and (root / name).stat().st_size == size for name, size in sizes.items())
    return Summary(**manifest["summary"]) if whole and manifest["settings"] == asdict(settings) else None


def _read_manifest(root: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    known = isinstance(manifest, dict) and manifest.keys() >= {"settings", "summary", "files"}
    return manifest if known else None


def _write(root: Path, settings: _Settings, progress: Callable[[int, int], None]) -> Summary:
    root.mkdir(parents=True, exist_ok=True)
    (root / UNFINISHED).touch()
    (root / MANIFEST).unlink(missing_ok=True)
    output = _Output(root)
    for name in shape.FIXED_FILES:
        with output.file(f"{name}/{name}.csv") as file:
            file.write(shape.fixed_file(name))
    user_count = max(shape.FEWEST_USERS, shape.scaled(shape.FULL_USERS, settings.transactions))
    _write_users(output, user_count, settings.seed)
    items = _write_transactions(output, settings, user_count, progress)
    summary = Summary(
        transactions=settings.transactions,
        items=items,
        users=user_count,
        files=len(output.sizes),
        bytes=sum(output.sizes.values()),
    )
    manifest = {"settings": asdict(settings), "summary": asdict(summary), "files": output.sizes}
    with output.file(MANIFEST) as file:
        file.write(json.dumps(manifest, indent=1).encode())
    (root / UNFINISHED).unlink()
    return summary


def _write_users(output: _Output, user_count: int, seed: int) -> None:
    writer = users.Writer(user_count, seed)
    before = 0
    for number, (first, count) in enumerate(shape.user_months(user_count).items()):
        with output.file(f"users/users_{first:%Y%m}.csv", final_newline=_ends_with_newline(number)) as file:
            file.write(f"{users.USER_COLUMNS}\n".encode())
            for block in writer.blocks(first, before, count):
                file.write(block)
        before += count


def _write_transactions(
    output: _Output, settings: _Settings, user_count: int, progress: Callable[[int, int], None]
) -> int:
    writer = transactions.Writer(user_count, settings.seed)
    wanted_items = shape.scaled(shape.FULL_ITEMS, settings.transactions)
    done = items = 0
    for number, month in enumerate(shape.transaction_months(settings.transactions, wanted_items, user_count)):
        newline = _ends_with_newline(number)
        transactions_name = f"transactions/transactions_{month.name}.csv"
        items_name = f"transaction_items/transaction_items_{month.name}.csv"
        with (
            output.file(transactions_name, final_newline=newline) as transaction_file,
            output.file(items_name, final_newline=newline) as item_file,
        ):
            transaction_file.write(f"{transactions.TRANSACTION_COLUMNS}\n".encode())
            item_file.write(f"{transactions.ITEM_COLUMNS}\n".encode())
            for block in writer.blocks(month):
                transaction_file.write(block.transaction_rows)
                item_file.write(block.item_rows)
                done += block.transactions
                items += block.items
                progress(done, settings.transactions)
    return items


def _ends_with_newline(number: int) -> bool:
    """Tell it for the file of this number: every third month's file stops in its last record."""
    return number % 3 != 1


class _Output:
    """A directory whose files appear whole, under their names, or not at all.

    ``sizes`` has the bytes of each file so far, by its path below ``root``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.sizes: dict[str, int] = {}

    @contextmanager
    def file(self, name: str, *, final_newline: bool = True) -> Iterator[BinaryIO]:
        """Open a file to be written; its last byte is cut off if that newline isn't wanted."""
        path = self._root / name
        partial = path.with_name(f"{path.name}.partial")
        path.parent.mkdir(exist_ok=True)
        with partial.open("wb") as file:
            yield file
            size = file.tell()
            if not final_newline:
                size = file.truncate(size - 1)
        partial.replace(path)
        self.sizes[name] = size
