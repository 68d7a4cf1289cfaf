"""Files that a question names where tables stand, as in ``FROM 'sales/*.csv'``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tolva.planner.binder import Binder


def file_names(sql: str) -> list[str]:
    """Return the files that a SELECT names, each once. None where it isn't SQL: whoever plans it says why.

    What has a dot, a slash or a star in it can be no table's name without quotes, and is taken for a file's.
    """
    binder = Binder()
    try:
        syntax = binder.syntax(sql)
    finally:
        binder.close()
    names = _names(json.loads(syntax)) if syntax else iter(())
    return list(dict.fromkeys(name for name in names if set(name) & set("./*")))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and not node["schema_name"]:
            yield node["table_name"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _names(each)
