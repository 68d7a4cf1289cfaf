"""Who is calling, by the key in ``Authorization: Bearer``, and what that lets him see.

A key is 256 random bits, so guessing it is hopeless however fast a guess is checked, and a plain sha256 keeps it: slow
password hashes are for secrets that people choose. The digest is compared in constant time, and the catalog is asked on
every request, so that a revoked key opens nothing from that moment on.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from tolva.catalog import Catalog
from tolva.errors import NotAllowedError
from tolva.model import Key, KeyRole

LOCAL_CLIENT = "local"
"""Who calls where no key is asked for."""

_PREFIX = "tolva"
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    client: str
    role: KeyRole

    @property
    def scope(self) -> str | None:
        """Whose jobs may be seen: his own, or (None) everybody's."""
        return None if self.role is KeyRole.ADMIN else self.client

    @property
    def may_read_files(self) -> bool:
        """Whether his jobs may name files of the server's data folder."""
        return self.role is KeyRole.ADMIN


class Doors:
    """Lets callers in by their keys; without ``keys_needed`` everybody is the local client."""

    def __init__(self, catalog: Catalog, *, keys_needed: bool) -> None:
        self._catalog = catalog
        self.keys_needed = keys_needed

    def admit(self, authorization: str | None) -> Caller:
        """Return who shows this ``Authorization`` header. NotAllowedError if nobody may enter with it."""
        if not self.keys_needed:
            return Caller(LOCAL_CLIENT, KeyRole.ADMIN)
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise NotAllowedError("Send your key: Authorization: Bearer KEY.")
        return self.admit_key(authorization[len(_SCHEME) :].strip())

    def admit_key(self, shown: str) -> Caller:
        """Return whose key this is. NotAllowedError if it is nobody's, or revoked."""
        prefix, _, rest = shown.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._catalog.find_key(key_id) if prefix == _PREFIX else None
        expected = key.digest if key is not None else ""
        if not hmac.compare_digest(_digest(secret), expected) or key is None or key.revoked_at is not None:
            raise NotAllowedError("This key is unknown or was revoked. Ask for a new one.")
        return Caller(key.client, key.role)


def new_key(catalog: Catalog, client: str, role: KeyRole) -> tuple[Key, str]:
    """Make a key for the client; return its record, and the key itself, which is kept nowhere."""
    secret = secrets.token_urlsafe(32)
    key = Key(secrets.token_hex(6), client, role, _digest(secret))
    catalog.add_key(key)
    return key, f"{_PREFIX}_{key.id}_{secret}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


async def caller(request: Request) -> Caller:
    """Return who calls; every route that is not public depends on it."""
    doors: Doors = request.app.state.doors
    authorization = request.headers.get("authorization")
    # Only where keys are needed is the catalog asked, for which the event loop mustn't wait.
    return await run_in_threadpool(doors.admit, authorization) if doors.keys_needed else doors.admit(authorization)


Called = Annotated[Caller, Depends(caller)]
