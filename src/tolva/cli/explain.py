"""``tolva explain``: how a job would be worked on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explain(
    document: Annotated[Path, typer.Argument(help="The job document (YAML or JSON).", metavar="JOB.yaml")],
    data: Annotated[Path, typer.Option(help="Folder that the document's files are in.", metavar="DIR")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Show the plan of a job document: stages, what each reads and leaves, what meets where and why.

    Example: tolva explain coffee/four_questions.yaml --data coffee
    """
    import json  # noqa: PLC0415 - keeps --help quick

    from tolva.jobs.documents import load  # noqa: PLC0415 - likewise
    from tolva.planner.explain import render  # noqa: PLC0415 - likewise

    plan = load(document).brief(data).prepare().plan
    typer.echo(json.dumps(plan.to_json(), indent=2) if as_json else render(plan))
