"""The OpenAPI description is true: what it promises is what generated requests get."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from server_kit import Server

from tolva.gateway.app import make_app

EXAMPLES = int(os.environ.get("TOLVA_HTTP_EXAMPLES", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class _Closed:
    keys_needed = True


def _operations() -> list[tuple[str, str]]:
    described: dict[str, Any] = make_app(None, _Closed()).openapi()["paths"]  # type: ignore[arg-type]
    return [(path, method) for path, operations in described.items() for method in operations]


@pytest.fixture(scope="module")
def schema(server: Server) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.mark.parametrize(("path", "method"), _operations())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    database=None,
)
@given(data=st.data())
def test_generated_requests_get_what_is_described(schema: Any, path: str, method: str, data: st.DataObject) -> None:
    case = data.draw(schema[path][method].as_strategy())
    case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "prefer"}
    case.call_and_validate(checks=CHECKS, timeout=120)
