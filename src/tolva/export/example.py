"""An export to try: made-up beneficiaries, and a job document that fetches their claims."""

from __future__ import annotations

import random
from pathlib import Path

_DOCUMENT = """\
# Fetch every beneficiary's claims, ten beneficiaries at a time. Run: tolva run {folder}/claims.yaml --data {folder}
kind: export
name: Z9000                          # parts are Z9000_0001.ndjson, Z9000_0001_error.ndjson, ...
keys: {{file: beneficiaries.txt}}
source: {{kind: claims, seed: {seed}, claims_per_key: 5, latency_ms: 5, missing_ratio: 0.01, flaky_ratio: 0.05}}
batch_size: 10
fetchers: 16
output: {{max_part_bytes: 209715200}}
"""
_HIGHEST_NUMBER = 10**10


def generate(folder: Path, *, rows: int, seed: int) -> None:
    """Write ``beneficiaries.txt``, of ``rows`` different numbers of 11 digits, and ``claims.yaml`` into the folder.

    The same seed makes the same numbers; numbers of a smaller file are the beginning of a larger one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = _different_numbers(rows, seed)
    with (folder / "beneficiaries.txt").open("w", encoding="ascii") as file:
        file.writelines(f"{number:011}\n" for number in numbers)
    (folder / "claims.yaml").write_text(_DOCUMENT.format(folder=folder, seed=seed), encoding="utf-8")


def _different_numbers(count: int, seed: int) -> list[int]:
    rng = random.Random(seed)  # noqa: S311 - made-up data
    numbers: dict[int, None] = {}
    while len(numbers) < count:
        numbers[int(rng.random() * _HIGHEST_NUMBER)] = None
    return list(numbers)
