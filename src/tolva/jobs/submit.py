"""From a job document to a job in the catalog: find the files, make the plan, record both."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from tolva.catalog import Catalog
from tolva.formats import InputTable, resolve
from tolva.jobs.document import JobDocument, to_json
from tolva.model import Job, NewJob
from tolva.plan import Plan
from tolva.planner import Query, TableInfo, plan


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document whose files were found and whose queries were planned; nothing is recorded yet."""

    document: JobDocument
    tables: tuple[InputTable, ...]
    plan: Plan


def prepare(document: JobDocument, base: Path) -> Prepared:
    """Find the files (relative to ``base``), learn their columns and plan the queries.

    Raises InputError for files, QueryError for SQL, DocumentError for declared columns that can't be.
    """
    tables = tuple(resolve(name, spec, base) for name, spec in document.tables.items())
    infos = {table.name: TableInfo(table.columns, sum(file.bytes for file in table.files)) for table in tables}
    queries = {name: Query(query.sql, query.format) for name, query in document.queries.items()}
    made = replace(
        plan(queries, infos),
        tables={table.name: table.columns for table in tables},
        max_part_bytes=document.output.max_part_bytes,
    )
    return Prepared(document, tables, made)


def submit(catalog: Catalog, prepared: Prepared, *, client: str, digest: str) -> Job:
    """Record the job with its plan and its files."""
    document = prepared.document
    job_id = secrets.token_hex(8)
    catalog.create_job(NewJob(job_id, client, document.kind, to_json(document), digest, document.labels))
    catalog.add_files(job_id, [file for table in prepared.tables for file in table.files])
    catalog.set_plan(job_id, prepared.plan)
    return catalog.job(job_id)


def digest_of(document: JobDocument, *places: Path) -> str:
    """Return what two runs have in common exactly when one may take up the other: document, data and output."""
    facts = [to_json(document), *(str(place.resolve()) for place in places)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
