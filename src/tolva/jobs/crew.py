"""Those who work on jobs in this process: a worker with its children, and the reconciler."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tolva.backends import Backends
from tolva.jobs.reconciler import Reconciler
from tolva.plan import Role
from tolva.work.children import Children
from tolva.work.worker import Worker


@dataclass(frozen=True, slots=True)
class CrewSettings:
    """How tasks are worked on here. ``workers`` is the number of children; times in seconds.

    ``roles``: whose tasks are done here; none where a fleet does them.
    """

    name: str
    workers: int
    lease_seconds: float = 15.0
    task_seconds: float | None = None
    roles: tuple[Role, ...] = tuple(Role)


class Crew:
    """Works on every job that the catalog has, or on one.

    Args:
        on_change: called (from any thread) with the ids of jobs that went on.
        job_id: dispatch the ready tasks of this job only; None: of all.
    """

    def __init__(
        self,
        backends: Backends,
        children: Children,
        settings: CrewSettings,
        on_change: Callable[[Collection[str]], None],
        job_id: str | None = None,
    ) -> None:
        self._slots = settings.workers + 1
        self._roles = settings.roles
        self._reconciler = Reconciler(backends.catalog, backends.dispatcher, on_change, job_id)
        self._worker = Worker(
            backends.catalog,
            backends.storage,
            backends.dispatcher,
            children,
            name=settings.name,
            lease_seconds=settings.lease_seconds,
            task_seconds=settings.task_seconds,
            on_change=on_change,
        )

    def start(self) -> None:
        """Begin."""
        if self._roles:
            # One slot more than children: while one task is committed, the next is claimed already.
            self._worker.start(self._roles, slots=self._slots)
        self._reconciler.start()

    def wake(self) -> None:
        """Look at once for what there is to do."""
        self._reconciler.wake()

    def check(self) -> None:
        """Stop the tasks of jobs that are over at once."""
        self._worker.check()

    def stop(self, grace_seconds: float) -> None:
        """Take nothing more; give running tasks ``grace_seconds``, then hand them back and end."""
        self._reconciler.stop()
        self._worker.stop(grace_seconds)
