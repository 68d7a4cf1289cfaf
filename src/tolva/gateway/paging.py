"""Lists in pages, by ``Link`` headers (RFC 8288). A page's place is opaque to clients."""

from __future__ import annotations

import base64
import binascii
import json

from fastapi import Request

from tolva.errors import UsageError

Place = tuple[float, str]


def read_place(after: str | None) -> Place | None:
    """Return the place that ``after`` stands for. UsageError if it is none of ours."""
    if after is None:
        return None
    try:
        created_at, job_id = json.loads(base64.urlsafe_b64decode(after.encode()))
        return float(created_at), str(job_id)
    except (binascii.Error, ValueError, TypeError):
        raise UsageError("The value of after is not one that a Link header gave.") from None


def next_link(request: Request, place: Place) -> str:
    """Return the ``Link`` header that leads to what comes after ``place``."""
    after = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    url = request.url.include_query_params(after=after)
    return f'<{url.path}?{url.query}>; rel="next"'
