"""Made-up claims of made-up beneficiaries, to try an export with. The same key always has the same claims."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import Field

from tolva.sources.contract import Answer, Failure, Fetched, Pace, SourceSettings, Tools

_SERVICES = (
    ("99213", "office visit", 9_000),
    ("80053", "metabolic panel", 3_500),
    ("71046", "chest x-ray", 11_000),
    ("93000", "electrocardiogram", 6_000),
    ("97110", "physical therapy", 7_500),
    ("99284", "emergency visit", 68_000),
)
_FIRST_DAY = date(2024, 1, 1)
_DAYS = 366


class ClaimsSettings(SourceSettings):
    """How many claims a beneficiary has, and how well this made-up service works.

    A share of the keys isn't known at all (``missing_ratio``); of the others, a share fails at first and is there with
    the second try (``flaky_ratio``). Each key takes ``latency_ms``.
    """

    kind: Literal["claims"]
    seed: int = 0
    claims_per_key: int = Field(default=5, ge=0, le=10_000)
    latency_ms: float = Field(default=0.0, ge=0)
    missing_ratio: float = Field(default=0.0, ge=0, le=1)
    flaky_ratio: float = Field(default=0.0, ge=0, le=1)

    def open(self, tools: Tools) -> Claims:
        """See ``SourceSettings.open``."""
        return Claims(self, tools.pace)


class Claims:
    """The made-up service; see ``ClaimsSettings``."""

    def __init__(self, settings: ClaimsSettings, pace: Pace) -> None:
        self._settings = settings
        self._pace = pace
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def fetch(self, keys: Sequence[str]) -> Iterator[Answer]:
        """See ``Source.fetch``."""
        for key in keys:
            self._pace()
            if self._settings.latency_ms:
                time.sleep(self._settings.latency_ms / 1000)
            yield self._answer(key)

    def _answer(self, key: str) -> Answer:
        settings = self._settings
        digest = hashlib.blake2b(f"{settings.seed}/{key}".encode(), digest_size=16).digest()
        rng = random.Random(digest)  # noqa: S311 - made-up data
        if rng.random() < settings.missing_ratio:
            return Failure(key, "not_found", f"there is no beneficiary {key}")
        if rng.random() < settings.flaky_ratio and self._fails_first(key):
            return Failure(key, "unavailable", "the service is busy", retryable=True)
        return Fetched(key, [_claim(key, number, rng) for number in range(1, settings.claims_per_key + 1)])

    def _fails_first(self, key: str) -> bool:
        with self._lock:
            first = key not in self._failed
            self._failed.add(key)
        return first


def _claim(key: str, number: int, rng: random.Random) -> dict[str, Any]:
    code, service, cents = _SERVICES[int(rng.random() * len(_SERVICES))]
    billed = int(cents * (0.8 + 0.4 * rng.random()))
    paid = int(billed * (0.4 + 0.5 * rng.random()))
    served = _FIRST_DAY + timedelta(days=int(rng.random() * _DAYS))
    return {
        "beneficiary_id": key,
        "claim_id": f"{key}-{number:04}",
        "service_date": served.isoformat(),
        "procedure_code": code,
        "service": service,
        "billed": _amount(billed),
        "paid": _amount(paid),
    }


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
