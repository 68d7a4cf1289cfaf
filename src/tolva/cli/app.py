"""The command ``tolva``: its subcommands, and how errors and signals become messages and exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 3 done with rejects, 4 not allowed, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection
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

COMMANDS = {
    "demo": ("demo:demo", "Make coffee-shop sales and answer four questions about them."),
    "run": ("run_job:run", "Run a job document over files, here and now."),
    "sql": ("query:sql", "Answer one question over files and stored tables."),
    "explain": ("explain:explain", "Show how a job is worked on; with --analyze, how it was."),
    "ingest": ("ingest:ingest", "Check records, store the good, report the bad."),
    "sniff": ("sniff:sniff", "Show what a file is, as a job document to start from."),
    "rollup": ("rollup:rollup", "Roll many finished files into few of a known size."),
    "tables": ("tables:app", "List, describe and drop stored tables."),
    "generate": ("generate:app", "Make data to try things with."),
    "clean": ("clean:clean", "Delete stored files that nobody may want any more."),
    "serve": ("serve:serve", "Serve jobs over HTTP, with workers of its own."),
    "keys": ("keys:app", "Add, list and revoke the keys of a server's clients."),
    "submit": ("remote:submit", "Send a job and its files to a server."),
    "jobs": ("remote:jobs", "List a server's jobs, newest first."),
    "status": ("remote:status", "Tell where a job stands."),
    "watch": ("remote:watch", "Watch a job to its end, and exit as it did."),
    "results": ("remote:results", "Fetch a job's results into a folder."),
    "rejects": ("remote:rejects", "Print the report of a job's bad records."),
    "cancel": ("remote:cancel", "Stop a job and delete its files."),
    "retry": ("remote:retry", "Give a failed job's dead tasks new attempts."),
    "worker": ("worker:worker", "Work on the tasks of a fleet's jobs."),
    "workers": ("workers:app", "See who works for the fleet; pause and resume roles."),
    "migrate": ("migrate:migrate", "Bring the catalog to this version's schema."),
    "doctor": ("doctor:doctor", "Check a set-up and say what to do."),
}
"""Each command: where it is, and its line in --help, which lists them in this order."""


def make_app(asked: Collection[str]) -> typer.Typer:
    """Return the command line. Only the commands ``asked`` for are loaded; the others are names and lines of help."""
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
    for name, (place, line) in COMMANDS.items():
        found = _load(place) if name in asked else _not_asked
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, short_help=line)
        else:
            app.command(name=name, short_help=line)(found)
    return app


def _asked() -> Collection[str]:
    if "_TOLVA_COMPLETE" in os.environ:  # the shell asks what could be typed next, anywhere
        return COMMANDS
    return [word for word in sys.argv[1:] if not word.startswith("-")][:1]


def _load(place: str) -> Callable[..., None] | typer.Typer:
    module, _, attribute = place.partition(":")
    found: Callable[..., None] | typer.Typer = getattr(import_module(f"tolva.cli.{module}"), attribute)
    return found


def _not_asked() -> NoReturn:
    raise AssertionError("a command that isn't loaded was run")


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
        make_app(_asked())()
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
    except Exception:  # noqa: BLE001 - a bug: it is shown whole, and no thread that still waits keeps the process
        sys.excepthook(*sys.exc_info())
        _leave(1)
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
    raise Interrupt("Interrupted.")


def _from_file() -> dict[str, object]:
    """Read ``tolva.toml`` in the current folder: a table of options for each command."""
    if not _SETTINGS_FILE.exists():
        return {}
    import tomllib  # noqa: PLC0415 - most runs have no such file

    try:
        return tomllib.loads(_SETTINGS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{_SETTINGS_FILE} can't be used: {error}") from None
