"""``tolva ingest``: files into a stored table, here and now, with a report of what had to be rejected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tolva.cli import options
from tolva.cli.interrupt import RESUME, interrupted_as
from tolva.errors import InputError, TooManyRejectsError, UsageError

if TYPE_CHECKING:
    from tolva.jobs.documents import JobDocument

_DONE_WITH_REJECTS = 3
_PRELOAD = ("tolva.ingest.chunks", "tolva.jobs.prepare_ingest")
_ROOMY_BYTES = 2**30
"""With so much memory for each child there is no need to give any back between two chunks."""

_SUMMARY = "summary_0001.json"


class Mode(StrEnum):
    """What becomes of the records that the table has."""

    APPEND = "append"
    REPLACE = "replace"
    UPSERT = "upsert"


def ingest(
    files: Annotated[list[str] | None, typer.Argument(help="The files.", metavar="FILE...")] = None,
    into: Annotated[str | None, typer.Option(help="The stored table.", metavar="NAME")] = None,
    document: Annotated[
        Path | None, typer.Option(help="The job document: columns, checks, limits.", metavar="JOB.yaml")
    ] = None,
    retry_rejects: Annotated[
        Path | None,
        typer.Option(help="Mended rejects, a file or a folder of them, to be loaded as their run was.", metavar="PATH"),
    ] = None,
    mode: Annotated[Mode | None, typer.Option(help="What becomes of the records that are there.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Upsert by this column; may be repeated.", metavar="COLUMN")
    ] = None,
    max_rejects: Annotated[int | None, typer.Option(min=0, help="Fail with more rejected records.")] = None,
    max_reject_ratio: Annotated[
        float | None, typer.Option(min=0, max=1, help="Fail with a larger part rejected.")
    ] = None,
    allow_again: Annotated[bool, typer.Option("--allow-again", help="Load the same content once more.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for the reports.", metavar="DIR")] = Path("results"),
    resume: Annotated[bool, typer.Option("--resume", help="Take up an interrupted run of the same job.")] = False,
    quiet: options.Quiet = False,
    state: options.State = None,
    workers: options.Workers = None,
    chunk: options.ChunkSize = options.CHUNK,
    memory: options.Memory = options.MEMORY,
    task_seconds: options.TaskSeconds = None,
    lease_seconds: options.LeaseSeconds = options.LEASE_SECONDS,
) -> None:
    """Check the records of files, store the good ones as a table, report every reason of the bad ones.

    Without a document the columns and their types are found out from the files. Exit code 3: done, with rejects.

    Example: tolva ingest clients.dat --document clients.yaml
    """
    from tolva.allocators import hold_memory  # noqa: PLC0415 - likewise
    from tolva.cli.house import runner  # noqa: PLC0415 - keeps --help quick

    changes: dict[str, Any] = {
        "into": into,
        "mode": mode or ("upsert" if key else None),
        "key": key,
        "max_rejects": max_rejects,
        "max_reject_ratio": max_reject_ratio,
        "allow_again": allow_again or None,
    }
    settings = options.settings(state, workers, chunk, memory, task_seconds, lease_seconds)
    if settings.memory_bytes >= settings.workers * _ROOMY_BYTES:
        hold_memory()
    with interrupted_as(RESUME), runner(settings, _PRELOAD) as job_run:
        from tolva.cli.progress import shown_progress  # noqa: PLC0415 - while the children get ready

        job = _document(files or [], document, retry_rejects, changes)
        base = document.parent if document and not files and not retry_rejects else Path()
        try:
            with shown_progress(quiet=quiet) as report:
                finished = job_run.execute(job, base, output, resume=resume, report=report)
        except TooManyRejectsError:
            _show(output)
            raise
    _show(output)
    if finished.rejects:
        raise typer.Exit(_DONE_WITH_REJECTS)


def _summary(output: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((output / _SUMMARY).read_text(encoding="utf-8"))
    return summary


def _show(output: Path) -> None:
    summary = _summary(output)
    counts = f"{summary['read']:,} read, {summary['stored']:,} stored, {summary['rejected']:,} rejected"
    print(f"{summary['table']}: {counts}")
    if not summary["rejected"]:
        return
    width = max(len(each["column"] or "") for each in summary["by"])
    for each in summary["by"]:
        print(f"{each['reasons']:>12,}  {each['column'] or '':<{width}}  {each['code']}")
    capped = f" (the first {summary['reported']:,} of {summary['reasons']:,} reasons)" if summary["capped"] else ""
    print(f"report: {output}/report_*{capped}; records to mend: {output}/rejects_*")


def _document(
    files: list[str], document: Path | None, retry_rejects: Path | None, changes: Mapping[str, Any]
) -> JobDocument:
    from tolva.jobs.documents import load, to_json, validate  # noqa: PLC0415 - keeps --help quick

    if retry_rejects is not None:
        if files:
            raise UsageError("Give either files or --retry-rejects PATH, not both.")
        values = _retried(retry_rejects) if document is None else to_json(load(document))
        files = [f"{escape(str(retry_rejects))}/rejects_*" if retry_rejects.is_dir() else str(retry_rejects)]
    elif document is not None:
        values = to_json(load(document))
    else:
        values = _found_out(files, changes["into"])
    given = {name: value for name, value in changes.items() if value is not None}
    return validate(values | ({"files": files} if files else {}) | given, str(document or "tolva ingest"))


def _retried(rejects: Path) -> dict[str, Any]:
    """Return the document of the run that rejected these records; what it stored then stays."""
    summary = (rejects if rejects.is_dir() else rejects.parent) / _SUMMARY
    try:
        values: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))["document"]
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"{summary} is not there or isn't the summary of an ingestion. Leave the file of rejects beside it, or say "
            "with --document how it is to be loaded."
        ) from None
    return values | ({"mode": "append"} if values["mode"] == "replace" else {})


def _found_out(files: list[str], into: str | None) -> dict[str, Any]:
    """Return a document whose columns are those that the files seem to have."""
    from tolva.formats import resolve  # noqa: PLC0415 - keeps --help quick
    from tolva.jobs.prepare import Spec  # noqa: PLC0415 - likewise

    if not files or into is None:
        raise UsageError("Name the files and the table, as in: tolva ingest FILE --into NAME; or give --document.")
    table = resolve(into, Spec(files), Path())
    return {"kind": "ingest", "columns": {column.name: column.type for column in table.columns}}
