"""``tolva sniff``: what a file is, as a job document to start from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def sniff(
    file: Annotated[str, typer.Argument(help="A file of records: delimited, fixed width, NDJSON or Parquet.")],
) -> None:
    """Show what is found out about a file (format, columns, types, first records) as a job document to start from.

    Example: tolva sniff sales.csv > sales.yaml && tolva run sales.yaml
    """
    from tolva.jobs.sniff import sniffed  # noqa: PLC0415 - keeps --help quick

    sys.stdout.write(sniffed(file))
