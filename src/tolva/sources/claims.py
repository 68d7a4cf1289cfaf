"""Made-up claims of made-up beneficiaries, to try an export with. The same key always has the same claims."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal

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
_DAYS = tuple((date(2024, 1, 1) + timedelta(days=day)).isoformat() for day in range(366))
_CHANCES = 2**32

_text = json.JSONEncoder(ensure_ascii=False).encode


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
        digest = hashlib.blake2b(f"{settings.seed}/{key}".encode(), digest_size=16)
        draw, missing = divmod(int.from_bytes(digest.digest(), "big"), _CHANCES)
        if missing < settings.missing_ratio * _CHANCES:
            return Failure(key, "not_found", f"there is no beneficiary {key}")
        if draw % _CHANCES < settings.flaky_ratio * _CHANCES and self._fails_first(key):
            return Failure(key, "unavailable", "the service is busy", retryable=True)
        key_text = _text(key)
        return Fetched(key, [_claim(digest, key_text, number) for number in range(1, settings.claims_per_key + 1)])

    def _fails_first(self, key: str) -> bool:
        with self._lock:
            first = key not in self._failed
            self._failed.add(key)
        return first


def _claim(seed: hashlib.blake2b, key_text: str, number: int) -> str:
    """Return a claim as a line of JSON: with thousands a second, making objects of it would be most of the work."""
    digest = seed.copy()
    digest.update(b"/%d" % number)
    draw, service = divmod(int.from_bytes(digest.digest(), "big"), len(_SERVICES))
    draw, day = divmod(draw, len(_DAYS))
    draw, price = divmod(draw, 401)
    code, name, cents = _SERVICES[service]
    billed = cents * (800 + price) // 1000
    paid = billed * (400 + draw % 501) // 1000
    return (
        f'{{"beneficiary_id":{key_text},"claim_id":{key_text[:-1]}-{number:04}","service_date":"{_DAYS[day]}",'
        f'"procedure_code":"{code}","service":"{name}","billed":"{billed / 100:.2f}","paid":"{paid / 100:.2f}"}}'
    )
