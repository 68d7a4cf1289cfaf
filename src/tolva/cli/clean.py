"""``tolva clean``: delete stored files that nobody may want any more."""

from __future__ import annotations

from typing import Annotated

import typer

from tolva.cli import options

_DAY = 24 * 3600.0


def clean(
    days: Annotated[
        float, typer.Option(min=0, help="Keep files of finished and abandoned jobs for so many days.")
    ] = 7.0,
    retrieved_days: Annotated[
        float, typer.Option(min=0, help="Keep results that were fetched for so many days.")
    ] = 1.0,
    state: options.State = None,
) -> None:
    """Delete the stored files of jobs whose time is over; their records stay.

    So go the results of finished jobs, what killed and never resumed runs left behind, and files that no job knows.
    A server does the same by itself, every minute. Prints the id of each job whose files are gone.
    Example: tolva clean --days 0
    """
    from tolva.catalog import Kept  # noqa: PLC0415 - keeps --help quick
    from tolva.config import connect  # noqa: PLC0415 - likewise
    from tolva.jobs.cleaner import Cleaner  # noqa: PLC0415 - likewise

    backends = connect(options.settings(state, None))
    try:
        kept = Kept(retrieved_seconds=retrieved_days * _DAY, final_seconds=days * _DAY, abandoned_seconds=days * _DAY)
        cleaner = Cleaner(backends, kept, settle_seconds=0.0)
        for job_id in [*cleaner.clean(), *cleaner.clean_orphans()]:
            typer.echo(job_id)
    finally:
        backends.catalog.close()
