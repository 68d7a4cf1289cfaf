"""Run claimed tasks in a child process: each stage's kernel does the work, and errors become outcomes."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module

import pyarrow as pa

from tolva.errors import EngineError, OutOfMemoryError, TolvaError
from tolva.model import Claim, Done, Failed
from tolva.plan import IN_PLACE_KERNEL, SQL_KERNEL, Plan
from tolva.storage import Storage
from tolva.work.children import Spent
from tolva.work.engine import Engine
from tolva.work.kernel import Errand, Kernel
from tolva.work.limits import refuse_calls

_USERS_SQL = frozenset({SQL_KERNEL, IN_PLACE_KERNEL})

Request = Sequence[tuple[bytes, Sequence[Claim]]]
"""Claims by job, each job's with its pickled plan."""


class Tasks:
    """Answers requests to run tasks; keeps one engine for all of them.

    A process that runs users' SQL closes the network to itself for good, unless ``remote`` says that the storage is
    behind it. Tasks of other kinds may need the network: they get another process then.
    """

    def __init__(
        self,
        storage: Storage,
        kernels: Mapping[str, str],
        engine: Engine,
        *,
        remote: bool,
    ) -> None:
        # Tasks run beside each other in processes; Arrow's own threads would only get in their way.
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        self._storage = storage
        self._kernels = kernels
        self._loaded: dict[str, Kernel] = {}
        self._engine = engine
        self._remote = remote
        self._sealed = False

    def __call__(self, request: Request) -> tuple[list[Done | Failed], bool]:
        """Run the tasks one after the other; return what each came to, and whether the process may go on.

        Raises Spent when another process has to do it.
        """
        tasks = [(plan, claim) for pickled, claims in request for plan in [_plan(pickled)] for claim in claims]
        # Those that may need the network come first: after users' SQL the process has none.
        tasks.sort(key=_runs_users_sql)
        if self._sealed and not all(map(_runs_users_sql, tasks)):
            raise Spent
        outcomes: list[Done | Failed] = []
        healthy = True
        for plan, claim in tasks:
            if _runs_users_sql((plan, claim)):
                self._seal()
            began = time.perf_counter()
            outcome: Done | Failed
            try:
                outcome = self._run(plan, claim)
            except TolvaError as error:
                outcome = Failed(claim.task_id, claim.attempt, error.to_dict(), error.retryable)
                healthy = healthy and not isinstance(error, (EngineError, OutOfMemoryError))
            except MemoryError:
                short = OutOfMemoryError("The task ran out of memory. Give --memory more, or make --chunk smaller.")
                outcome = Failed(claim.task_id, claim.attempt, short.to_dict(), short.retryable)
                healthy = False
            outcomes.append(replace(outcome, seconds=time.perf_counter() - began))
        return outcomes, healthy

    def _seal(self) -> None:
        if not self._sealed and not self._remote:
            refuse_calls(network=False)
            self._sealed = True

    def _run(self, plan: Plan, claim: Claim) -> Done:
        stage = plan.stage(claim.stage)
        kernel = self._kernel(stage.kernel)
        return kernel(Errand(plan, stage, claim, self._storage, self._engine))

    def _kernel(self, name: str) -> Kernel:
        """Return the kernel of that name; its module is loaded with its first task."""
        if name not in self._loaded:
            module, _, function = self._kernels[name].partition(":")
            self._loaded[name] = getattr(import_module(module), function)
        return self._loaded[name]


def _runs_users_sql(task: tuple[Plan, Claim]) -> bool:
    plan, claim = task
    return plan.stage(claim.stage).kernel in _USERS_SQL


@lru_cache(maxsize=16)
def _plan(pickled: bytes) -> Plan:
    plan: Plan = pickle.loads(pickled)  # noqa: S301 - the worker that started this process wrote it
    return plan
