"""What a client may say in a session, as JSON. Answers carry the ``request`` they answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tolva.errors import UsageError

MAX_MESSAGE_BYTES = 2**20


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BeginConnection(_Message):
    """The first message: who calls, unless the handshake said so, and which session goes on."""

    type: Literal["begin_connection"]
    key: str | None = None
    session: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{8,64}$")


class SubmitJob(_Message):
    """Submit a job document. With the same ``request_key``, a repeated one is the job that is there."""

    type: Literal["submit_job"]
    request: int
    document: dict[str, Any]
    request_key: str | None = Field(None, max_length=200)


class Upload(_Message):
    """Announce a file, or ask how much of it is there."""

    type: Literal["upload"]
    request: int
    job: str
    table: str
    name: str
    bytes: int | None = Field(None, ge=0)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")


class EndUpload(_Message):
    """All of the file was sent."""

    type: Literal["end_upload"]
    request: int
    upload: str


class StartJob(_Message):
    """END: no more files."""

    type: Literal["start_job"]
    request: int
    job: str


class CancelJob(_Message):
    """The job is no longer wanted."""

    type: Literal["cancel_job"]
    request: int
    job: str


class Follow(_Message):
    """Push progress and results of the job. ``results``: by part name, how many bytes the client has already."""

    type: Literal["follow"]
    request: int
    job: str
    results: dict[str, int] = {}


class SubmitResults(_Message):
    """The client has so many bytes of the part for good."""

    type: Literal["submit_results"]
    job: str
    part: str
    bytes: int = Field(ge=0)


class Ping(_Message):
    """Are you there?"""

    type: Literal["ping"]


class Pong(_Message):
    """Yes."""

    type: Literal["pong"]


Request = SubmitJob | Upload | EndUpload | StartJob | CancelJob | Follow
Message = BeginConnection | Request | SubmitResults | Ping | Pong

_ANY: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(text: str) -> Message:
    """Read a message. UsageError says what is wrong with it."""
    try:
        return _ANY.validate_json(text)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'message'}: {each['msg']}" for each in error.errors())
        raise UsageError(f"This message is not of the session protocol: {told}") from None
