"""Loaded by the fork server: it and its children don't hear SIGTERM.

Service managers and terminals send it to every process of a group. The parent alone decides what it means; if the
others ended by it, running tasks would be lost where they should be finished or handed back.
"""

import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
