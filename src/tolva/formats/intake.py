"""Takes in files as streams: cut while they come, each chunk kept as an object of its own.

So are uploads taken in, and local files whose bytes aren't their text (compressed, or in another encoding).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from tolva.errors import InputError
from tolva.formats.decoding import Decoder, Decoding, detect
from tolva.formats.files import opened
from tolva.formats.head import Head, checked_start, refuse_foreign
from tolva.formats.origin import line_ends
from tolva.formats.table import TableSpec
from tolva.model import Chunk, File, NewFile
from tolva.plan import Column
from tolva.storage import Buffer

Json = dict[str, Any]

_DETECTED_BYTES = 4096
_SAMPLE_BYTES = 64 * 1024
_MAX_SAMPLE_BYTES = 16 * 2**20
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk with its bytes, in the blocks they came in. It has no key yet.

    Its traits hold ``lines_before`` and ``lines``: the line ends before it, and how many lines it has.
    """

    chunk: Chunk
    blocks: tuple[Buffer, ...]

    @property
    def data(self) -> bytes:
        """All of its bytes as one."""
        return b"".join(self.blocks)


class Intake(Protocol):
    """Takes the bytes of one file as they come and gives its chunks.

    Whoever holds one can be replaced by another process that has ``state()`` and ``tail()``, both taken together, and
    the chunks so far: it makes an intake of that state, feeds it the tail, then the file from its byte
    ``state()["resume_at"]`` on. That is 0 for compressed files: they have to come again, and the chunks that are known
    are passed over.
    """

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """The columns of the file's table; None until enough of the file was seen."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether ``state()`` and ``tail()`` are all it takes to go on: no byte of the file has to come again."""
        ...

    def feed(self, data: bytes) -> list[Piece]:
        """Take the file's next bytes; return the chunks that are complete now.

        InputError when the file can't be of its format, has a record too long to be one, unpacks to too much, or has
        other columns than its table.
        """
        ...

    def end(self) -> list[Piece]:
        """Note that the file is over; return the rest of its chunks. InputError as with ``feed``."""
        ...

    def file(self) -> NewFile | None:
        """Return the file as it is to be recorded, without its location and fingerprint; None until it is known."""
        ...

    def state(self) -> Json:
        """Return what another process needs to go on, as JSON values."""
        ...

    def tail(self) -> bytes:
        """Return the bytes that were taken and are in no chunk yet."""
        ...


class Cutter(Protocol):
    """Finds the chunks in a stream of text."""

    def feed(self, block: bytes) -> list[Chunk]:
        """Take the next bytes; return the chunks they complete."""
        ...

    def end(self) -> list[Chunk]:
        """Return what is left when the stream is over."""
        ...


@dataclass(frozen=True, slots=True)
class Learned:
    """What the start of a file told."""

    file: NewFile
    columns: tuple[Column, ...]


Learn = Callable[[Head], Learned | None]
"""Learns a file's layout from its start; None when it takes more of the file. InputError as with ``Format``."""
MakeCutter = Callable[[Json, int, int], Cutter]
"""See ``Format.cutter``."""


