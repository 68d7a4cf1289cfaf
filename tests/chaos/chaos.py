"""What can go wrong with a fleet, done to it at random: by a seed that is printed, and can be given again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet import Fleet

from servers.process import Process

WORKERS = 2
LEASE_SECONDS = 3.0


class Chaos:
    """Harms a fleet in some of the ways that ``acts`` names, and keeps it at strength."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self._frozen: list[tuple[float, Process]] = []
        self.acts: dict[str, Callable[[], None]] = {
            "kill a worker": self._kill_worker,
            "kill a child": self._kill_child,
            "freeze a worker past its lease": self._freeze_worker,
            "stop a worker": self._stop_worker,
            "kill the broker": self._kill_broker,
            "kill the broker and wipe it": self._wipe_broker,
            "stop the database": self._stop_database,
            "stop the storage": self._stop_storage,
        }

    def act(self, names: list[str]) -> None:
        """Do one of these things, wait a little, and make up for lost workers."""
        name = self._chance.choice(names)
        self.acts[name]()
        self.done[name] += 1
        time.sleep(self._chance.uniform(0.1, 1.0))
        self.recover()

    def recover(self) -> None:
        """Thaw whom it is time to thaw, and start workers until there are enough."""
        now = time.monotonic()
        for until, worker in self._frozen:
            if now >= until:
                worker.signal(signal.SIGCONT)
        self._frozen = [(until, worker) for until, worker in self._frozen if now < until]
        for _ in range(WORKERS - sum(worker.running for worker in self._fleet.workers)):
            self._fleet.worker("--concurrency", "1", "--lease-seconds", str(LEASE_SECONDS), "--grace-seconds", "5")

    def calm(self) -> None:
        """End every disturbance."""
        for _, worker in self._frozen:
            worker.signal(signal.SIGCONT)
        self._frozen = []
        self.recover()

    def _worker(self) -> Process | None:
        frozen = [worker for _, worker in self._frozen]
        free = [worker for worker in self._fleet.workers if worker.running and worker not in frozen]
        return self._chance.choice(free) if free else None

    def _kill_worker(self) -> None:
        if worker := self._worker():
            worker.kill()

    def _kill_child(self) -> None:
        worker = self._worker()
        children = _descendants(worker.pid) if worker else []
        if children:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(children), signal.SIGKILL)

    def _freeze_worker(self) -> None:
        if worker := self._worker():
            worker.signal(signal.SIGSTOP)
            self._frozen.append((time.monotonic() + LEASE_SECONDS + self._chance.uniform(0.5, 3.0), worker))

    def _stop_worker(self) -> None:
        if worker := self._worker():
            worker.signal(signal.SIGTERM)

    def _kill_broker(self) -> None:
        self._fleet.rabbitmq.kill()
        self._fleet.rabbitmq.start()

    def _wipe_broker(self) -> None:
        self._fleet.rabbitmq.kill()
        self._fleet.rabbitmq.wipe()
        self._fleet.rabbitmq.start()

    def _stop_database(self) -> None:
        self._fleet.postgresql.stop()
        time.sleep(self._chance.uniform(0.0, 2.0))
        self._fleet.postgresql.start()

    def _stop_storage(self) -> None:
        self._fleet.s3.stop()
        time.sleep(self._chance.uniform(0.0, 4.0))
        self._fleet.s3.start()


def _descendants(pid: int) -> list[int]:
    """Return the grandchildren of the process: its children are the fork server and a tracker."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    return [child for child, parent in parents.items() if parents.get(parent) == pid]
