"""What docs/export.md says of export jobs is true."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import command
import pytest
import yaml
from export_kit import lines

from tolva.export.example import generate
from tolva.export.pace import no_pace
from tolva.jobs.documents import validate
from tolva.jobs.documents.export import ExportDocument
from tolva.sources import Tools

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
EXPORT = PAGE[: PAGE.index("## Roll-up:")]


def test_the_document_is_the_one_that_is_generated(tmp_path: Path) -> None:
    generate(tmp_path, rows=85, seed=0)
    shown = re.search(r"```yaml\n(kind: export.*?)```", EXPORT, re.DOTALL)
    assert shown is not None
    assert yaml.safe_load(shown[1]) == yaml.safe_load((tmp_path / "claims.yaml").read_text())
    assert len(set((tmp_path / "beneficiaries.txt").read_text().split())) == 85


def test_the_error_line_is_one_that_comes(tmp_path: Path) -> None:
    generate(tmp_path, rows=85, seed=0)
    code, _, err = command.run("run", "claims.yaml", cwd=tmp_path)
    assert code == 3, err
    shown = re.search(r"```json\n(.*?)```", EXPORT, re.DOTALL)
    assert shown is not None
    assert shown[1] in (tmp_path / "results" / "Z9000_0001_error.ndjson").read_text()


def test_every_key_is_documented() -> None:
    told = set(re.findall(r"^\| `([a-z_.]+)`", EXPORT, re.MULTILINE))
    assert {"kind", "labels", "output"} | {name.split(".")[0] for name in told} == set(ExportDocument.model_fields)


def test_the_http_source_is_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.search(r"```yaml\n(source:.*?)```", EXPORT, re.DOTALL)
    assert shown is not None
    document: Any = validate({"kind": "export", "keys": ["a"], **yaml.safe_load(shown[1])}, "docs")
    monkeypatch.setenv("TOLVA_SOURCE_HOSTS", "claims.example.org,10.0.0.7:8080")
    monkeypatch.setenv("TOLVA_SOURCE_AUTH_CLAIMS", "Bearer x")
    document.source.open(Tools(no_pace))._client.close()


def test_the_plug_in_works_as_it_stands(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", EXPORT, re.DOTALL)
    assert example is not None
    package = tmp_path / "squares-1.0.dist-info"
    package.mkdir()
    (tmp_path / "squares.py").write_text(example[1])
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: squares\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[tolva.sources]\nsquares = squares:SquaresSettings\n")
    (tmp_path / "job.yaml").write_text("kind: export\nkeys: [7, 11]\nsource: {kind: squares, largest: 10}\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    code, out, err = command.run("run", "job.yaml", cwd=tmp_path, PYTHONPATH=path)
    assert (code, out.split()) == (3, ["results/export_0001.ndjson", "results/export_0001_error.ndjson"]), err
    assert lines([tmp_path / "results" / "export_0001.ndjson"]) == [{"key": 7, "square": 49}]
    assert lines([tmp_path / "results" / "export_0001_error.ndjson"])[0]["code"] == "too_large"
