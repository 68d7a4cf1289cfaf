"""The contract of a source: settings that open it, and ``fetch``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from tolva.model import TableObject
    from tolva.storage import Storage

Pace = Callable[[], None]
"""Called before each request; returns when the request may be made, so that the job keeps to its rate."""


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A stored table as it was when the job was made: columns (name, type in DuckDB's words), and objects."""

    columns: Sequence[tuple[str, str]]
    objects: Sequence[TableObject]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a job gives its source.

    ``table`` is the one that ``SourceSettings.stored_name`` names, ``storage`` has its objects. Without storage the
    source is opened only to see whether it can be.
    """

    pace: Pace
    table: TableVersion | None = None
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """All records of one key: mappings, or lines of JSON. There may be none."""

    key: str
    records: Sequence[Mapping[str, Any] | str | bytes]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a key's records couldn't be had: a stable code for programs, a message for people.

    A ``retryable`` one is tried again after a pause, of at least ``retry_after_seconds``.
    """

    key: str
    code: str
    message: str
    retryable: bool = False
    retry_after_seconds: float = 0.0


Answer: TypeAlias = Fetched | Failure


class Source(Protocol):
    """Fetches records by key. Many threads use one source at once."""

    def fetch(self, keys: Sequence[str]) -> Iterable[Answer]:
        """Return an answer for each of these different keys, in any order.

        An exception is taken as a failure, worth another try, of every key that has no answer yet; so is no answer.
        """
        ...


class SourceSettings(BaseModel):
    """What a job document says of its source. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    batch_keys: ClassVar[int] = 10
    """So many keys are fetched with a call, where the document doesn't say."""

    @property
    def stored_name(self) -> str | None:
        """The client's stored table that the source reads, if it does."""
        return None

    @abstractmethod
    def open(self, tools: Tools) -> Source:
        """Return what fetches. Called once in every process that works on the job; no request is made yet.

        Raises:
            UsageError: the settings can't be worked with here.
        """
