"""What the server and its clients share: above all the session protocol's name, limits, and shape of binary frames.

docs/protocol.md tells the whole; the messages themselves are in ``gateway/session/messages.py``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

SUBPROTOCOL = "tolva.v1"
PATH = "/api/v1/session"

SILENCE_SECONDS = 30.0
"""A peer that says nothing for so long is taken for lost; its jobs go on."""

PING_SECONDS = 10.0
"""An end that has nothing to say says ``ping`` so often."""

MAX_DATA_BYTES = 512 * 2**10
"""The most data in one binary frame, in either direction."""

WINDOW_BYTES = 32 * 2**20
"""The most bytes of an upload on their way without an acknowledgement; its sender must be able to say them again."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""How a server on this machine is called."""

MAX_ANNOUNCED_FILES = 1000
"""The most files that one HTTP request announces."""

_HEAD = struct.Struct(">16sIQ")


@dataclass(frozen=True, slots=True)
class Frame:
    """A binary frame: a run of bytes of one thing.

    ``subject`` is an upload's id (from the client) or a job's (from the server), 16 characters; ``number`` is the
    part's number (0 in uploads); ``offset`` is where ``data`` belongs.
    """

    subject: str
    number: int
    offset: int
    data: bytes | memoryview

    def encode(self) -> bytes:
        """Return the frame's bytes: 16 of the subject, 4 of the number, 8 of the offset (big-endian), then data."""
        return _HEAD.pack(self.subject.encode("ascii"), self.number, self.offset) + self.data

    @staticmethod
    def decode(raw: bytes) -> Frame:
        """Read a frame's bytes. ValueError if they are too few, or the subject is not ASCII."""
        if len(raw) < _HEAD.size:
            raise ValueError(f"a binary frame has at least {_HEAD.size} bytes")
        subject, number, offset = _HEAD.unpack_from(raw)
        return Frame(subject.decode("ascii"), number, offset, memoryview(raw)[_HEAD.size :])


MAX_FRAME_BYTES = _HEAD.size + MAX_DATA_BYTES
"""The length of the longest binary frame."""
