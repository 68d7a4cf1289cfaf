"""Prepare an ingest job: its files found, its rules bound, its work planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tolva.errors import DocumentError
from tolva.ingest.rules import ColumnRule, Limits, Rules
from tolva.jobs.prepare import NO_TABLES, Brief, KeptTable, Prepared, Spec
from tolva.model import LoadMode, NewLoad
from tolva.plan import DEFAULT_MAX_PART_BYTES, Column

if TYPE_CHECKING:
    from tolva.formats import InputTable

_PACKED = (".gz", ".zst")
_DELIMITED = "delimited"
_PARQUET = "parquet"
_LINES_AS_THEY_ARE = (_DELIMITED, "fixed_width")


@dataclass(frozen=True, slots=True)
class IngestBrief(Brief):
    """The brief of an ingest job; its files are relative to ``base``."""

    table: str
    spec: Spec
    rules: Rules
    base: Path
    mode: LoadMode = LoadMode.APPEND
    limits: Limits = field(default_factory=Limits)
    atomic: bool = True
    allow_again: bool = False
    reports: tuple[str, ...] = ("ndjson",)
    max_reasons: int | None = None
    max_part_bytes: int = DEFAULT_MAX_PART_BYTES
    document: dict[str, Any] = field(default_factory=dict)
    kept: KeptTable | None = None

    @property
    def stored_names(self) -> frozenset[str]:
        """See ``Brief.stored_names``: only an upsert looks at what the table has."""
        return frozenset([self.table] if self.mode is LoadMode.UPSERT else [])

    def given(self, kept: Mapping[str, KeptTable]) -> IngestBrief:
        """See ``Brief.given``."""
        return replace(self, kept=kept.get(self.table))

    def prepare(self, uploaded: Mapping[str, InputTable] = NO_TABLES) -> Prepared:
        """See ``Brief.prepare``."""
        from tolva.formats import resolve  # noqa: PLC0415 - the parent only carries briefs about
        from tolva.formats.table_object import input_table  # noqa: PLC0415 - likewise
        from tolva.ingest.planning import Reporting, Request, old_table, plan  # noqa: PLC0415 - likewise

        found = uploaded.get(self.table) or resolve(self.table, self.spec, self.base, number_lines=True)
        fields = tuple(column.name for column in found.columns)
        own = replace(found, columns=tuple(Column(name, "VARCHAR") for name in fields))
        rules = replace(self.rules, columns=tuple(_with_source(column, fields) for column in self.rules.columns))
        asked = Request(
            table=self.table,
            mode=self.mode,
            rules=rules,
            fields=fields,
            limits=self.limits,
            reporting=Reporting(self.reports, self.max_reasons),
            atomic=self.atomic,
            suffix=_suffix(own),
            header=_header(own),
            document=self.document | _dialect(own),
        )
        kept = self.kept
        old = input_table(old_table(self.table), kept.table, kept.objects, on_disk=kept.on_disk) if kept else None
        made = plan(asked, old.columns if old else (), own.text_bytes, max_part_bytes=self.max_part_bytes)
        load = NewLoad(
            table=self.table,
            mode=self.mode,
            columns=tuple((column.name, column.type) for column in rules.columns),
            key=rules.key,
            base_version=(kept.table.version if kept else 0) if self.mode is LoadMode.UPSERT else None,
            allow_again=self.allow_again,
        )
        return Prepared((own, old) if old else (own,), made, (kept.table,) if kept else (), (load,))


def _with_source(column: ColumnRule, fields: tuple[str, ...]) -> ColumnRule:
    """Return the rule with its field as the files write it; DocumentError if they have none of that name."""
    if column.source is None:
        return column
    known = {name.casefold(): name for name in fields}
    if column.source.casefold() not in known:
        near = get_close_matches(column.source, fields, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"its fields: {', '.join(fields)}"
        raise DocumentError(
            f"columns.{column.name} is read from the field {column.source}, which the files don't have; {hint} "
            "Name another with from, or compute it with sql.",
            column=column.name,
        )
    return replace(column, source=known[column.source.casefold()])


def _suffix(table: InputTable) -> str:
    """Return the ending for a file of records written as the table's are."""
    for file in table.files:
        suffixes = [suffix for suffix in Path(file.name).suffixes if suffix.lower() not in _PACKED]
        if file.layout.get("format", _DELIMITED) not in _LINES_AS_THEY_ARE:
            return "ndjson"
        if suffixes:
            return suffixes[-1].removeprefix(".")
    return "csv"


def _dialect(table: InputTable) -> dict[str, Any]:
    """Return what the document must say so that a file of rejects is read as the table's files are."""
    layout = table.files[0].layout if table.files else {}
    told: dict[str, Any] = {"compression": "none", "encoding": "utf-8", "skip": 0}
    if layout.get("format") == _PARQUET:
        told["format"] = "ndjson"  # as its records are written for people
    if layout.get("format") != _DELIMITED:
        return told | {"delimiter": None, "quote": None, "escape": None, "comment": None, "header": None}
    dialect: dict[str, Any] = layout["dialect"]
    return told | dialect


def _header(table: InputTable) -> str:
    """Return the first line of a file that is written as the table's are; empty where they have none."""
    layout = table.files[0].layout if table.files else {}
    if layout.get("format") != _DELIMITED or not layout["dialect"]["header"]:
        return ""
    dialect = layout["dialect"]
    return str(dialect["delimiter"]).join(_named(name, dialect) for name in layout["header"]) + "\n"


def _named(name: str, dialect: Mapping[str, Any]) -> str:
    quote: str | None = dialect["quote"]
    if quote is None or not any(c in name for c in (dialect["delimiter"], quote, "\n", "\r")):
        return name
    return quote + name.replace(quote, f"{dialect['escape'] or quote}{quote}") + quote
