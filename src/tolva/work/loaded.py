"""Loaded by the fork server after all others: what is there by now is no garbage, and is never looked through again.

To look through an object writes to it, so every child would soon have a copy of its own of what it shares with others.
"""

import atexit
import gc

gc.freeze()
gc.enable()
# At the end everything has to go: DuckDB prints a page about what it finds left.
atexit.register(gc.unfreeze)
