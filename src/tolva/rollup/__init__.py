"""Many writers, few files, none too large: streams, finished files and numbered, size-capped parts.

::

     writers          streaming/x.ndjson --close: one rename--> finished/x.ndjson
                                                                     |
     aggregator       .Z9000_0001.ndjson.building <--kernel copy-----'
                          | fsync, journal, one rename
                          v
                      Z9000_0001.ndjson          then the inputs are deleted

While ``streaming/`` is there, writers are at work, and a part is built only when strictly more than multiplier x cap
bytes are finished. When it is gone (END), everything left becomes parts and ``finished/`` is removed.

Why a kill at any instruction loses and doubles nothing. A step builds one part in four moves:

1. copy the chosen files into a hidden file named after the part, and fsync it;
2. write the journal: the part, and the name, size and time of every input; fsync the folder. It names a complete
   hidden file from its first moment on;
3. rename the hidden file to the part's name, fsync the folder;
4. delete the inputs, fsync ``finished/``.

Before move 2 is through, the journal doesn't know the hidden file: a restart deletes it, the inputs are all there.
Afterwards the restart goes on: the hidden file is there exactly as long as move 3 is not done, whatever readers do with
finished parts, and move 4 may be repeated at will. The copy of the next part begins while the moves after this copy
are still going on, but its journal is written when they are over.

The journal stays until END, so that numbers go on even when parts were taken away; it is removed with ``finished/``.

Locks are flocks on the folders themselves, which the kernel drops when a process dies: the aggregator holds the job's
folder, every open stream shares ``streaming/``, and END needs the latter alone. They need a local file system on Linux.
"""

from tolva.rollup.rollup import DEFAULT_MAX_BYTES, DEFAULT_MULTIPLIER, Progress, Rollup, roll_up
from tolva.rollup.stream import Stream

__all__ = [
    "DEFAULT_MAX_BYTES",
    "DEFAULT_MULTIPLIER",
    "Progress",
    "Rollup",
    "Stream",
    "roll_up",
]
