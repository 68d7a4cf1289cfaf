"""A file in a multipart form, as a stream: nothing but one block of it is ever held."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from tolva.errors import UsageError

_MAX_PARTS = 100
_MAX_HEADER_BYTES = 8 * 1024


class FormFile:
    """The first file of a form whose field is ``field``; other fields are passed over.

    ``name`` is known once the first block was read. UsageError when the form is malformed or has no such file.
    """

    def __init__(self, request: Request, field: str) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise UsageError(f"Send a form (multipart/form-data) with the file in its field {field}.")
        self.name: str | None = None
        self._request = request
        self._field = field
        self._blocks: list[bytes] = []
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._wanted = False
        self._parts = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": lambda data, start, end: self._add_to_header(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._add_to_header(1, data[start:end]),
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes."""
        async for data in self._request.stream():
            try:
                self._parser.write(data)
            except MultipartParseError as error:
                raise UsageError(f"The form is malformed: {error}") from None
            for block in self._blocks:
                yield block
            self._blocks.clear()
        if not self._ended or self.name is None:
            raise UsageError(f"The form ended too early, or has no file in its field {self._field}.")

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise UsageError(f"The form has more than {_MAX_PARTS} parts.")
        self._headers.clear()

    def _add_to_header(self, place: int, data: bytes) -> None:
        self._header[place].extend(data)
        if len(self._header[place]) > _MAX_HEADER_BYTES:
            raise UsageError("The form has a header that is too long.")

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header[0]).lower()] = bytes(self._header[1])
        for each in self._header:
            each.clear()
        if len(self._headers) > _MAX_PARTS:
            raise UsageError("The form has too many headers.")

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._wanted = self.name is None and options.get(b"name") == self._field.encode()
        if self._wanted:
            self.name = options.get(b"filename", b"").decode(errors="replace") or "file"

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._blocks.append(data[start:end])

    def _on_end(self) -> None:
        self._ended = True
