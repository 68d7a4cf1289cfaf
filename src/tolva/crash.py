"""Named places where a test can kill the process, before and after each outside effect.

``TOLVA_CRASH_POINT=rollup.part.before_rename`` makes the process kill itself with SIGKILL when it comes to that place;
``rollup.part.before_rename:3`` does so at the third time. The places are the string literals that the code passes to
``point``, one word for the area, one for the thing, one for the moment; nothing else lists them.
"""

from __future__ import annotations

import os
import signal
from itertools import count

_name, _, _hit = os.environ.get("TOLVA_CRASH_POINT", "").partition(":")
_fatal_hit = int(_hit or 1)
_hits = count(1)


def point(name: str) -> None:
    """End this process at once, as ``kill -9`` would, if ``name`` is the place and time asked for; else do nothing."""
    if _name and name == _name and next(_hits) == _fatal_hit:
        os.kill(os.getpid(), signal.SIGKILL)
