"""The examples in the documentation do what they say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Tolva

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]

_BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_examples(page: str, tolva: Tolva, tmp_path: Path) -> None:
    for block in _BLOCK.finditer((ROOT / page).read_text()):
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"])
        if block["kind"] == "console" and block["text"].startswith("$ tolva"):
            for command, expected in _commands(block["text"]):
                done = tolva(*command[1:])
                # 3: done, with rejects.
                assert done.returncode in {0, 3}, done.stderr
                assert not expected or done.stdout == expected


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target


def test_every_option_is_documented(tolva: Tolva) -> None:
    page = (ROOT / "docs/job-document.md").read_text()
    for command in ("run", "sql", "demo", "explain"):
        shown = tolva(command, "--help").stdout
        for option in set(re.findall(r"--[a-z-]+", shown)) - {"--help", "--quiet", "--output", "--table"}:
            assert option in page, option


def _commands(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield each command of a console block, as words, and what it should print."""
    for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = piece.partition("\n")
        words = shlex.split(command)
        assert words[0] == "tolva"
        yield words, output
