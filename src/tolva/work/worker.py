"""The worker: claim, run, commit, tell. One call of ``handle`` is one trip through the task protocol.

Everything a task computes happens in a child process. The worker itself only talks to the catalog, so it answers
quickly, whatever the children do.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import groupby

from tolva import crash
from tolva.catalog import Catalog
from tolva.dispatch import Dispatcher
from tolva.errors import StateError, TolvaError
from tolva.model import Claim, Done, Failed, Hint
from tolva.plan import Plan, Role
from tolva.storage import Storage
from tolva.work.children import Cancel, Cancelled, Children
from tolva.work.leases import Leases

Outcome = Done | Failed

_BATCH_BYTES = 16 * 2**20
"""Tasks that read at most so much in all, as two chunks of an upload do, are claimed, run and committed together."""

_HAND_BACK_SECONDS = 5.0
"""How long to wait for the handlers of killed children to hand their tasks back."""


class Worker:
    """Takes hints from a dispatcher and works on their tasks with its children.

    Args:
        name: who holds the claims, for people; unique in the fleet.
        lease_seconds: how long a claim outlives a worker that has stopped answering.
        task_seconds: a task that runs longer is killed and fails its job; None: no limit.
        on_change: called (from any thread) after each commit, with the ids of the jobs that went on by it.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage,
        dispatcher: Dispatcher,
        children: Children,
        *,
        name: str,
        lease_seconds: float,
        task_seconds: float | None,
        on_change: Callable[[Collection[str]], None],
    ) -> None:
        self._catalog = catalog
        self._storage = storage
        self._dispatcher = dispatcher
        self._children = children
        self._name = name
        self._lease_seconds = lease_seconds
        self._task_seconds = task_seconds
        self._on_change = on_change
        self._leases = Leases(catalog, lease_seconds)
        self._pickled_plan = lru_cache(maxsize=64)(self._load_plan)

    def start(self, roles: Collection[Role], slots: int) -> None:
        """Take hints of these roles, up to ``slots`` batches at once."""
        self._dispatcher.subscribe(roles, self.handle, slots=slots, batch_bytes=_BATCH_BYTES)

    def handle(self, hints: Sequence[Hint]) -> float:
        """Work on the tasks behind the hints to the end. Hints that lead nowhere are no error.

        Return the seconds that the tasks ran.
        """
        claims = self._catalog.claim([hint.task_id for hint in hints], self._name, self._lease_seconds)
        if not claims:
            return 0.0
        try:
            outcomes = self._run(claims)
        except Cancelled:
            self._dispatcher.publish(self._catalog.release([(c.task_id, c.attempt) for c in claims]))
            return 0.0
        refused, ready = self._catalog.commit(outcomes)
        self._discard(claims, outcomes, refused)
        self._dispatcher.publish(ready)
        crash.point("worker.told")
        self._on_change({claim.job_id for claim in claims})
        return sum(outcome.seconds for outcome in outcomes)

    def check(self) -> None:
        """Hear at once of jobs that are over, and stop their tasks."""
        self._leases.check()

    def stop(self, grace_seconds: float) -> None:
        """Take no more hints, give running tasks ``grace_seconds``, hand the rest back without spending an attempt."""
        self._dispatcher.drain(grace_seconds)
        self._children.close()
        self._dispatcher.drain(_HAND_BACK_SECONDS)
        self._leases.close()

    def _run(self, claims: list[Claim]) -> list[Outcome]:
        with self._leases.hold(claims) as cancel:
            try:
                return self._ask(claims, cancel)
            except TolvaError as error:
                if len(claims) == 1:
                    return [_failed(claims[0], error)]
            # One of them brought the child down; alone, each answers for itself.
            return [self._run_alone(claim, cancel) for claim in claims]

    def _run_alone(self, claim: Claim, cancel: Cancel) -> Outcome:
        try:
            return self._ask([claim], cancel)[0]
        except TolvaError as error:
            return _failed(claim, error)

    def _ask(self, claims: list[Claim], cancel: Cancel) -> list[Outcome]:
        request = [
            (self._pickled_plan(job_id), list(of_job)) for job_id, of_job in groupby(claims, key=lambda c: c.job_id)
        ]
        outcomes: list[Outcome] = self._children.run(request, deadline_seconds=self._task_seconds, cancel=cancel)
        return outcomes

    def _load_plan(self, job_id: str) -> bytes:
        plan = self._catalog.job(job_id).plan
        if plan is None:
            raise StateError(f"Job {job_id} has tasks but no plan.", job=job_id)
        return pickle.dumps(Plan.from_json(plan))

    def _discard(self, claims: list[Claim], outcomes: list[Outcome], refused: set[tuple[int, int]]) -> None:
        """Delete what refused attempts have stored. Parts may be earlier tasks' objects, which stay."""
        own = {(claim.task_id, claim.attempt): f"{claim.prefix}/" for claim in claims}
        for outcome in outcomes:
            attempt = (outcome.task_id, outcome.attempt)
            if isinstance(outcome, Done) and attempt in refused:
                left = [outcome.partial.key] if outcome.partial else []
                left += [part.key for part in outcome.parts]
                self._storage.delete(key for key in left if key.startswith(own[attempt]))


def _failed(claim: Claim, error: TolvaError) -> Failed:
    return Failed(claim.task_id, claim.attempt, error.to_dict(), error.retryable)
