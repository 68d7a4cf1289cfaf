"""Every status a job or task can have, and every change that is legal: one table each, and nothing else.

::

     job                                                   task
     submit --> PENDING --> WIP --> COMPLETED              READY <--> RUNNING --> DONE
                   |         |----> FAILED                   |           |------> DEAD
                   '---------'----> CANCELLED                '-----------'------> DROPPED

A final status never changes. RUNNING goes back to READY when its lease ends, its attempt fails with attempts left, or
its worker hands it back. DROPPED tasks are those that a failed or cancelled job no longer needs.
"""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands; the last three are final."""

    PENDING = "pending"
    WIP = "wip"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job is over, in whatever way."""
        return not JOB_CHANGES[self]


class TaskState(StrEnum):
    """Where a task stands; the last three are final."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    DROPPED = "dropped"

    @property
    def final(self) -> bool:
        """Whether no attempt of the task will run any more (but a person may retry a dead one)."""
        return not TASK_CHANGES[self]


JOB_CHANGES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.WIP, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.WIP: frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}

TASK_CHANGES: dict[TaskState, frozenset[TaskState]] = {
    TaskState.READY: frozenset({TaskState.RUNNING, TaskState.DROPPED}),
    TaskState.RUNNING: frozenset({TaskState.READY, TaskState.DONE, TaskState.DEAD, TaskState.DROPPED}),
    TaskState.DONE: frozenset(),
    TaskState.DEAD: frozenset(),
    TaskState.DROPPED: frozenset(),
}
