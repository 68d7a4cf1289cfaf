"""A worker's place in the fleet: it says now and then that it lives, and hears which roles are paused."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.errors import TolvaError
from tolva.model import WorkerReport
from tolva.plan import Role

_REPORT_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Muster:
    """Reports in a thread, from ``start`` to ``end``; pauses and resumes roles as the catalog says."""

    def __init__(self, catalog: Catalog, dispatcher: Dispatcher, report: Callable[[], WorkerReport]) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._report = report
        self._paused: set[Role] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="muster", daemon=True)

    def start(self) -> None:
        """Report for the first time before this returns, so that what is paused is never begun."""
        self._call()
        self._thread.start()

    def end(self) -> None:
        """Report no more, and say so."""
        self._end.set()
        self._thread.join(_REPORT_SECONDS)
        # Whoever can't say goodbye is missed soon.
        with suppress(TolvaError):
            self._catalog.forget_worker(self._report().name)

    def _run(self) -> None:
        while not self._end.wait(_REPORT_SECONDS):
            try:
                self._call()
            except Exception:  # noqa: BLE001 - a catalog out of reach now may answer next time
                _log.warning("The worker couldn't report; it goes on.", exc_info=True)

    def _call(self) -> None:
        report = self._report()
        paused = self._catalog.report_worker(report) & set(report.roles)
        for role in paused - self._paused:
            self._dispatcher.pause(role)
        for role in self._paused - paused:
            self._dispatcher.resume(role)
        self._paused = paused
