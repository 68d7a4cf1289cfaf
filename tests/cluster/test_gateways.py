"""Several gateways beside each other: a job sent to one is done by the fleet and fetched from another."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from fleet import Fleet, results


def url_of(gateway: subprocess.Popen[str]) -> str:
    assert gateway.stderr
    for line in gateway.stderr:
        if found := re.search(r"serves on (\S+)", line):
            return found[1]
    raise AssertionError("the gateway ended")


def test_a_job_is_sent_to_one_gateway_and_fetched_from_another(
    fleet: Fleet, coffee: Path, answers: dict[str, bytes]
) -> None:
    states = [fleet.folder / name for name in ("gateway-1", "gateway-2")]
    first, second = (fleet.start("serve", "--port", "0", "--workers", "1", "--state", state) for state in states)
    one, other = url_of(first), url_of(second)
    fleet.worker("--concurrency", "2")

    job = fleet.run("submit", coffee.parent / "four_questions.yaml", "--data", coffee, "--server", one, "-q").stdout
    fleet.run("watch", job.strip(), "--server", other, "-q")
    fleet.run("results", job.strip(), "--server", other, "--output", fleet.folder / "fetched")

    found = results(fleet.folder / "fetched")
    assert {name: sorted(data.splitlines()) for name, data in found.items()} == {
        name: sorted(data.splitlines()) for name, data in answers.items()
    }
    assert fleet.failures() == []
