"""The catalog's methods for the fleet of workers; the statements are in ``fleet``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from tolva.catalogs import fleet
from tolva.catalogs.transactions import Tx
from tolva.model import FleetWorker, WorkerReport
from tolva.plan import Role


class SqlFleet(ABC):
    """What ``SqlCatalog`` offers workers and those who look after them."""

    @abstractmethod
    def _write(self, name: str) -> AbstractContextManager[Tx]:
        """Open a transaction that writes."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Tx]:
        """Open a transaction that only reads."""

    def report_worker(self, report: WorkerReport) -> set[Role]:
        """Record that this worker lives, and how it is; return the roles that are paused."""
        with self._write("report_worker") as tx:
            return fleet.report(tx, report)

    def forget_worker(self, name: str) -> None:
        """Note that this worker has ended in good order."""
        with self._write("forget_worker") as tx:
            fleet.forget(tx, name)

    def fleet(self) -> list[FleetWorker]:
        """Return the workers that reported within a day and haven't ended, by name."""
        with self._read() as tx:
            return fleet.workers(tx)

    def paused_roles(self) -> set[Role]:
        """Return the roles whose tasks nobody takes now."""
        with self._read() as tx:
            return fleet.paused(tx)

    def pause_role(self, role: Role) -> None:
        """Let the whole fleet take no more tasks of this role."""
        with self._write("pause_role") as tx:
            fleet.pause(tx, role)

    def resume_role(self, role: Role) -> None:
        """Let the fleet take tasks of this role again."""
        with self._write("resume_role") as tx:
            fleet.resume(tx, role)
