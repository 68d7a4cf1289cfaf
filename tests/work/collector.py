"""Prints what a child of a fork server of its own says: does it look for garbage, and is what it shares left alone?"""

from __future__ import annotations

import gc
from typing import Any

from tolva.work.children import Call, Cancel, Children


def setup() -> Call:
    return answer


def answer(_request: Any) -> tuple[Any, bool]:
    return (gc.isenabled(), gc.get_freeze_count() > 0), True


if __name__ == "__main__":
    children = Children(1, setup)
    print(*children.run(None, deadline_seconds=120, cancel=Cancel()))
    children.close()
