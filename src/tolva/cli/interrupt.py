"""SIGINT and SIGTERM, as something that can be caught."""

from __future__ import annotations

EXIT_CODE = 130


class Interrupt(BaseException):
    """Somebody wants the command to stop. Not an Exception, so that no library takes it for an error of its own.

    ``message`` says what became of the work.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
