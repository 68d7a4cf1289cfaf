"""Client files of any size, dirty to any degree, made column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tolva.clients import document

_BLOCK_ROWS = 250_000
_FIRST_DAY, _LAST_DAY = date(2015, 1, 1), date(2025, 6, 30)
_LONG_NAMES = 64
_WORDS_OF_LONG_NAME = 50
_DNI_FROM, _DNI_TO = 10_000_000, 100_000_000
_BAD_DATES = ("0000-00-00", "99/99/9999", "")
_FLAGS = ("true|true", "true|false", "false|true", "false|false", "false|", "|")
_NO_FLAGS = len(_FLAGS) - 1
_STATES = ("Activo", "Inactivo")
_NAMES = (
    "Ana", "Bruno", "Carla", "Diego", "Elena", "Franco", "Gabriela", "Hugo", "Ines", "Joaquin", "Karina", "Lucas",
    "Marta", "Nicolas", "Olga", "Pablo", "Rocio", "Simon", "Teresa", "Ulises", "Valeria", "Walter", "Ximena", "Yago",
    "Zulema",
)  # fmt: skip
_SURNAMES = (
    "Acosta", "Benitez", "Castro", "Dominguez", "Escobar", "Fernandez", "Gomez", "Herrera", "Ibarra", "Juarez",
    "Kessler", "Luna", "Medina", "Nunez", "Ojeda", "Peralta", "Quiroga", "Rojas", "Sosa", "Torres", "Urquiza", "Vega",
    "Weiss", "Yanez", "Zapata",
)  # fmt: skip

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: records, how many of them are dirty, and the file's size."""

    rows: int
    dirty: int
    bytes: int


def generate(folder: Path, *, rows: int, dirty: float, seed: int) -> Made:
    """Write ``clients.dat`` and the document ``clients.yaml`` into ``folder``; the same arguments make the same bytes.

    Args:
        folder: where to; made if need be.
        rows: how many records.
        dirty: the part of them, from 0 to 1, that the document rejects.
        seed: other seeds make other data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clients.yaml").write_text(document(), encoding="utf-8")
    path = folder / "clients.dat"
    random = np.random.default_rng(seed)
    columns = _Columns(random)
    count = 0
    with path.open("wb") as file:
        for start in range(0, rows, _BLOCK_ROWS):
            lines, bad = columns.lines(min(_BLOCK_ROWS, rows - start), dirty)
            count += bad
            file.write(lines)
    return Made(rows, count, path.stat().st_size)


class _Columns:
    """Every value there can be of each column, clean ones first, and how to draw from them."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._names = pa.array([*_NAMES, *_long_names(random)])
        self._surnames = pa.array([*_SURNAMES, *_long_names(random)])
        self._dates = pa.array([*_days(), *_BAD_DATES])
        self._days = len(self._dates) - len(_BAD_DATES)

    def lines(self, rows: int, dirty: float) -> tuple[memoryview, int]:
        """Return this many lines, and how many of them are dirty."""
        draw = self._random.integers
        names, surnames = draw(0, len(_NAMES), rows), draw(0, len(_SURNAMES), rows)
        dates, flags = draw(0, self._days, rows), draw(0, _NO_FLAGS, rows)
        bad = self._random.random(rows) < dirty
        kind = np.where(bad, draw(0, 3, rows), -1)
        self._spoil(names, kind == 0, len(_NAMES), _LONG_NAMES)
        self._spoil(surnames, kind == 0, len(_SURNAMES), _LONG_NAMES)
        self._spoil(dates, kind == 1, self._days, len(_BAD_DATES))
        flags[kind == 2] = _NO_FLAGS  # noqa: PLR2004 - the third kind of dirt
        columns = [
            self._names.take(pa.array(names)),
            self._surnames.take(pa.array(surnames)),
            pa.array(draw(_DNI_FROM, _DNI_TO, rows)).cast(pa.string()),
            pa.array(_STATES).take(pa.array(draw(0, len(_STATES), rows))),
            self._dates.take(pa.array(dates)),
            pc.binary_join_element_wise(pa.array(_FLAGS).take(pa.array(flags)), "\n", ""),
        ]
        lines = pc.binary_join_element_wise(*columns, "|")
        return memoryview(lines.buffers()[2]).cast("B")[: pc.sum(pc.binary_length(lines)).as_py()], int(bad.sum())

    def _spoil(self, codes: Codes, where: npt.NDArray[np.bool_], first: int, count: int) -> None:
        codes[where] = self._random.integers(first, first + count, int(where.sum()))


def _long_names(random: np.random.Generator) -> Iterator[str]:
    words = [word.lower() for word in (*_NAMES, *_SURNAMES)]
    for _ in range(_LONG_NAMES):
        yield " ".join(words[n] for n in random.integers(0, len(words), _WORDS_OF_LONG_NAME))


def _days() -> Iterator[str]:
    day = _FIRST_DAY
    while day <= _LAST_DAY:
        yield f"{day.month}/{day.day}/{day.year}"
        day += timedelta(days=1)
