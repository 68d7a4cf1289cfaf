"""The coffee-shop demo: a generator of its data, and the job document of its four questions.

``generate.generate`` writes the data; ``four_questions()`` gives the job document. numpy is imported by the
generator only, so that importing this package costs nothing.
"""

from importlib.resources import files


def four_questions() -> str:
    """Return the job document of the four questions, as YAML text."""
    return files(__name__).joinpath("four_questions.yaml").read_text(encoding="utf-8")
