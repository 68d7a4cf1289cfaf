"""The client-file demo: a bank's daily file of clients with the dirt that comes with it, and the job that loads it."""

from importlib import resources


def document() -> str:
    """Return the job document that loads the file, as YAML."""
    return resources.files(__name__).joinpath("clients.yaml").read_text(encoding="utf-8")
