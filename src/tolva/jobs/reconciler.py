"""The reconciler: brings everything to where the catalog says it should be. Any number may run at once.

It admits jobs, dispatches ready tasks whose hints were lost, frees leases that ended and re-checks barriers. It sleeps
until the catalog says that something will be due, or until somebody wakes it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.model import Hint

_IDLE_SECONDS = 5.0
"""The longest sleep: hints are lost without anybody noticing, so now and then all ready tasks are dispatched again."""

_LEAST_SECONDS = 0.05

_MANY_HINTS = 1000
"""As many as the catalog tells of one job; once they are worked off, more may be ready."""

_SOON_SECONDS = 0.5

_LENIENT_SECONDS = 10.0
"""How long leases that ended while the catalog was away are left alone: workers renew theirs every second."""

_log = logging.getLogger(__name__)


class Reconciler:
    """Runs ``reconcile`` in a thread whenever something is due.

    Args:
        job_id: look after this job only; None: after all.
        on_change: called after each round that did something, with the ids of the jobs concerned.
    """

    def __init__(
        self,
        catalog: Catalog,
        dispatcher: Dispatcher,
        on_change: Callable[[Collection[str]], None],
        job_id: str | None = None,
    ) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._on_change = on_change
        self._job_id = job_id
        self._wake = threading.Event()
        self._stopping = False
        self._lenient_until = 0.0
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._thread.start()

    def wake(self) -> None:
        """Have a round now."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the round that runs, if any, and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def reconcile(self) -> bool:
        """Do one round: admit, free ended leases, re-check barriers, dispatch what is ready.

        Tell whether there may be more that is ready.
        """
        catalog = self._catalog
        found = [*catalog.admit(), *self._expired(), *catalog.recheck_barriers()]
        hints = {hint.task_id: hint for hint in found}
        self._dispatcher.publish(hints.values())
        waiting = [hint for hint in catalog.ready(job_id=self._job_id) if hint.task_id not in hints]
        self._dispatcher.offer(waiting)
        hints |= {hint.task_id: hint for hint in waiting}
        if hints:
            self._on_change({hint.job_id for hint in hints.values()})
        return len(hints) >= _MANY_HINTS

    def _expired(self) -> list[Hint]:
        """Free ended leases; not right after the catalog was away, when no worker could renew its own."""
        return self._catalog.expire_leases() if time.monotonic() >= self._lenient_until else []

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._wake.wait(self._round())

    def _round(self) -> float:
        """Reconcile; return how long to sleep. What went wrong may go well in the next round."""
        try:
            if self.reconcile():
                return _SOON_SECONDS
            due = self._catalog.next_due_seconds()
        except Exception:  # noqa: BLE001 - see above
            self._lenient_until = time.monotonic() + _LENIENT_SECONDS
            _log.warning("Reconciling failed; it is tried again in %.0f s.", _IDLE_SECONDS, exc_info=True)
            return _IDLE_SECONDS
        return _IDLE_SECONDS if due is None else min(max(due, _LEAST_SECONDS), _IDLE_SECONDS)
