"""``tolva run``: a job document, here and now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tolva.cli import options
from tolva.cli.interrupt import RESUME, interrupted_as

_DONE_WITH_REJECTS = 3


def run(
    document: Annotated[Path, typer.Argument(help="The job document (YAML or JSON).", metavar="JOB.yaml")],
    data: Annotated[Path, typer.Option(help="Folder that the document's files are in.", metavar="DIR")] = Path(),
    output: Annotated[Path, typer.Option(help="Folder for the results.", metavar="DIR")] = Path("results"),
    resume: Annotated[bool, typer.Option("--resume", help="Take up an interrupted run of the same job.")] = False,
    quiet: options.Quiet = False,
    state: options.State = None,
    workers: options.Workers = None,
    chunk: options.ChunkSize = options.CHUNK,
    memory: options.Memory = options.MEMORY,
    task_seconds: options.TaskSeconds = None,
    lease_seconds: options.LeaseSeconds = options.LEASE_SECONDS,
) -> None:
    """Run a job document over files; write its results as DIR/QUERY_0001.FORMAT.

    Example: tolva run coffee/four_questions.yaml --data coffee --output results
    """
    from tolva.cli.house import runner  # noqa: PLC0415 - keeps --help quick

    settings = options.settings(state, workers, chunk, memory, task_seconds, lease_seconds)
    with interrupted_as(RESUME), runner(settings) as job_run:
        from tolva.cli.progress import shown_progress  # noqa: PLC0415 - while the children get ready
        from tolva.jobs.documents import load  # noqa: PLC0415 - likewise

        job = load(document)
        with shown_progress(quiet=quiet, kind=job.kind) as report:
            finished = job_run.execute(job, data, output, resume=resume, report=report)
    for part in finished.manifest["output"]:
        typer.echo(output / part["name"])
    if finished.rejects:
        typer.echo(f"tolva: {finished.rejects:,} could not be had or used; the error files name each.", err=True)
        raise typer.Exit(_DONE_WITH_REJECTS)
