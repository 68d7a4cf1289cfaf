"""Where an export job's records come from, key by key.

A source is a pydantic model of its settings, with a ``kind`` and a way to ``open`` what fetches. The built-in ones are
``http``, ``table`` and ``claims``; other packages add theirs by an entry point of the group ``tolva.sources``, which is
named after the kind and leads to the model.
"""

from tolva.sources.contract import Answer, Failure, Fetched, Pace, Source, SourceSettings, TableVersion, Tools
from tolva.sources.registry import kinds, settings_of

__all__ = [
    "Answer",
    "Failure",
    "Fetched",
    "Pace",
    "Source",
    "SourceSettings",
    "TableVersion",
    "Tools",
    "kinds",
    "settings_of",
]
