"""How Arrow's allocator behaves in children. To be imported before Arrow, which reads this once, as it is loaded."""

from __future__ import annotations

import os

# It reserves a gigabyte at a time, which would count against the child's limit as if it were in use.
os.environ.setdefault("MIMALLOC_ARENA_EAGER_COMMIT", "0")
