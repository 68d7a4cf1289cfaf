"""The dispatch contract: get a ready task to a free worker.

A dispatcher carries hints, not truth: it may lose, repeat and reorder them. Whoever gets a hint asks the catalog for
the task; the reconciler publishes again what nobody took.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from tolva.model import Hint
from tolva.plan import Role

Handler = Callable[[Sequence[Hint]], float]
"""Works on some hints to the end, then returns (acknowledge) or raises (hand back: they are delivered again).

It returns the seconds that their tasks ran, one after the other, without any waiting before and between.
"""


class Dispatcher(Protocol):
    """Queues of hints, one a role."""

    def publish(self, hints: Iterable[Hint]) -> None:
        """Put the hints on the queues of their roles. Returns when they are as safe as the queue can make them."""
        ...

    def offer(self, hints: Iterable[Hint]) -> None:
        """Publish hints of tasks that seem to be waiting, unless theirs may still be on a queue.

        For the reconciler, which sees again and again what nobody took so far: offers must not pile up.
        """
        ...

    def subscribe(self, roles: Collection[Role], handler: Handler, *, slots: int, batch_bytes: int) -> None:
        """Call ``handler`` in up to ``slots`` threads at once with hints of these roles, until drained.

        Small tasks may come together in one call, while their input is at most ``batch_bytes`` in all; a large one
        comes alone. Hints are acknowledged when the handler returns.
        """
        ...

    def pause(self, role: Role) -> None:
        """Deliver no more hints of this role; running handlers finish. Published hints are kept."""
        ...

    def resume(self, role: Role) -> None:
        """Deliver hints of this role again."""
        ...

    def drain(self, timeout_seconds: float) -> bool:
        """Deliver nothing more and wait for running handlers; return whether all ended in time."""
        ...
