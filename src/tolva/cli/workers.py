"""``tolva workers``: who works for the fleet, and whose work is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options

if TYPE_CHECKING:
    from tolva.catalog import Catalog
    from tolva.model import FleetWorker
    from tolva.plan import Role

_MISSED_SECONDS = 15.0

app = typer.Typer(help="See who works for the fleet; pause and resume roles.")

_RoleName = Annotated[str, typer.Argument(help="scan, reduce or finish.", metavar="ROLE")]


@app.callback(invoke_without_command=True)
def show(context: typer.Context) -> None:
    """List the fleet's workers: roles, machine, tasks, memory, age of leases.

    Example: tolva workers
    """
    if context.invoked_subcommand is None:
        catalog = _catalog()
        paused = catalog.paused_roles()
        if workers := catalog.fleet():
            _show(workers, paused)
        else:
            typer.echo("No worker has reported within a day. Start one with `tolva worker`.", err=True)
        for role in sorted(paused):
            typer.echo(f"{role} is paused: its tasks wait for `tolva workers resume {role}`.", err=True)


@app.command()
def pause(role: _RoleName) -> None:
    """Let no worker take tasks of a role; running ones finish. Holds for workers to come, until resumed.

    Example: tolva workers pause scan
    """
    from tolva.cli.worker import parse_roles  # noqa: PLC0415 - keeps --help quick

    for each in parse_roles(role):
        _catalog().pause_role(each)
        typer.echo(f"No worker takes {each} tasks from now on, within some seconds; running ones finish.", err=True)


@app.command()
def resume(role: _RoleName) -> None:
    """Let workers take tasks of a role again.

    Example: tolva workers resume scan
    """
    from tolva.cli.worker import parse_roles  # noqa: PLC0415 - keeps --help quick

    for each in parse_roles(role):
        _catalog().resume_role(each)
        typer.echo(f"Workers take {each} tasks again, within some seconds.", err=True)


def _catalog() -> Catalog:
    from tolva.config import connect  # noqa: PLC0415 - keeps --help quick

    return connect(options.settings(None, 1)).catalog


def _show(workers: list[FleetWorker], paused: set[Role]) -> None:
    from rich.console import Console  # noqa: PLC0415 - keeps --help quick
    from rich.table import Table  # noqa: PLC0415 - likewise

    table = Table("worker", "machine", "roles", "at once", "memory", "heard of", "tasks")
    for each in workers:
        report = each.report
        tasks = "\n".join(
            f"{task.stage} of job {task.job_id}, attempt {task.attempt}, for {task.running_seconds:.1f} s, "
            f"lease {task.lease_seconds:.0f} s"
            for task in each.tasks
        )
        heard = f"{each.silent_seconds:.0f} s ago" + (" (missed)" if each.silent_seconds > _MISSED_SECONDS else "")
        memory = f"{report.memory_bytes / 2**20:,.0f} MB"
        roles = ", ".join(f"{role} (paused)" if role in paused else role for role in report.roles)
        table.add_row(report.name, report.machine, roles, str(report.slots), memory, heard, tasks)
    Console().print(table)
