"""A fleet on this machine: real servers, and tolva's own commands as separate processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

from servers.postgresql import Postgresql
from servers.process import Process
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3
from tolva.catalogs.postgresql import PostgresqlCatalog
from tolva.states import JobStatus

TOLVA = Path(sys.executable).with_name("tolva")
PATIENCE_SECONDS = 120.0


def wait_for(condition: Callable[[], object], what: str, state: Callable[[], str] = str) -> None:
    """Wait until the condition holds; other processes give no event to wait for. ``state`` is told if it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{state()}"
        time.sleep(0.05)


@dataclass
class Fleet:
    """Commands that share a database, a broker and a bucket of their own."""

    postgresql: Postgresql
    rabbitmq: Rabbitmq
    s3: S3
    folder: Path
    attempts: int = 3
    name: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")
    workers: list[Process] = field(default_factory=list)
    gateways: list[Process] = field(default_factory=list)
    commands: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = self.postgresql.database(self.name)
        self.environment = {
            **os.environ,
            **self.s3.access.environment(),
            "TOLVA_DATABASE": self.database,
            "TOLVA_BROKER": self.rabbitmq.url,
            "TOLVA_BUCKET": f"{self.s3.url}/{self.name}",
            "TOLVA_FLEET": self.name,
            "TOLVA_STATE": str(self.folder / "state"),
            "TOLVA_MAX_ATTEMPTS": str(self.attempts),
            "COLUMNS": "250",
        }
        self.catalog = PostgresqlCatalog(self.database)

    def worker(self, *words: str, on: Sequence[str] = (), **environment: str) -> Process:
        """Start a worker. ``on``: the words that run it on another machine."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(Process([*on, TOLVA, "worker", *words], log, env={**self.environment, **environment}))
        return self.workers[-1]

    def gateway(self, port: int, *words: str | Path) -> Process:
        """Start a gateway on the port, and wait until it answers."""
        log = self.folder / f"gateway-{port}.log"
        state = self.folder / f"gateway-{port}"
        started = [TOLVA, "serve", "--port", str(port), "--workers", "1", "--state", state, *words]
        gateway = Process(started, log, env=self.environment, cwd=self.folder)
        gateway.wait_until(lambda: urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close())
        self.gateways.append(gateway)
        return gateway

    def wait_for_workers(self, count: int) -> None:
        wait_for(lambda: len(self.catalog.fleet()) >= count, f"{count} workers: {self.logs()}")

    def start(self, *words: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start any other command."""
        process = subprocess.Popen(
            [str(TOLVA), *map(str, words)],
            env={**self.environment, **environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.commands.append(process)
        return process

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which must be a good one."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, f"{err}\n{self.logs()}"
        return subprocess.CompletedProcess(process.args, 0, out, err)

    def run_job(self, document: Path, data: Path, output: str, *words: str) -> dict[str, bytes]:
        """Run a job on the fleet; return its result files."""
        self.run("run", document, "--data", data, "--output", self.folder / output, "-q", *words)
        return results(self.folder / output)

    def logs(self) -> str:
        """Return the ends of the logs of those that were started last."""
        last = [*self.gateways[-2:], *self.workers[-6:]]
        return "\n".join(process.log.read_text(errors="replace")[-3000:] for process in last)

    def state(self) -> str:
        """Return what the catalog says of jobs that aren't over, their tasks, and the workers."""
        live = self.catalog.jobs(statuses=[JobStatus.PENDING, JobStatus.WIP])
        tasks = {job.id: Counter(task.state.value for task in self.catalog.tasks(job.id)) for job in live}
        jobs = [f"{job.id} {job.kind} {job.status} {dict(tasks[job.id])}" for job in live]
        return "\n".join([*jobs, *(str(worker) for worker in self.catalog.fleet())])

    def failures(self) -> list[str]:
        """Return what attempts came to, of all that didn't end well."""
        attempts = [each for job in self.catalog.jobs() for each in self.catalog.attempts(job.id)]
        return [f"{each.outcome}: {each.error}" for each in attempts if each.outcome not in ("done", "released")]

    def close(self) -> None:
        for process in [*self.workers, *self.gateways]:
            process.signal(signal.SIGCONT)
            process.kill()
        for command in self.commands:
            if command.poll() is None:
                command.kill()
                command.communicate()
        self.catalog.close()
        self.postgresql.drop_databases()


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of an output folder but for the manifest, which names the job."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if re.search(r"_\d{4}\.", path.name)}
