"""Which tests run one after the other in one test process: those that share what is costly to start.

All that can be told from a test's name is enough here: a test in the wrong group still passes, with servers of its own.
"""

from __future__ import annotations

import re

_SERVERS = {
    "chaos": re.compile(r"tests/chaos/"),
    "fleet": re.compile(
        r"tests/cluster/|/test_s3_parts\.py|::test_messages_come_again_after|[\[-](s3|celery on rabbitmq)[\]-]"
    ),
    "database": re.compile(r"/test_catalog_(postgresql|news)\.py|[\[-]postgresql[\]-]"),
}
"""Tests that ask for servers, by what group they are in."""

_ALONE = re.compile(
    r"_kills\.py::test_killed_at_random|/test_ingest_kills\.py|/test_kill_and_resume\.py|/test_hundred_queries\.py|"
    r"/test_fuzz\.py|::test_a_killed_server|/test_docs\.py::test_examples"
)
"""Tests that take long and share nothing with those beside them: each is a group by itself."""


def group_of(nodeid: str) -> str:
    """Return the group: of those that need servers, a single test, or else the test's file."""
    for name, pattern in _SERVERS.items():
        if pattern.search(nodeid):
            return name
    return nodeid if _ALONE.search(nodeid) else nodeid.partition("::")[0]


def rank_of(nodeid: str) -> int:
    """Return 0 for the groups that come first because they take longest, then 1 and 2."""
    group = group_of(nodeid)
    return 0 if group in _SERVERS else 1 if group == nodeid else 2
