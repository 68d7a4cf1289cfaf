"""Parts in S3 go up in pieces: however large a part is, it is never held in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from s3_program import LINE, LINES, RUNS

from servers.s3 import S3

PROGRAM = Path(__file__).with_name("s3_program.py")
MOST_BYTES = 130 * 2**20


@pytest.mark.parametrize("work", ["composed", "answered"])
def test_a_large_part_takes_little_memory(s3: S3, work: str) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, f"{s3.url}/{work}", work],
        env={**os.environ, **s3.access.environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout)
    assert found["bytes"] == found["stored"] == RUNS * LINES * len(LINE) > 1.4 * MOST_BYTES
    assert found["peak"] < MOST_BYTES
