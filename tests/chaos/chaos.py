"""What can go wrong with a fleet, done to it at random: by a seed that is printed, and can be given again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from fleet import Fleet, wait_for

from servers.process import Process, free_port

LEASE_SECONDS = 3.0

_WORKERS = 3
_PAUSE_SECONDS = (0.1, 1.5)
_REPORTED_ACTS = 20


class Chaos:
    """Harms a fleet in the ways that ``acts`` names, and keeps it at strength: a gateway and three workers.

    Args:
        storage_seconds: how long the storage is gone when it goes.
    """

    def __init__(self, fleet: Fleet, data: Path, seed: int, *, storage_seconds: float) -> None:
        self._fleet = fleet
        self._data = data
        self._chance = random.Random(seed)
        self._storage_seconds = storage_seconds
        self._port = free_port()
        self._gateway: Process | None = None
        self._frozen: list[tuple[float, Process]] = []
        self.done: Counter[str] = Counter()
        self.acts: dict[str, Callable[[], None]] = {
            "kill a worker": self._kill_worker,
            "kill a child": self._kill_child,
            "freeze a worker past its lease": self._freeze_worker,
            "stop a worker": self._stop_worker,
            "kill the gateway": self._kill_gateway,
            "kill the broker": self._kill_broker,
            "kill the broker and wipe it": self._wipe_broker,
            "stop the database": self._stop_database,
            "stop the storage": self._stop_storage,
        }
        self.recover()

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return f"http://127.0.0.1:{self._port}"

    def play(self, counts: Mapping[str, int], still_wanted: Callable[[], bool]) -> None:
        """Do each of these things so many times, in any order, for as long as it is wanted."""
        script = [name for name, count in counts.items() for _ in range(count)]
        self._chance.shuffle(script)
        for number, name in enumerate(script):
            if not still_wanted():
                return
            if number and not number % _REPORTED_ACTS:
                print(f"{number} of {len(script)}", flush=True)
            self.acts[name]()
            self.done[name] += 1
            time.sleep(self._chance.uniform(*_PAUSE_SECONDS))
            self.recover()

    def recover(self) -> None:
        """Thaw whom it is time to thaw, and start processes until there are enough."""
        self._thaw()
        for _ in range(_WORKERS - sum(worker.running for worker in self._fleet.workers)):
            self._fleet.worker("--concurrency", "1", "--lease-seconds", str(LEASE_SECONDS), "--grace-seconds", "5")
        if self._gateway is None or not self._gateway.running:
            words = ["--require-keys", "--data", self._data, "--chunk", "64KB", "--lease-seconds", str(LEASE_SECONDS)]
            self._gateway = self._fleet.gateway(self._port, *words)

    def calm(self) -> None:
        """End every disturbance."""
        for _, worker in self._frozen:
            worker.signal(signal.SIGCONT)
        self._frozen = []
        self.recover()

    def _thaw(self) -> None:
        now = time.monotonic()
        for until, worker in self._frozen:
            if now >= until:
                worker.signal(signal.SIGCONT)
        self._frozen = [(until, worker) for until, worker in self._frozen if now < until]

    def _worker(self) -> Process:
        """Choose a worker that works; if none does yet, wait for one."""
        wait_for(self._workers, "a worker that is up", self._fleet.logs)
        return self._chance.choice(self._workers())

    def _workers(self) -> list[Process]:
        self._thaw()  # all may be frozen, and who waits for one that isn't does nothing else
        frozen = [worker for _, worker in self._frozen]
        return [
            worker
            for worker in self._fleet.workers
            if worker.running and worker not in frozen and " takes " in worker.log.read_text()
        ]

    def _kill_worker(self) -> None:
        self._worker().kill()

    def _kill_child(self) -> None:
        # A worker whose child was killed starts another with its next task.
        wait_for(self._children, "a child", self._fleet.state)
        if children := self._children():
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(children), signal.SIGKILL)

    def _children(self) -> list[int]:
        return [child for worker in self._workers() for child in _children(worker.pid)]

    def _freeze_worker(self) -> None:
        worker = self._worker()
        worker.signal(signal.SIGSTOP)
        self._frozen.append((time.monotonic() + LEASE_SECONDS + self._chance.uniform(0.5, 3.0), worker))

    def _stop_worker(self) -> None:
        self._worker().signal(signal.SIGTERM)

    def _kill_gateway(self) -> None:
        if self._gateway is not None:
            self._gateway.kill()

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
        time.sleep(self._storage_seconds)
        self._fleet.s3.start()


def _children(pid: int) -> list[int]:
    """Return the processes that run the worker's tasks: its grandchildren, as its children only fork and track."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    return [child for child, parent in parents.items() if parents.get(parent) == pid]