class TextIntake(Intake):
    """The intake of any format that is text.

    Args:
        spec: what was said of the table.
        name: the file's name for people.
        learn: learns the layout from the start of the text.
        make_cutter: see ``Format.cutter``.
        chunk_bytes: the length of chunks to aim at.
        state: what the intake before this one left.
    """

    def __init__(
        self, spec: TableSpec, name: str, learn: Learn, make_cutter: MakeCutter, chunk_bytes: int, state: Json | None
    ) -> None:
        self._spec, self._name, self._learn, self._make_cutter = spec, name, learn, make_cutter
        self._chunk_bytes = chunk_bytes
        self._start = bytearray()
        self._text = bytearray()
        self._received = 0
        self._decoder: Decoder | None = None
        self._decoding = Decoding()
        self._learned: Learned | None = None
        self._slicer: _Slicer | None = None
        if state is not None:
            self._restore(state)

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """See ``Intake``."""
        return self._learned.columns if self._learned else None

    def feed(self, data: bytes) -> list[Piece]:
        """See ``Intake``."""
        self._received += len(data)
        if self._decoder is None:
            self._start += data
            return self._begin() if len(self._start) >= _DETECTED_BYTES else []
        return [piece for text in self._decoder.feed(data) for piece in self._take(text)]

    def end(self) -> list[Piece]:
        """See ``Intake``."""
        pieces = self._begin() if self._decoder is None else []
        pieces += self._take(self._decoder.end() if self._decoder else b"")
        if self._slicer is None:
            pieces += self._learn_from(complete=True)
        return pieces + (self._slicer.end() if self._slicer else [])

    def file(self) -> NewFile | None:
        """See ``Intake``."""
        return self._learned.file if self._learned else None

    def _begin(self) -> list[Piece]:
        """Find out how the file's bytes become text, and take what came so far."""
        start = bytes(self._start)
        self._start.clear()
        refuse_foreign(start, self._name)
        self._decoding = detect(start, self._spec.compression, self._spec.encoding, self._name)
        self._decoder = Decoder(self._decoding, self._name)
        return [piece for text in self._decoder.feed(start) for piece in self._take(text)]

    def _take(self, text: bytes) -> list[Piece]:
        if self._slicer is not None:
            return self._slicer.feed(text)
        before = len(self._text)
        self._text += text
        # Where a sample doesn't hold even one record, it is tried again with the longest that one may be.
        if before < _SAMPLE_BYTES <= len(self._text) or len(self._text) >= _MAX_SAMPLE_BYTES:
            return self._learn_from(complete=False)
        return []

    def _learn_from(self, *, complete: bool) -> list[Piece]:
        text = bytes(self._text)
        skipped = checked_start(text, self._name, self._spec)
        head = Head(self._name, 0, "", self._decoding, skipped, text[skipped:], complete)
        self._learned = self._learn(head)
        if self._learned is None:
            return []
        self._text.clear()
        file = self._learned.file
        cutter = self._make_cutter(file.layout, self._chunk_bytes, file.first_byte)
        self._slicer = _Slicer(self._name, cutter, start=file.first_byte)
        return self._slicer.feed(text)

    def state(self) -> Json:
        """See ``Intake``."""
        learned = self._learned
        return {
            "resume_at": self._received if self.resumable else 0,
            "tail_bytes": len(self.tail()),
            "decoding": self._decoding.to_json() if self._decoder else None,
            "file": asdict(learned.file) if learned else None,
            "columns": [asdict(column) for column in learned.columns] if learned else None,
            "cut_bytes": self._slicer.cut_bytes if self._slicer else 0,
            "lines": self._slicer.lines if self._slicer else 0,
        }

    def tail(self) -> bytes:
        """See ``Intake``."""
        if self._decoder is None:
            return bytes(self._start)
        return self._decoder.undone(self._slicer.pending if self._slicer else self._text) if self.resumable else b""

    @property
    def resumable(self) -> bool:
        """See ``Intake``."""
        return self._decoding.compression == "none"

    def _restore(self, state: Json) -> None:
        self._received = state["resume_at"] - state["tail_bytes"]
        if state["decoding"] is None:
            return
        self._decoding = Decoding(**state["decoding"])
        self._decoder = Decoder(self._decoding, self._name)
        if state["file"] is not None:
            file = NewFile(**state["file"])
            self._learned = Learned(file, tuple(Column(**column) for column in state["columns"]))
            start = state["cut_bytes"]
            cutter = self._make_cutter(file.layout, self._chunk_bytes, start)
            seen = {"position": start, "lines": state["lines"]} if self.resumable else {}
            self._slicer = _Slicer(self._name, cutter, start=start, **seen)


def pieces_of(file: File, make_cutter: MakeCutter, chunk_bytes: int) -> Iterator[Piece]:
    """Decode a local file and cut what isn't cut of it yet. InputError as ``Format.cut``."""
    decoder = Decoder(Decoding(**file.layout["decoding"]), file.name)
    slicer = _Slicer(file.name, make_cutter(file.layout, chunk_bytes, file.cut_bytes), start=file.cut_bytes)
    with opened(file) as source:
        while block := source.read(_BLOCK_BYTES):
            for text in decoder.feed(block):
                yield from slicer.feed(text)
        yield from slicer.feed(decoder.end())
        yield from slicer.end()


class _Slicer:
    """Cuts a stream of text into pieces.

    Args:
        name: the file's name for people.
        cutter: finds the chunks; its stream begins at ``start``.
        start: the text before is passed over, but for its line ends.
        position: where in the text the first byte to come is.
        lines: how many line ends there are before that.
    """

    def __init__(self, name: str, cutter: Cutter, *, start: int, position: int = 0, lines: int = 0) -> None:
        self._name, self._cutter, self._start, self._position = name, cutter, start, position
        self.lines = lines
        self.cut_bytes = start
        self._blocks: deque[bytes] = deque()
        self._taken = 0
        """So many bytes of the first block are in pieces already."""

    @property
    def pending(self) -> bytes:
        """The text that is in no piece yet."""
        return b"".join(self._blocks)[self._taken :]

    def feed(self, text: bytes) -> list[Piece]:
        passed = min(max(self._start - self._position, 0), len(text))
        self.lines += text.count(b"\n", 0, passed)
        self._position += passed
        fresh = text[passed:]
        if fresh:
            self._blocks.append(fresh)
        try:
            return [self._piece(chunk) for chunk in self._cutter.feed(fresh)]
        except InputError as error:
            at = error.data.get("byte_offset", self.cut_bytes)
            line = self.lines + self.pending.count(b"\n", 0, at - self.cut_bytes) + 1
            raise InputError(
                f"{self._name}:{line}: {error.message}", **error.data, file=self._name, line=line
            ) from None

    def end(self) -> list[Piece]:
        return [self._piece(chunk) for chunk in self._cutter.end()]

    def _piece(self, chunk: Chunk) -> Piece:
        blocks = tuple(self._take(chunk.length))
        ends = line_ends(blocks)
        lines = {"lines_before": self.lines, "lines": ends + (blocks[-1][-1:] != b"\n")}
        self.lines += ends
        self.cut_bytes += chunk.length
        return Piece(replace(chunk, traits={**chunk.traits, **lines}), blocks)

    def _take(self, length: int) -> Iterator[Buffer]:
        while length:
            block = self._blocks[0]
            part = memoryview(block)[self._taken : self._taken + length]
            yield part
            length -= len(part)
            self._taken += len(part)
            if self._taken == len(block):
                self._blocks.popleft()
                self._taken = 0
