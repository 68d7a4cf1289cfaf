"""Fetch keys with bare threads, nothing committed: what the same source comes to on this machine, as busy as it is.

Prints the seconds from the first request to the last line written, start-up not included.
"""

import json
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tolva.export.pace import no_pace
from tolva.rollup.records import encode
from tolva.sources import Failure, Tools, settings_of

LONGEST_START_SECONDS = 120.0
"""A process that can't begin lets the others fail too, instead of wait for it."""


def fetch(batches: list[list[str]], source: str, threads: int, output: str, begin: Barrier) -> None:
    opened = settings_of(json.loads(source)).open(Tools(no_pace))
    with Path(output).open("wb") as file, ThreadPoolExecutor(threads) as pool:
        begin.wait(LONGEST_START_SECONDS)
        for answers in pool.map(lambda batch: list(opened.fetch(batch)), batches):
            found = (answer for answer in answers if not isinstance(answer, Failure))
            file.writelines(encode(record) for answer in found for record in answer.records)


if __name__ == "__main__":
    keys_file, source_json, processes, threads_each, output_file = sys.argv[1:]
    keys = Path(keys_file).read_text().split()
    all_batches = [keys[start : start + 10] for start in range(0, len(keys), 10)]
    count = int(processes)
    ready = multiprocessing.Barrier(count + 1)
    running = [
        multiprocessing.Process(
            target=fetch, args=(all_batches[n::count], source_json, int(threads_each), f"{output_file}{n}", ready)
        )
        for n in range(count)
    ]
    for process in running:
        process.start()
    ready.wait(LONGEST_START_SECONDS)
    began = time.perf_counter()
    for process in running:
        process.join()
    print(time.perf_counter() - began)
    sys.exit(any(process.exitcode for process in running))
