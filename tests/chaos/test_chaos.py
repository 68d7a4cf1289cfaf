"""A fleet that is harmed while clients use it: every row counts exactly once, every job ends, and nothing is left over.

``TOLVA_SEED`` repeats a run's choices. ``TOLVA_CHAOS`` is how much of the whole is done, in per cent: 100 by
``make chaos``, otherwise each act once.
"""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import mixed_jobs
from checks import check_ends, check_nothing_is_left
from customers import Customer
from fleet import Fleet

from chaos import Chaos
from servers.postgresql import Postgresql
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3
from tolva.client import Client
from tolva.gateway.access import new_key
from tolva.model import KeyRole

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
PER_CENT = float(os.environ.get("TOLVA_CHAOS", "0"))
CUSTOMERS = 3
ATTEMPTS = 100
"""As many as it takes: what a task's last attempt means is tested elsewhere."""

WHOLE = {
    "kill a worker": 150,
    "kill a child": 150,
    "freeze a worker past its lease": 50,
    "stop a worker": 20,
    "kill the gateway": 10,
    "kill the broker": 15,
    "kill the broker and wipe it": 5,
    "stop the database": 20,
    "stop the storage": 5,
}
ACT_SECONDS = 5
FEW = {name: 1 for name in WHOLE if name != "kill the broker"}


def test_whatever_is_harmed_every_row_counts_once(
    postgresql: Postgresql, rabbitmq: Rabbitmq, s3: S3, tmp_path: Path
) -> None:
    counts = {name: round(count * PER_CENT / 100) for name, count in WHOLE.items()} if PER_CENT else FEW
    minutes = sum(counts.values()) * ACT_SECONDS / 60
    print(f"TOLVA_SEED={SEED}: {sum(counts.values())} acts, about {minutes:.0f} minutes", flush=True)
    began = time.monotonic()
    mixed_jobs.write_facts(tmp_path / "data")
    with ExitStack() as stack:
        fleet = Fleet(postgresql, rabbitmq, s3, tmp_path, attempts=ATTEMPTS)
        stack.callback(fleet.close)
        keys = [new_key(fleet.catalog, f"client-{n}", KeyRole.ADMIN)[1] for n in range(CUSTOMERS)]
        chaos = Chaos(fleet, tmp_path / "data", SEED, storage_seconds=10.0 if PER_CENT else 2.0)
        enough = threading.Event()
        clients = [stack.enter_context(Client(chaos.url, key)) for key in keys]
        customers = [Customer(n, each, tmp_path, SEED, enough) for n, each in enumerate(clients)]
        for customer in customers:
            customer.start()
        chaos.play(counts, lambda: all(customer.is_alive() for customer in customers))
        chaos.calm()
        enough.set()
        for customer in customers:
            customer.join(600)
            assert customer.error is None, f"{customer.name}: {customer.error!r}\n{fleet.logs()}"
            assert not customer.is_alive(), f"{customer.name} still waits\n{fleet.state()}\n{fleet.logs()}"
            customer.check_tables()
        check_ends(fleet, customers)
        check_nothing_is_left(fleet)
        sent = {customer.name: dict(customer.done) for customer in customers}
        print(f"{time.monotonic() - began:.0f} s; {dict(chaos.done)}; jobs: {sent}", flush=True)
