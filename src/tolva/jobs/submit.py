"""From a prepared job document to a job in the catalog."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection
from pathlib import Path

from tolva.catalog import Catalog
from tolva.jobs.documents import JobDocument, to_json
from tolva.jobs.prepare import Prepared
from tolva.model import Hint, Job, NewJob


def submit(catalog: Catalog, document: JobDocument, prepared: Prepared, *, client: str, digest: str) -> Job:
    """Record the job with its files and its plan."""
    job_id = secrets.token_hex(8)
    catalog.create_job(NewJob(job_id, client, document.kind, to_json(document), digest, document.labels))
    record(catalog, job_id, prepared)
    return catalog.job(job_id)


def record(catalog: Catalog, job_id: str, prepared: Prepared, *, uploaded: Collection[str] = frozenset()) -> list[Hint]:
    """Record what preparing a job found, and last its plan: a job that has its plan has everything.

    The files of ``uploaded`` tables record themselves as they come; where there are none, and no other files to cut,
    that is all of the job's input. May be interrupted and repeated.
    """
    for load in prepared.loads:
        catalog.begin_load(job_id, load)
    # Small tables first: those that are sent to all tasks are often small, and many tasks may wait for them.
    scanned = {stage.table for stage in prepared.plan.stages}.difference(uploaded)
    own = [given for given in prepared.tables if given.name in scanned]
    own.sort(key=lambda given: sum(file.bytes for file in given.files))
    files = [file for given in own for file in given.files]
    if files:
        catalog.add_files(job_id, files)
    uses = {table.id: table.version for table in prepared.uses}
    return catalog.set_plan(job_id, prepared.plan, uses=uses, ended=not files and not uploaded)


def digest_of(document: JobDocument, *places: Path) -> str:
    """Return what two runs have in common exactly when one may take up the other: document, data and output."""
    facts = [to_json(document), *(str(place.resolve()) for place in places)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
