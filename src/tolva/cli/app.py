"""The command ``tolva``: its subcommands, and how errors and signals become messages and exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 3 done with rejects, 4 not allowed, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

import tolva
from tolva.cli.interrupt import EXIT_CODE, Interrupt
from tolva.errors import TolvaError, UsageError

_SETTINGS_FILE = Path("tolva.toml")

_COMMANDS = {
    "demo": "demo:demo",
    "run": "run_job:run",
    "sql": "query:sql",
    "explain": "explain:explain",
    "ingest": "ingest:ingest",
    "sniff": "sniff:sniff",
    "rollup": "rollup:rollup",
    "tables": "tables:app",
    "generate": "generate:app",
    "clean": "clean:clean",
    "serve": "serve:serve",
    "keys": "keys:app",
    "submit": "remote:submit",
    "jobs": "remote:jobs",
    "status": "remote:status",
    "watch": "remote:watch",
    "results": "remote:results",
    "rejects": "remote:rejects",
    "cancel": "remote:cancel",
    "retry": "remote:retry",
    "worker": "worker:worker",
    "workers": "workers:app",
    "migrate": "migrate:migrate",
    "doctor": "doctor:doctor",
}
"""Where each command is, in the order in which --help lists them."""


def make_app(word: str | None) -> typer.Typer:
    """Return the command line. If ``word`` is a command's name, only that command is loaded."""
    app = typer.Typer(
        name="tolva",
        help="Cut big files of records into chunks, work on them in parallel, answer in SQL.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Plain help: rendering it with rich takes longer than all the rest of --help.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in [word] if word in _COMMANDS else _COMMANDS:
        module, _, attribute = _COMMANDS[name].partition(":")
        found = getattr(import_module(f"tolva.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name=name)(found)
    return app


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tolva {tolva.__version__}")
        raise typer.Exit


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
        make_app(sys.argv[1] if len(sys.argv) > 1 else None)()
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
