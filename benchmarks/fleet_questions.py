"""The four questions by a fleet of 2 workers on this machine, beside one process with 2 children.

Run by ``make cluster-demo``; ``python benchmarks/fleet_questions.py ROWS RUNS`` measures: run about, so that both meet
the same weather. In place of ROWS, the folder of coffee data that is there already.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/cluster")]


def main(what: str, runs: int) -> None:
    from fleet import TOLVA, Fleet, results  # noqa: PLC0415 - its folder was added to the path above

    from servers.postgresql import Postgresql  # noqa: PLC0415 - likewise
    from servers.rabbitmq import Rabbitmq  # noqa: PLC0415 - likewise
    from servers.s3 import S3  # noqa: PLC0415 - likewise
    from tolva.coffee import four_questions  # noqa: PLC0415 - likewise
    from tolva.coffee.generate import generate  # noqa: PLC0415 - likewise

    with tempfile.TemporaryDirectory(prefix="tolva-fleet-") as name:
        folder = Path(name)
        data = folder / "data" if what.isdecimal() else Path(what).absolute()
        if what.isdecimal():
            generate(data, transactions=int(what))
        size = sum(path.stat().st_size for path in data.rglob("*.csv"))
        print(f"{size / 2**20:,.0f} MB of coffee data", flush=True)
        document = folder / "four_questions.yaml"
        document.write_text(four_questions())
        fleet = Fleet(Postgresql(durable=True), Rabbitmq(), S3(), folder)
        seconds: dict[str, list[float]] = {"one process": [], "fleet": []}
        try:
            for _ in range(2):
                fleet.worker("--concurrency", "1")
            fleet.wait_for_workers(2)
            own = {**os.environ, "TOLVA_STATE": str(folder / "own")}
            for _ in range(runs):
                words = [TOLVA, "run", document, "--data", data, "-q", "--workers", "2", "--output"]
                began = time.perf_counter()
                subprocess.run([*words, folder / "alone"], env=own, check=True, stdout=subprocess.DEVNULL)
                seconds["one process"].append(time.perf_counter() - began)
                began = time.perf_counter()
                fleet.run_job(document, data, "together")
                seconds["fleet"].append(time.perf_counter() - began)
            assert results(folder / "alone") == results(folder / "together"), "the answers differ"
            print("the answers are the same")
            for who, each in seconds.items():
                print(f"{who}: median {statistics.median(each):.2f} s of {[round(one, 2) for one in each]}")
            ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
            print(f"fleet over one process: median {statistics.median(ratios):.2f}")
        finally:
            fleet.close()
            for server in (fleet.postgresql, fleet.rabbitmq, fleet.s3):
                server.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    rows, rounds = sys.argv[1:3] or ("200000", "1")
    main(rows, int(rounds))
