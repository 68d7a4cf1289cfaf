"""Loaded by the fork server before all others: importing makes next to no garbage, and looking for it takes time."""

import gc

gc.disable()
