"""Hints in the order in which they are fair to clients.

Clients take turns, and so do the jobs of each client; so whoever comes with one task waits for one turn of everybody
else, however many tasks they have. Within a job later stages go first (finish, reduce, scan), so that jobs already far
on end and free their files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from itertools import islice

from tolva.model import Hint
from tolva.plan import Role

FIRST_TO_LAST = (Role.FINISH, Role.REDUCE, Role.SCAN)

_Job = dict[Role, dict[int, Hint]]
"""The hints of a job by role and task, in the order they came."""


class FairQueue:
    """A queue of hints; one that is in it already isn't put in twice. Not for several threads at once."""

    def __init__(self) -> None:
        # Whose turn is next comes first.
        self._clients: OrderedDict[str, OrderedDict[str, _Job]] = OrderedDict()

    def put(self, hint: Hint) -> None:
        """Put a hint in."""
        jobs = self._clients.setdefault(hint.client, OrderedDict())
        job = jobs.setdefault(hint.job_id, {role: {} for role in FIRST_TO_LAST})
        job[hint.role].setdefault(hint.task_id, hint)

    def take(
        self, roles: Collection[Role], batch_bytes: int, most: Callable[[str, Role], int], share: int
    ) -> list[Hint]:
        """Take the next hint of these roles, and small ones of the same job and role; empty when there is none.

        Args:
            roles: what may be taken.
            batch_bytes: more than one hint only while they are at most this in all.
            most: how many of a job (by its id) and role at most.
            share: at most this part (1 of ``share``) of what the job has for the role, so that others get some, too.
        """
        for client, jobs in self._clients.items():
            for job_id, job in jobs.items():
                for role in FIRST_TO_LAST:
                    if job[role] and role in roles:
                        self._next_turn(client, job_id)
                        max_hints = min(-(-len(job[role]) // share), most(job_id, role))
                        return self._batch(client, job_id, role, batch_bytes, max_hints)
        return []

    def _next_turn(self, client: str, job_id: str) -> None:
        self._clients.move_to_end(client)
        self._clients[client].move_to_end(job_id)

    def _batch(self, client: str, job_id: str, role: Role, batch_bytes: int, max_hints: int) -> list[Hint]:
        jobs = self._clients[client]
        queue = jobs[job_id][role]
        batch: list[Hint] = []
        held = 0
        for hint in islice(queue.values(), max_hints):
            held += hint.bytes
            if batch and held > batch_bytes:
                break
            batch.append(hint)
        for hint in batch:
            del queue[hint.task_id]
        if not any(jobs[job_id].values()):
            del jobs[job_id]
        if not jobs:
            del self._clients[client]
        return batch
