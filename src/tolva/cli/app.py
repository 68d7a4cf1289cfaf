"""The command ``tolva``: its subcommands, and how errors and signals become messages and exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 3 done with rejects, 4 not allowed, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

import tolva
from tolva.cli import (
    clean,
    demo,
    doctor,
    explain,
    generate,
    ingest,
    keys,
    migrate,
    query,
    remote,
    rollup,
    run_job,
    serve,
    sniff,
    tables,
    worker,
    workers,
)
from tolva.cli.interrupt import EXIT_CODE, Interrupt
from tolva.errors import TolvaError, UsageError

_SETTINGS_FILE = Path("tolva.toml")

app = typer.Typer(
    name="tolva",
    help="Cut big files of records into chunks, work on them in parallel, answer in SQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: rendering it with rich takes longer than all the rest of --help.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="demo")(demo.demo)
app.command(name="run")(run_job.run)
app.command(name="sql")(query.sql)
app.command(name="explain")(explain.explain)
app.command(name="clean")(clean.clean)
app.command(name="serve")(serve.serve)
app.command(name="worker")(worker.worker)
app.command(name="migrate")(migrate.migrate)
app.command(name="doctor")(doctor.doctor)
app.command(name="ingest")(ingest.ingest)
app.command(name="rollup")(rollup.rollup)
app.command(name="sniff")(sniff.sniff)
for command in (
    remote.submit,
    remote.status,
    remote.watch,
    remote.results,
    remote.rejects,
    remote.cancel,
    remote.retry,
    remote.jobs,
):
    app.command()(command)
app.add_typer(generate.app, name="generate")
app.add_typer(workers.app, name="workers")
app.add_typer(keys.app, name="keys")
app.add_typer(tables.app, name="tables")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tolva {tolva.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.default_map = _from_file()


def run() -> NoReturn:
    """Run the command line; every error ends as one message on stderr and an exit code."""
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        app()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else 0)
    except TolvaError as error:
        typer.echo(f"tolva: {error.message}", err=True)
        _leave(error.exit_code)
    except Interrupt as interrupt:
        typer.echo(f"tolva: {interrupt.message}", err=True)
        _leave(EXIT_CODE)
    except BrokenPipeError:
        pass  # whoever read our output has seen enough (head, less)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End the process at once.

    Python would take apart all that DuckDB and Arrow have built, which is a quarter of a small question's time. What
    matters was closed where it was opened.
    """
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _interrupted(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupt("Interrupted. Finished work is kept: the same command with --resume goes on from there.")


def _from_file() -> dict[str, object]:
    """Read ``tolva.toml`` in the current folder: a table of options for each command."""
    if not _SETTINGS_FILE.exists():
        return {}
    import tomllib  # noqa: PLC0415 - most runs have no such file

    try:
        return tomllib.loads(_SETTINGS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{_SETTINGS_FILE} can't be used: {error}") from None
