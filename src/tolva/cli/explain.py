"""``tolva explain``: how a job would be worked on, and with ``--analyze`` how it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options

if TYPE_CHECKING:
    from tolva.config import Settings
    from tolva.model import StageMeasures
    from tolva.plan import Plan


def explain(
    document: Annotated[Path, typer.Argument(help="The job document (YAML or JSON).", metavar="JOB.yaml")],
    data: Annotated[Path, typer.Option(help="Folder that the document's files are in.", metavar="DIR")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
    analyze: Annotated[bool, typer.Option("--analyze", help="Run the job, and say what each stage took.")] = False,
    state: options.State = None,
    workers: options.Workers = None,
    chunk: options.ChunkSize = options.CHUNK,
    memory: options.Memory = options.MEMORY,
    task_seconds: options.TaskSeconds = None,
    lease_seconds: options.LeaseSeconds = options.LEASE_SECONDS,
) -> None:
    """Show the plan of a job document: stages, what each reads and leaves, what meets where and why.

    Example: tolva explain coffee/four_questions.yaml --data coffee
    """
    import json  # noqa: PLC0415 - keeps --help quick

    measured: dict[str, StageMeasures] | None = None
    if analyze:
        settings = options.settings(state, workers, chunk, memory, task_seconds, lease_seconds)
        plan, measured = _run(settings, document, data)
    else:
        from tolva.jobs.documents import load  # noqa: PLC0415 - likewise

        plan = load(document).brief(data).prepare().plan
    from tolva.planner.explain import render, to_json  # noqa: PLC0415 - likewise

    typer.echo(json.dumps(to_json(plan, measured), indent=2) if as_json else render(plan, measured or {}))


def _run(settings: Settings, document: Path, data: Path) -> tuple[Plan, dict[str, StageMeasures]]:
    """Run the job, throw its results away, and return what the catalog knows of its stages."""
    import tempfile  # noqa: PLC0415 - only --analyze needs any of these

    from tolva.cli.house import runner  # noqa: PLC0415 - likewise
    from tolva.config import connect  # noqa: PLC0415 - likewise
    from tolva.plan import Plan  # noqa: PLC0415 - likewise

    with tempfile.TemporaryDirectory(prefix="tolva-") as output, runner(settings) as job_run:
        from tolva.jobs.documents import load  # noqa: PLC0415 - while the children get ready

        finished = job_run.execute(load(document), data, Path(output), resume=False, report=lambda _: None)
    catalog = connect(settings).catalog
    try:
        measured = {found.name: found for found in catalog.measures(finished.job.id)}
    finally:
        catalog.close()
    return Plan.from_json(finished.job.plan or {}), measured
