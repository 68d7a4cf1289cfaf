"""SIGINT and SIGTERM, as something that can be caught."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 130

RESUME = "Finished work is kept: the same command with --resume goes on from there."


class Interrupt(BaseException):
    """Somebody wants the command to stop. Not an Exception, so that no library takes it for an error of its own.

    ``message`` says what became of the work.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@contextmanager
def interrupted_as(what: str) -> Iterator[None]:
    """Have an interruption inside the block say what becomes of this work."""
    try:
        yield
    except Interrupt:
        raise Interrupt(f"Interrupted. {what}") from None
