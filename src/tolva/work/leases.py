"""Keep the leases of running attempts alive, and hear of those that are no longer wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tolva.catalog import Catalog
from tolva.model import Claim
from tolva.work.children import Cancel

_RENEWALS_PER_LEASE = 3
_CANCEL_HEARD_SECONDS = 1.0


class Leases:
    """Renews, from one thread, every lease that is held; ends the work of those that were lost.

    A lease is renewed three times in its length, and at least once a second: cancelling a job promises that no work
    of it goes on after two seconds, and renewing is how a worker hears of it.
    """

    def __init__(self, catalog: Catalog, lease_seconds: float) -> None:
        self._catalog = catalog
        self._lease_seconds = lease_seconds
        self._held: dict[tuple[int, int], Cancel] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._thread.start()

    @contextmanager
    def hold(self, claims: Sequence[Claim]) -> Iterator[Cancel]:
        """Keep these claims alive inside the block; the switch is turned once one of them is lost."""
        cancel = Cancel()
        keys = [(claim.task_id, claim.attempt) for claim in claims]
        with self._lock:
            self._held |= dict.fromkeys(keys, cancel)
        try:
            yield cancel
        finally:
            with self._lock:
                for key in keys:
                    del self._held[key]

    def held(self) -> set[tuple[int, int]]:
        """Return the attempts that run now."""
        with self._lock:
            return set(self._held)

    def check(self) -> None:
        """Renew now, and so hear at once of jobs that are over."""
        self._wake.set()

    def close(self) -> None:
        """Stop renewing."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _keep(self) -> None:
        pause_seconds = min(self._lease_seconds / _RENEWALS_PER_LEASE, _CANCEL_HEARD_SECONDS)
        while not self._stopping:
            self._wake.wait(pause_seconds)
            self._wake.clear()
            held = self.held()
            if held:
                for lost in self._renew(held):
                    self._cancel(lost)

    def _renew(self, held: set[tuple[int, int]]) -> set[tuple[int, int]]:
        try:
            return self._catalog.renew(held, self._lease_seconds)
        except Exception:  # noqa: BLE001 - a catalog out of reach now may answer next time; fencing guards the rest
            return set()

    def _cancel(self, attempt: tuple[int, int]) -> None:
        with self._lock:
            cancel = self._held.get(attempt)
        if cancel is not None:
            cancel()
