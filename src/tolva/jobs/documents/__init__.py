"""The job document: what a client writes to say what is wanted. The command line, HTTP and Python take the same one.

Each kind of job has a model in a file of its own; ``reading`` turns text and JSON values into one of them.
"""

from tolva.jobs.documents.common import JobDocument
from tolva.jobs.documents.reading import load, parse, to_json, validate

__all__ = ["JobDocument", "load", "parse", "to_json", "validate"]
