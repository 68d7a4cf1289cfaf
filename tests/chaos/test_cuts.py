"""A worker on a machine of its own is cut off from one service without a word, while clients use the fleet.

``TOLVA_CUTS=all`` cuts each service off for 10 and 30 s; otherwise it is one of them for a moment, chosen by the seed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import mixed_jobs
import pytest
from checks import check_ends, check_nothing_is_left
from customers import Customer
from fleet import Fleet, wait_for

from servers.machines import Machines
from servers.postgresql import Postgresql
from servers.process import Process, free_port
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3
from tolva.client import Client
from tolva.gateway.access import new_key
from tolva.model import KeyRole

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
SERVICES = ("database", "broker", "storage")
ALL = [(service, seconds) for service in SERVICES for seconds in (10.0, 30.0)]
ANY = "any"
CUTS = ALL if os.environ.get("TOLVA_CUTS") == "all" else [(ANY, 4.0)]
LEASE_SECONDS = "3"
CUSTOMERS = 2


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    machines = Machines(SERVICES)
    yield machines
    machines.close()


@pytest.fixture(scope="module")
def servers(machines: Machines) -> Iterator[tuple[Postgresql, Rabbitmq, S3]]:
    """Servers that listen where only the machines reach them."""
    with ExitStack() as stack:
        postgresql = Postgresql(address=machines.address("database"))
        stack.callback(postgresql.close)
        rabbitmq = Rabbitmq(address=machines.address("broker"))
        stack.callback(rabbitmq.close)
        s3 = S3(address=machines.address("storage"))
        stack.callback(s3.close)
        yield postgresql, rabbitmq, s3


@pytest.mark.parametrize(("service", "seconds"), CUTS)
def test_who_is_cut_off_loses_nothing_and_comes_back(
    machines: Machines, servers: tuple[Postgresql, Rabbitmq, S3], tmp_path: Path, service: str, seconds: float
) -> None:
    service = random.Random(SEED).choice(SERVICES) if service == ANY else service
    mixed_jobs.write_facts(tmp_path / "data")
    with ExitStack() as stack:
        fleet = Fleet(*servers, tmp_path)
        stack.callback(fleet.close)
        far, other = machines.machine(), machines.machine()
        words = ("--concurrency", "1", "--lease-seconds", LEASE_SECONDS)
        cut_off, neighbour = fleet.worker(*words, on=far.on), fleet.worker(*words, on=other.on)
        keys = [new_key(fleet.catalog, f"client-{n}", KeyRole.ADMIN)[1] for n in range(CUSTOMERS)]
        port = free_port()
        fleet.gateway(port, "--require-keys", "--data", tmp_path / "data", "--chunk", "64KB")
        clients = [stack.enter_context(Client(f"http://127.0.0.1:{port}", key)) for key in keys]
        enough = threading.Event()
        customers = [Customer(n, client, tmp_path, SEED, enough) for n, client in enumerate(clients)]
        for customer in customers:
            customer.start()
        wait_for(lambda: holds_a_task(fleet, cut_off), "a task to cut off", fleet.logs)
        machines.cut(far, service)
        time.sleep(seconds)  # how long the cut lasts is what is tried
        machines.mend(far, service)
        mended = time.monotonic()
        enough.set()
        for customer in customers:
            customer.join(300)
            assert customer.error is None, f"{customer.name}: {customer.error!r}\n{fleet.logs()}"
            assert not customer.is_alive(), f"{customer.name} still waits\n{fleet.state()}\n{fleet.logs()}"
        served = time.monotonic() - mended

        # Who was cut off works again without being started again, and all by itself.
        neighbour.signal(signal.SIGTERM)
        assert neighbour.wait(120) == 0
        for ask in (customers[0].load, customers[0].export, customers[0].ask):
            ask()
        for customer in customers:
            customer.check_tables()
        alone = time.monotonic() - mended - served
        assert cut_off.running
        check_ends(fleet, customers)
        check_nothing_is_left(fleet)
        jobs = {customer.name: dict(customer.done) for customer in customers}
        lost = sum(failure.startswith("lost") for failure in fleet.failures())
        print(
            f"TOLVA_SEED={SEED}: cut off from the {service} for {seconds:.0f} s; jobs under way ended {served:.1f} s "
            f"later, {lost} attempts lost; then alone for {alone:.1f} s; jobs: {jobs}",
            flush=True,
        )


def holds_a_task(fleet: Fleet, worker: Process) -> bool:
    """Tell whether the worker is in the middle of a task."""
    return any(each.tasks and f"-{worker.pid}-" in each.report.name for each in fleet.catalog.fleet())
