"""How many hints of a job go together: as many as are done in a moment, by what such work took so far.

Together small tasks cost less, but whoever comes meanwhile waits for all of them. So a batch is bounded by time: of
empty tasks it may hold many, of slow ones a single one.
"""

from __future__ import annotations

from collections import OrderedDict

from tolva.plan import Role

_BATCH_SECONDS = 0.1
_MAX_HINTS = 64
_FIRST_HINTS = 4
"""While nothing is known of the work."""

_REMEMBERED = 1000


class Pace:
    """The sizes of batches, by job and role. Not for several threads at once."""

    def __init__(self) -> None:
        self._most: OrderedDict[tuple[str, Role], int] = OrderedDict()

    def most(self, job_id: str, role: Role) -> int:
        """Return how many hints of this job and role may go together now."""
        return self._most.get((job_id, role), _FIRST_HINTS)

    def learn(self, job_id: str, role: Role, hints: int, seconds: float) -> None:
        """Note how long the work of so many hints took. A batch is at most twice as large as one could be before."""
        fit = _MAX_HINTS if seconds * _MAX_HINTS <= _BATCH_SECONDS * hints else int(_BATCH_SECONDS * hints / seconds)
        self._most[job_id, role] = max(1, min(fit, 2 * self.most(job_id, role)))
        self._most.move_to_end((job_id, role))
        if len(self._most) > _REMEMBERED:
            self._most.popitem(last=False)
