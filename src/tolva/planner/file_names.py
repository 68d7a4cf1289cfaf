"""Files that a question names where tables stand, as in ``FROM 'sales/*.csv'``."""

from __future__ import annotations

import json

from tolva.planner.binder import Binder
from tolva.planner.gate import objects


def file_names(sql: str) -> list[str]:
    """Return the files that a SELECT names, each once. None where it can't be read: whoever plans it says why.

    What has a dot, a slash or a star in it can be no table's name without quotes, and is taken for a file's.
    """
    binder = Binder()
    try:
        tree = json.loads(binder.syntax(sql) or "null")
    except RecursionError:
        return []
    finally:
        binder.close()
    tables = [one for one in objects(tree) if one.get("type") == "BASE_TABLE" and not one["schema_name"]]
    return list(dict.fromkeys(one["table_name"] for one in tables if set(one["table_name"]) & set("./*")))
