"""The session protocol: one WebSocket for uploads, progress and results of many jobs. docs/protocol.md has the rules.

Every step may be repeated, so a client that lost its connection says everything again on a new one, and nothing is
sent twice: ``connection`` reads messages, ``uploads`` takes files in, ``results`` pushes what is done.
"""

from tolva.gateway.session.route import Sessions, router

__all__ = ["Sessions", "router"]
