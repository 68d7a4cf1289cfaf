"""``tolva worker``: one of a fleet, on any machine, started before or after everything else."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options
from tolva.errors import CatalogAwayError, UsageError

if TYPE_CHECKING:
    from tolva.backends import Backends
    from tolva.config import Settings
    from tolva.model import WorkerReport
    from tolva.plan import Role
    from tolva.work.children import Children

_PATIENCE_SECONDS = 600.0
"""A worker has nothing better to do than to wait for its database: what it has computed would be lost."""

_FIRST_PATIENCE_SECONDS = 2.0
"""Before it has begun, a worker looks up now and then, to hear that it should stop."""


def worker(
    role: Annotated[
        str, typer.Option(envvar="TOLVA_ROLE", help="Whose tasks to take: scan, reduce, finish.", metavar="ROLES")
    ] = "scan,reduce,finish",
    concurrency: Annotated[
        int | None,
        typer.Option(envvar="TOLVA_CONCURRENCY", min=1, help="Tasks at once; default: the cores there are."),
    ] = None,
    grace_seconds: Annotated[
        float,
        typer.Option(
            envvar="TOLVA_GRACE_SECONDS",
            min=0,
            help="After SIGTERM, how long running tasks may take before they are handed back.",
            metavar="SECONDS",
        ),
    ] = 25.0,
    state: options.State = None,
    memory: options.Memory = options.MEMORY,
    task_seconds: options.TaskSeconds = 600.0,
    lease_seconds: options.LeaseSeconds = options.LEASE_SECONDS,
) -> None:
    """Work on the tasks of a fleet's jobs until told to stop (SIGTERM; once more: hand running tasks back at once).

    The fleet's servers are named by TOLVA_DATABASE, TOLVA_BROKER and TOLVA_BUCKET; see docs/operations.md.
    Example: tolva worker --role scan --concurrency 4
    """
    settings = options.settings(state, concurrency, options.CHUNK, memory, task_seconds, lease_seconds)
    if settings.cluster is None:
        raise UsageError(
            "A worker belongs to a fleet: set TOLVA_DATABASE, TOLVA_BROKER and TOLVA_BUCKET. "
            "Without a fleet, tolva run and tolva serve work on tasks themselves."
        )
    _Fleet(settings, parse_roles(role)).work(grace_seconds)


def parse_roles(text: str) -> tuple[Role, ...]:
    """Read ``scan,reduce`` as roles; UsageError names what is none."""
    from tolva.plan import Role  # noqa: PLC0415 - keeps --help quick

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in list(Role)]
    if unknown or not names:
        raise UsageError(f"There is no role {', '.join(unknown) or 'in an empty list'}; roles are {', '.join(Role)}.")
    return tuple(dict.fromkeys(Role(name) for name in names))


class _Fleet:
    """This process as a worker, from its first signal handler to its last acknowledgement."""

    def __init__(self, settings: Settings, roles: tuple[Role, ...]) -> None:
        from dataclasses import replace  # noqa: PLC0415 - keeps --help quick

        from tolva.cli.house import new_children  # noqa: PLC0415 - likewise

        self._settings = replace(settings, patience_seconds=_PATIENCE_SECONDS)
        self._roles = roles
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._children: Children = new_children(settings, settings.workers)
        self._stop = _StopSignals()

    def work(self, grace_seconds: float) -> None:
        """Take tasks until told to stop; then finish or hand back what runs."""
        from tolva.cli.house import look_for_garbage  # noqa: PLC0415 - keeps --help quick
        from tolva.work.muster import Muster  # noqa: PLC0415 - likewise
        from tolva.work.worker import Worker  # noqa: PLC0415 - likewise

        threading.Thread(target=self._children.prestart, name="prestart", daemon=True).start()
        backends = self._connected()
        if backends is None:
            return
        worker = Worker(
            backends.catalog,
            backends.storage,
            backends.dispatcher,
            self._children,
            name=self._name,
            lease_seconds=self._settings.lease_seconds,
            task_seconds=self._settings.task_seconds,
            on_change=lambda _: None,
        )
        muster = Muster(backends.catalog, backends.dispatcher, self._report)
        muster.start()
        look_for_garbage()
        # One slot more than children: while one task is committed, the next is claimed already.
        worker.start(self._roles, slots=self._settings.workers + 1)
        _tell(f"worker {self._name} takes {', '.join(self._roles)}, {self._settings.workers} at once")
        self._stop.wait()
        _tell(f"worker {self._name} stops")
        threading.Thread(target=self._hand_back, name="hand-back", daemon=True).start()
        worker.stop(grace_seconds)
        muster.end()
        backends.catalog.close()

    def _connected(self) -> Backends | None:
        """Open the backends, however long the database is away; None when told to stop meanwhile."""
        from dataclasses import replace  # noqa: PLC0415 - keeps --help quick

        from tolva.config import connect  # noqa: PLC0415 - likewise

        while not self._stop.asked:
            try:
                connect(replace(self._settings, patience_seconds=_FIRST_PATIENCE_SECONDS)).catalog.close()
                return connect(self._settings)
            except CatalogAwayError as error:
                _tell(error.message)
        return None

    def _report(self) -> WorkerReport:
        from tolva.machine import resident_bytes  # noqa: PLC0415 - keeps --help quick
        from tolva.model import WorkerReport  # noqa: PLC0415 - likewise

        memory = sum(resident_bytes(pid) for pid in [os.getpid(), *self._children.pids])
        return WorkerReport(self._name, socket.gethostname(), self._roles, self._settings.workers, memory)

    def _hand_back(self) -> None:
        """Wait for another signal, of somebody who can't wait: once killed, children's tasks are handed back."""
        self._stop.wait()
        self._children.close()


class _StopSignals:
    """SIGTERM and SIGINT, none of which is missed.

    They come through a pipe: a handler of Python's runs between two steps of the main thread, so one that comes while
    that begins to wait for a lock is never run, or finds the lock taken.
    """

    def __init__(self) -> None:
        self._pipe, self._end = socket.socketpair()
        self._end.setblocking(False)
        signal.set_wakeup_fd(self._end.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    @property
    def asked(self) -> bool:
        """Whether there is a signal that nobody has waited for."""
        return bool(select.select([self._pipe], [], [], 0)[0])

    def wait(self) -> None:
        """Return with the next signal."""
        self._pipe.recv(1)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
