"""``tolva explain``, as docs/planner.md shows it. TOLVA_WRITE_PLANS=1 writes the page's tree anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from program import Tolva

PAGE = Path(__file__).parents[2] / "docs" / "planner.md"
DOCUMENT = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
TREE = re.compile(r"(?<=```text\n).*?(?=```)", re.DOTALL)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The page's document, with data beside it."""
    orders = [f"{n},{n % 7},{n % 40}.50" for n in range(1000)]
    (tmp_path / "orders.csv").write_text("id,shop,amount\n" + "\n".join(orders) + "\n")
    (tmp_path / "shops.csv").write_text("shop,city\n" + "\n".join(f"{n},city {n % 3}" for n in range(7)) + "\n")
    path = tmp_path / "job.yaml"
    found = DOCUMENT.search(PAGE.read_text())
    assert found
    path.write_text(found[1])
    return path


def test_the_page_shows_what_explain_shows(tolva: Tolva, job: Path) -> None:
    done = tolva("explain", job, "--analyze", "--chunk", "4KB", "--workers", "2")
    assert done.returncode == 0, done.stderr
    text = PAGE.read_text()
    if os.environ.get("TOLVA_WRITE_PLANS"):
        text = TREE.sub(lambda _: done.stdout.strip() + "\n", text)
        PAGE.write_text(text)
    shown = TREE.search(text)
    assert shown
    assert _timeless(done.stdout) == _timeless(shown[0])


def test_tools_get_the_same(tolva: Tolva, job: Path) -> None:
    plan = json.loads(tolva("explain", job, "--json", "--analyze").stdout)
    stages = {stage["name"] for stage in plan["stages"]}
    assert plan["measured"].keys() == stages
    assert plan["measured"]["scan_orders"]["records_read"] == 1000
    assert all(found["skew"] >= 1 for found in plan["measured"].values())
    assert "measured" not in json.loads(tolva("explain", job, "--json").stdout)


def _timeless(tree: str) -> str:
    return re.sub(r"\d+\.\d+ s, skew \d+\.\d+", "some time", tree).strip()
