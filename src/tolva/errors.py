"""What can go wrong, as a small hierarchy.

Every error carries a stable ``code`` (for programs), an HTTP status (for the gateway) and an exit code (for the
command line). Its text says what happened, where, and what to do about it (for people).
"""

from __future__ import annotations

from typing import Any, ClassVar


class TolvaError(Exception):
    """Something tolva can name went wrong.

    Args:
        message: what happened, where, and what to do.
        data: facts for programs, such as the file and line; JSON values only.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = True
    """Whether another try of the same may end otherwise."""

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data = data

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON values: ``code``, ``message``, ``retryable`` and ``data``."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable, "data": self.data}

    @staticmethod
    def from_dict(value: dict[str, Any]) -> TolvaError:
        """Rebuild an error written by ``to_dict``; an unknown code becomes a plain ``TolvaError``."""
        cls = _by_code(TolvaError).get(value["code"], TolvaError)
        error = cls.__new__(cls)
        TolvaError.__init__(error, value["message"], **value.get("data", {}))
        return error

    def __reduce__(self) -> Any:
        """Cross process borders with all data kept."""
        return TolvaError.from_dict, (self.to_dict(),)


class UsageError(TolvaError):
    """The request can't be carried out as it was written."""

    code = "usage"
    http_status = 422
    exit_code = 2
    retryable = False


class DocumentError(UsageError):
    """A job document has an unknown key, a missing one or a wrong value."""

    code = "document"


class QueryError(UsageError):
    """A query was refused before it ran: syntax, unknown names, types that don't fit, or not one SELECT."""

    code = "query"


class InputError(UsageError):
    """An input file is missing, unreadable or not of the declared format."""

    code = "input"


class OutputError(UsageError):
    """Results can't be written where they were asked for."""

    code = "output"


class RecordError(TolvaError):
    """A record doesn't fit the declared columns; ``data`` has file, line, column and value."""

    code = "record"
    http_status = 422
    retryable = False


class TooManyRejectsError(TolvaError):
    """More records had to be rejected than the job allows; ``data`` says how many there were. Nothing was stored."""

    code = "rejects"
    http_status = 422
    retryable = False


class ExecutionError(TolvaError):
    """A query failed while it ran, in a way that another try can't mend (overflow, bad cast)."""

    code = "execution"
    http_status = 422
    retryable = False


class OutOfMemoryError(TolvaError):
    """A query needed more memory than its task may use, spilling to disk included; with more it may succeed."""

    code = "out_of_memory"
    http_status = 422


class EngineError(TolvaError):
    """The query engine failed in itself. The process it ran in must not be used again; the task may be."""

    code = "engine"


class StorageError(TolvaError):
    """Bytes could not be stored or read: disk full, not allowed, not there."""

    code = "storage"
    http_status = 503


class CatalogError(TolvaError):
    """The catalog can't be opened, read or written: locked, disk full, not allowed, or written by a newer tolva."""

    code = "catalog"
    http_status = 503


class CatalogAwayError(CatalogError):
    """The catalog's database can't be reached now. Nothing is lost: the same call may go well later."""

    code = "catalog_away"


class WorkerLostError(TolvaError):
    """The process that ran a task ended before the task did (killed, out of memory, crashed)."""

    code = "worker_lost"


class DeadTaskError(TolvaError):
    """A task used up its attempts; ``data`` has the attempts with their errors."""

    code = "dead_task"


class FencedError(TolvaError):
    """An attempt is no longer the one that may commit; its output was thrown away. No harm was done."""

    code = "fenced"
    http_status = 409


class NotFoundError(TolvaError):
    """There is no such job, table or part, or it belongs to somebody else."""

    code = "not_found"
    http_status = 404
    exit_code = 2


class StateError(TolvaError):
    """A job's status doesn't allow what was asked."""

    code = "state"
    http_status = 409


class ExpiredError(TolvaError):
    """The files of a job are gone, as its time to live was over; its record is kept."""

    code = "expired"
    http_status = 410
    retryable = False


class ConflictError(StateError):
    """Somebody else changed it at the same time, or another content is there under that name."""

    code = "conflict"


class ChecksumError(UsageError):
    """Bytes arrived that aren't those whose sha256 or length was declared."""

    code = "checksum"


class ReusedKeyError(UsageError):
    """An Idempotency-Key was used again for another request."""

    code = "reused_key"


class LimitError(TolvaError):
    """A limit of a file, a job or a client is reached; ``data`` has it."""

    code = "limit"
    http_status = 429
    exit_code = 4


class TooLargeError(LimitError):
    """A file, a job or a request is larger than the server takes."""

    code = "too_large"
    http_status = 413
    retryable = False


class NotAllowedError(TolvaError):
    """The key is missing, unknown or revoked, or doesn't let its holder do this."""

    code = "not_allowed"
    http_status = 401
    exit_code = 4
    retryable = False


class CancelledError(StateError):
    """The job was cancelled; its work has stopped and its files are gone."""

    code = "cancelled"


class UnreachableError(TolvaError):
    """The server doesn't answer."""

    code = "unreachable"


def _by_code(cls: type[TolvaError]) -> dict[str, type[TolvaError]]:
    found = {cls.code: cls}
    for sub in cls.__subclasses__():
        found |= _by_code(sub)
    return found
