"""What going through a server costs: small jobs from submit to result, and sending files compared with reading them."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import yaml

from benchmarks.measure import table
from benchmarks.serving import TOLVA, served
from tolva.client import Client, Job
from tolva.client.session import Work, run_session
from tolva.coffee import four_questions
from tolva.coffee.generate import generate

_SMALL_JOBS = 100
_WAIT = {"Prefer": "wait=60"}
_QUESTION = {"kind": "query", "queries": {"q": "SELECT sum(range) AS s FROM range(1000)"}}


def small_jobs(work: Path) -> str:
    """Return the table of the times from submitting a small job to having its end, one after the other."""
    with (
        served(work / "server-small") as (url, _),
        httpx2.Client(base_url=url, headers=_WAIT, timeout=60) as api,
    ):
        calls: dict[str, Callable[[], httpx2.Response]] = {
            "`POST /api/v1/add/1/2`, done": lambda: api.post("/api/v1/add/1/2"),
            "a query without tables, done": lambda: api.post("/api/v1/jobs", json=_QUESTION),
            "`GET /healthz`, for comparison": lambda: api.get("/healthz"),
        }
        rows = [[name, *_spread(call)] for name, call in calls.items()]
    return table(["from submit to result", "median, ms", "nine of ten within, ms"], rows)


def _spread(call: Callable[[], httpx2.Response]) -> list[str]:
    seconds = []
    for turn in range(_SMALL_JOBS + 5):
        began = time.perf_counter()
        answer = call()
        if turn >= 5:
            seconds.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] in ("completed", "ok"), answer.text
    return [f"{1000 * at:.0f}" for at in (statistics.median(seconds), statistics.quantiles(seconds, n=10)[-1])]


def uploading(work: Path, *, transactions: int, rounds: int) -> str:
    """Return the table of four questions asked by ``tolva run``, and by sending the same files to a server, in turn."""
    data = work / f"coffee-{transactions}"
    generate(data, transactions=transactions)
    document = work / "four_questions.yaml"
    document.write_text(four_questions())
    shutil.rmtree(work / "server", ignore_errors=True)
    with served(work / "server") as (url, _):
        ways: dict[str, Callable[[Path], str | None]] = {
            "tolva run": lambda output: _run(document, data, output, work / "state"),
            "sent to `tolva serve`, asked, fetched": lambda output: _send(url, document, data, output, Job.upload_all),
            "the same, one file after the other": lambda output: _send(url, document, data, output, _one_by_one),
            "the same, in one session": lambda output: _in_session(url, document, data, output),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds + 1):
            answers = []
            for number, (name, ask) in enumerate(ways.items()):
                output = work / f"answers-{number}"
                shutil.rmtree(output, ignore_errors=True)
                began = time.perf_counter()
                job_id = ask(output)
                took = time.perf_counter() - began
                _forget(url, job_id, work / "server")
                print(f"  round {turn}: {name} {took:.2f} s", file=sys.stderr)
                if turn:
                    seconds[name].append(took)
                answers.append({part.name: part.read_bytes() for part in output.glob("*.csv")})
            assert all(answer == answers[0] for answer in answers), "the answers differ"
            assert answers[0], "there are no answers"
    own = statistics.median(seconds["tolva run"])
    rows = [[n, f"{statistics.median(s):.2f}", f"{statistics.median(s) / own:.2f}"] for n, s in seconds.items()]
    return table(["way", "wall seconds (median)", "over `tolva run`"], rows)


def _run(document: Path, data: Path, output: Path, state: Path) -> None:
    command = [TOLVA, "run", document, "--data", data, "--output", output, "--state", state, "-q"]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


Files = dict[str, list[Path]]


def _send(url: str, document: Path, data: Path, output: Path, upload: Callable[[Job, Files], None]) -> str:
    asked, files = _parted(document, data)
    with Client(url) as client:
        job = client.submit(asked)
        upload(job, files)
        job.start()
        job.wait()
        job.download(output)
        return job.id


def _one_by_one(job: Job, files: Files) -> None:
    for name, paths in files.items():
        for path in paths:
            job.upload(name, path)


def _in_session(url: str, document: Path, data: Path, output: Path) -> str:
    return run_session(url, None, Work(*_parted(document, data), output), lambda _: None).id


def _forget(url: str, job_id: str | None, state: Path) -> None:
    """Delete the job, if there is one, and wait until its files are gone: that is nobody else's time."""
    if job_id is None:
        return
    with Client(url) as client:
        client.job(job_id).delete()
    while (state / "storage" / "jobs" / job_id).exists():
        time.sleep(0.01)


def _parted(document: Path, data: Path) -> tuple[dict[str, Any], Files]:
    """Return the document without its tables' files, and these."""
    asked = yaml.safe_load(document.read_text())
    return asked, {name: sorted(data.glob(given.pop("files"))) for name, given in asked["tables"].items()}
