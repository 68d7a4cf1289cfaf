"""A process that spares memory, and its children, keep no more of it than they need."""

from __future__ import annotations

import os
import subprocess
import sys

WORK = """
import threading
from tolva.allocators import spare_memory
from tolva.machine import resident_bytes
spare_memory()
import os
def work():
    held = [bytes(50_000) for _ in range(400)]
    last.append(bytes(100))
    del held
last = []
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(os.environ.get("MALLOC_ARENA_MAX"), resident_bytes(os.getpid()))
"""


def test_what_threads_held_is_given_back_and_those_started_later_are_told_to() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", WORK], env=environment, capture_output=True, text=True, check=True)
    arenas, held = done.stdout.split()
    assert arenas == "1"
    assert int(held) < 40 * 2**20
