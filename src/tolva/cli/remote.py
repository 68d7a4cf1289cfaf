"""Commands that talk to a server: submit a job, look at it, watch it, take its results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tolva.cli import options
from tolva.cli.interrupt import interrupted_as

if TYPE_CHECKING:
    from tolva.client import Client, Job, JobInfo
    from tolva.model import Progress

_CANCELLED = 1
_WITH_REJECTS = 3

Server = Annotated[
    str, typer.Option(envvar="TOLVA_SERVER", help="Where the server is; its key in TOLVA_KEY.", metavar="URL")
]
JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="JOB")]
SERVER = "http://127.0.0.1:8080"


class ReportFormat(StrEnum):
    """How a report is written."""

    NDJSON = "ndjson"
    CSV = "csv"


def submit(
    document: Annotated[Path, typer.Argument(help="The job document (YAML or JSON).", metavar="JOB.yaml")],
    data: Annotated[Path, typer.Option(help="Folder that the document's files are in.", metavar="DIR")] = Path(),
    watch_it: Annotated[bool, typer.Option("--watch", help="Then watch it, as tolva watch does.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Do it all in one session, and write the results here as they come.", metavar="DIR"),
    ] = None,
    server: Server = SERVER,
    quiet: options.Quiet = False,
) -> None:
    """Submit a job to a server: send the document, then its files, two at a time, and say that these are all.

    Prints the job's id. Files that break off go on where they were.
    Example: tolva submit coffee/four_questions.yaml --data coffee --watch
    """
    from tolva.formats.files import find_files  # noqa: PLC0415 - keeps --help quick
    from tolva.jobs.documents import load, to_json  # noqa: PLC0415 - likewise

    sent, patterns = load(document).to_send()
    files = {table: [path for _, path in find_files(named, data)] for table, named in patterns.items()}
    if output is not None:
        _in_one_session(server, to_json(sent), files, data, output, quiet=quiet)
        return
    with _client(server) as client:
        job = client.submit(to_json(sent))
        typer.echo(job.id)
        _send(job, files, data, quiet=quiet)
        job.start()
        if watch_it:
            _watch(job, quiet=quiet)


def status(
    job_id: JobId,
    as_json: Annotated[bool, typer.Option("--json", help="Everything the server says, as JSON.")] = False,
    tasks: Annotated[
        bool, typer.Option("--tasks", help="Each task with its id, chunk, attempts and last error.")
    ] = False,
    server: Server = SERVER,
) -> None:
    """Tell where a job stands.

    Example: tolva status 34d8ade8b4fff1f2
    """
    with _client(server) as client:
        job = client.job(job_id)
        if as_json:
            import json  # noqa: PLC0415 - only here

            typer.echo(json.dumps(job.raw(), indent=2))
            return
        _print_jobs(iter([job.info]))
        if not job.info.status.final:
            info = job.info
            typer.echo(f"{info.bytes_done:,} of {info.bytes_total:,} bytes done, {info.records_done:,} records")
        if job.info.error is not None:
            typer.echo(job.info.error["message"])
        for task in job.tasks() if tasks else ():
            _print_task(task)


def watch(job_id: JobId, server: Server = SERVER, quiet: options.Quiet = False) -> None:
    """Watch a job to its end; the exit code is the job's: 0 completed, 3 with rejects, 1 failed or cancelled.

    Example: tolva watch 34d8ade8b4fff1f2
    """
    with _client(server) as client:
        _watch(client.job(job_id), quiet=quiet)


def results(
    job_id: JobId,
    output: Annotated[Path, typer.Option(help="Folder for the results.", metavar="DIR")] = Path("results"),
    server: Server = SERVER,
) -> None:
    """Fetch a job's results into a folder; what is there whole already is not fetched again.

    Example: tolva results 34d8ade8b4fff1f2 --output results
    """
    with _client(server) as client:
        job = client.job(job_id)
        for path in job.download(output):
            typer.echo(path)
        job.info.check()
        if not job.info.status.final:
            typer.echo(f"tolva: job {job_id} goes on; these are its results so far.", err=True)


def rejects(
    job_id: JobId,
    form: Annotated[ReportFormat, typer.Option("--format", help="How the report is written.")] = ReportFormat.NDJSON,
    server: Server = SERVER,
) -> None:
    """Print the report of what a job could not use: every bad record or key, with its place and the reason.

    Example: tolva rejects 34d8ade8b4fff1f2 --format csv > report.csv
    """
    with _client(server) as client:
        for block in client.job(job_id).report(form):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


def cancel(job_id: JobId, server: Server = SERVER) -> None:
    """Stop a job: in two seconds its work has ended and its files are gone."""
    with _client(server) as client:
        client.job(job_id).cancel()


def retry(
    job_id: JobId,
    task: Annotated[
        int | None, typer.Option(help="Only this dead task, by its id (tolva status --tasks).", metavar="ID")
    ] = None,
    server: Server = SERVER,
) -> None:
    """Give a failed job's dead tasks new attempts; what was done is kept.

    Example: tolva retry 34d8ade8b4fff1f2
    """
    with _client(server) as client:
        client.job(job_id).retry(task)


def jobs(
    status_is: Annotated[
        list[str] | None, typer.Option("--status", help="Only jobs in this status; may be repeated.")
    ] = None,
    server: Server = SERVER,
) -> None:
    """List jobs, newest first.

    Example: tolva jobs --status wip --status pending
    """
    from tolva.errors import UsageError  # noqa: PLC0415 - keeps --help quick
    from tolva.states import JobStatus  # noqa: PLC0415 - likewise

    try:
        statuses = [JobStatus(each) for each in status_is or ()]
    except ValueError as error:
        raise UsageError(f"{error}; write one of {', '.join(JobStatus)}.") from None
    with _client(server) as client:
        _print_jobs(client.jobs(statuses=statuses))


def _left_to_server() -> AbstractContextManager[None]:
    return interrupted_as("The server keeps what it has, and goes on with it; tolva jobs lists its jobs.")


@contextmanager
def _client(server: str) -> Iterator[Client]:
    from tolva.client import Client  # noqa: PLC0415 - keeps --help quick

    with _left_to_server(), Client(server, os.environ.get("TOLVA_KEY")) as client:
        yield client


def _in_one_session(
    server: str, document: dict[str, object], files: dict[str, list[Path]], data: Path, output: Path, *, quiet: bool
) -> None:
    from tolva.cli.progress import shown_progress  # noqa: PLC0415 - keeps --help quick
    from tolva.client.session import Work, run_session  # noqa: PLC0415 - likewise

    work = Work(document, files, output, data)
    with _left_to_server(), shown_progress(quiet=quiet, kind=str(document["kind"])) as report:
        info = run_session(server, os.environ.get("TOLVA_KEY"), work, lambda info: report(_progress(info)))
    for path in sorted(output.iterdir()):
        typer.echo(path)
    with _client(server) as client:
        _leave_with(client.job(info.id))


def _send(job: Job, files: dict[str, list[Path]], data: Path, *, quiet: bool) -> None:
    from tolva.cli.progress import shown_progress  # noqa: PLC0415 - keeps --help quick
    from tolva.model import Progress  # noqa: PLC0415 - likewise

    total = sum(path.stat().st_size for paths in files.values() for path in paths)
    with shown_progress(quiet=quiet, doing="sending") as report:
        job.upload_all(files, base=data, on_bytes=lambda sent: report(Progress(total, sent, 0, ())))


def _watch(job: Job, *, quiet: bool) -> None:
    from tolva.cli.progress import shown_progress  # noqa: PLC0415 - keeps --help quick

    with shown_progress(quiet=quiet, kind=job.info.kind) as report:
        for info in job.events():
            report(_progress(info))
    _leave_with(job)
    if not quiet:
        typer.echo(f"tolva: job {job.id} is completed. Fetch its results: tolva results {job.id}", err=True)


def _leave_with(job: Job) -> None:
    from tolva.states import JobStatus  # noqa: PLC0415 - keeps --help quick

    job.info.check()
    if job.info.status is JobStatus.CANCELLED:
        typer.echo(f"Job {job.id} was cancelled.", err=True)
        raise typer.Exit(_CANCELLED)
    if rejects := job.rejects():
        typer.echo(f"tolva: {rejects:,} could not be had or used; the results name each.", err=True)
        raise typer.Exit(_WITH_REJECTS)


def _progress(info: JobInfo) -> Progress:
    from tolva.model import Progress, StageProgress  # noqa: PLC0415 - keeps --help quick
    from tolva.plan import Role  # noqa: PLC0415 - likewise

    stages = tuple(
        StageProgress(
            name=stage["name"],
            role=Role(stage["role"]),
            created=stage["tasks_created"],
            done=stage["tasks_done"],
            ended=stage["ended"],
            records=stage["records"],
        )
        for stage in info.stages
    )
    return Progress(info.bytes_total, info.bytes_done, info.records_done, stages)


def _print_task(task: dict[str, Any]) -> None:
    place = "" if task["file"] is None else f"{task['file']} [{task['offset']}, {task['offset'] + task['length']})"
    if task["first_line"] is not None:
        place += f" lines {task['first_line']}-{task['last_line']}"
    error = "" if task["error"] is None else task["error"]["message"]
    name, attempt = f"{task['stage']} {task['ordinal']}", f"attempt {task['attempt']}"
    fields = [str(task["id"]), name, task["state"], attempt, place, error]
    typer.echo("\t".join(fields).rstrip())


def _print_jobs(found: Iterator[JobInfo]) -> None:
    for info in found:
        typer.echo(
            "\t".join([info.id, info.status, info.kind, f"{info.created_at:%Y-%m-%d %H:%M:%S}", _labels(info.labels)])
        )


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
