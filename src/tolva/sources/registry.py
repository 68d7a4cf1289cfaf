"""Which sources there are: the built-in ones, and those that installed packages bring."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tolva.sources.contract import SourceSettings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

_GROUP = "tolva.sources"
_BUILT_IN = {
    "claims": "tolva.sources.claims:ClaimsSettings",
    "http": "tolva.sources.http:HttpSettings",
    "table": "tolva.sources.table:TableSettings",
}


def kinds() -> list[str]:
    """Return the kinds of sources there are."""
    return sorted({*_BUILT_IN, *_plug_ins().names})


def settings_of(value: dict[str, Any]) -> SourceSettings:
    """Check what was said of a source.

    Raises:
        LookupError: there is no such kind; the message lists those there are.
        pydantic.ValidationError: its settings can't be.
    """
    kind = value.get("kind")
    if kind in _BUILT_IN:
        module, _, name = _BUILT_IN[kind].partition(":")
        model = getattr(import_module(module), name)
    else:
        found = _plug_ins().select(name=str(kind))
        if not found:
            raise LookupError(f"there is no source {kind!r}; write one of {', '.join(kinds())}")
        model = next(iter(found)).load()
    settings: SourceSettings = model.model_validate(value)
    return settings


def _plug_ins() -> EntryPoints:
    from importlib.metadata import entry_points  # noqa: PLC0415 - looks through all installed packages

    return entry_points(group=_GROUP)
