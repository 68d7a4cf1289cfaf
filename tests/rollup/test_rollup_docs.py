from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "export.md"


@pytest.mark.parametrize("page", ["README.md", "docs/export.md"])
def test_the_commands_print_what_is_shown(page: str, tmp_path: Path) -> None:
    example = re.search(r"```console\n(\$ mkdir -p out/streaming.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert example is not None
    lines = example[1].splitlines()
    program = tmp_path / "tolva"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tolva "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(line[2:] for line in lines if line.startswith("$ "))],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [line for line in lines if not line.startswith("$ ")]


def test_the_example_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """85 beneficiaries, 10 a batch, contract Z9000; every tenth isn't known."""

    def fetch_claims(beneficiary: int) -> Iterator[dict[str, Any]]:
        if beneficiary % 10 == 0:
            raise LookupError(f"no beneficiary {beneficiary}")
        for number in range(3):
            yield {"beneficiary": beneficiary, "claim": number}

    example = re.search(r"```python\n(from concurrent.*?)```", DOCS.read_text(), re.DOTALL)
    assert example is not None
    batches = [range(start, min(start + 10, 86)) for start in range(1, 86, 10)]
    monkeypatch.chdir(tmp_path)
    exec(example[1], {"fetch_claims": fetch_claims, "batches": batches})  # noqa: S102 - our own documentation

    folder = tmp_path / "out" / "contract-17"
    assert capsys.readouterr().out.startswith("2 parts ")
    assert sorted(path.name for path in folder.iterdir()) == ["Z9000_0001.ndjson", "Z9000_0001_error.ndjson"]
    claims = [json.loads(line) for line in (folder / "Z9000_0001.ndjson").read_text().splitlines()]
    failed = [json.loads(line) for line in (folder / "Z9000_0001_error.ndjson").read_text().splitlines()]
    assert sorted(claim["beneficiary"] for claim in claims) == [
        beneficiary for beneficiary in range(1, 86) if beneficiary % 10 for _ in range(3)
    ]
    assert sorted(error["beneficiary"] for error in failed) == list(range(10, 86, 10))
