"""How long a small job takes by a fleet: from its request to a gateway until its end is known there.

Run by ``make cluster-bench``. The servers are the tests' own, with every commit synced to disk.
"""

from __future__ import annotations

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/cluster")]

WORKERS = 2
WARM_UP = 10
WAIT = {"Prefer": "wait=60"}
QUESTION = {"kind": "query", "queries": {"q": "SELECT sum(range) AS s FROM range(1000)"}}


def main(jobs: int) -> None:
    from fleet import Fleet  # noqa: PLC0415 - its folder was added to the path above

    from servers.postgresql import Postgresql  # noqa: PLC0415 - likewise
    from servers.process import free_port  # noqa: PLC0415 - likewise
    from servers.rabbitmq import Rabbitmq  # noqa: PLC0415 - likewise
    from servers.s3 import S3  # noqa: PLC0415 - likewise

    with tempfile.TemporaryDirectory(prefix="tolva-fleet-") as name:
        fleet = Fleet(Postgresql(durable=True), Rabbitmq(), S3(), Path(name))
        try:
            for _ in range(WORKERS):
                fleet.worker("--concurrency", "1")
            fleet.wait_for_workers(WORKERS)
            port = free_port()
            fleet.gateway(port)
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=WAIT, timeout=60) as api:
                calls: dict[str, Callable[[], httpx2.Response]] = {
                    "POST /api/v1/add/1/2": lambda: api.post("/api/v1/add/1/2"),
                    "a query without tables": lambda: api.post("/api/v1/jobs", json=QUESTION),
                }
                for what, call in calls.items():
                    seconds = [taken(call) for _ in range(jobs + WARM_UP)][WARM_UP:]
                    ninth = statistics.quantiles(seconds, n=10)[-1]
                    print(
                        f"{what}, done, with {WORKERS} workers: median {1000 * statistics.median(seconds):.0f} ms, "
                        f"nine of ten within {1000 * ninth:.0f} ms",
                        flush=True,
                    )
        finally:
            fleet.close()
            for server in (fleet.postgresql, fleet.rabbitmq, fleet.s3):
                server.close()


def taken(call: Callable[[], httpx2.Response]) -> float:
    """Return how many seconds the job took; it must end well."""
    began = time.perf_counter()
    answer = call()
    seconds = time.perf_counter() - began
    assert answer.status_code == httpx2.codes.OK, answer.text
    assert answer.json()["status"] == "completed", answer.text
    return seconds


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
