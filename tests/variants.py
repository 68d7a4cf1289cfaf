"""Variants of tests that are more of the same: left out by ``make test``, run by ``make variants``."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")


def variants(usual: list[T], more: list[T]) -> list[T]:
    """Return the usual ones, and with ``TOLVA_VARIANTS`` set the others as well."""
    return [*usual, *more] if "TOLVA_VARIANTS" in os.environ else usual
