"""``tolva serve``: the job server, one process to start."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tolva.cli import options
from tolva.errors import UsageError

if TYPE_CHECKING:
    from tolva.catalog import Catalog
    from tolva.jobs.documents import JobDocument

_GRACE_SECONDS = 10.0


def serve(
    host: Annotated[str, typer.Option(envvar="TOLVA_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="TOLVA_PORT", min=0, max=65535, help="Port; 0: a free one.")] = 8080,
    data: Annotated[
        Path | None,
        typer.Option(envvar="TOLVA_DATA", help="Folder that administrators' jobs may name files of.", metavar="DIR"),
    ] = None,
    require_keys: Annotated[
        bool, typer.Option("--require-keys", envvar="TOLVA_REQUIRE_KEYS", help="Ask for keys on loopback, too.")
    ] = False,
    process: Annotated[
        Path | None,
        typer.Option(envvar="TOLVA_PROCESS", help="Job document for POST /process.", metavar="JOB.yaml"),
    ] = None,
    state: options.State = None,
    workers: options.Workers = None,
    chunk: options.ChunkSize = options.CHUNK,
    memory: options.Memory = options.MEMORY,
    task_seconds: options.TaskSeconds = 600.0,
    lease_seconds: options.LeaseSeconds = options.LEASE_SECONDS,
    max_file_bytes: Annotated[
        str,
        typer.Option(
            envvar="TOLVA_MAX_FILE_BYTES",
            help="Largest file a client may send.",
            metavar="SIZE",
        ),
    ] = "1024GB",
    max_job_bytes: Annotated[
        str,
        typer.Option(envvar="TOLVA_MAX_JOB_BYTES", help="All files of a job together.", metavar="SIZE"),
    ] = "1024GB",
    max_client_bytes: Annotated[
        str,
        typer.Option(
            envvar="TOLVA_MAX_CLIENT_BYTES",
            help="All files of a client's unfinished jobs.",
            metavar="SIZE",
        ),
    ] = "1024GB",
    max_job_files: Annotated[int, typer.Option(envvar="TOLVA_MAX_JOB_FILES", help="Files of a job.", min=1)] = 10_000,
    max_client_jobs: Annotated[
        int,
        typer.Option(envvar="TOLVA_MAX_CLIENT_JOBS", help="Unfinished jobs of a client.", min=1),
    ] = 1000,
    max_connections: Annotated[
        int, typer.Option(envvar="TOLVA_MAX_CONNECTIONS", help="Connections at once.", min=1)
    ] = 1000,
    max_client_connections: Annotated[
        int,
        typer.Option(envvar="TOLVA_MAX_CLIENT_CONNECTIONS", help="Those from one address.", min=1),
    ] = 500,
) -> None:
    """Serve jobs over HTTP, with workers of its own.

    On a loopback address no key is needed; any other asks for keys (see tolva keys).
    Example: tolva serve --port 8080 --state /var/lib/tolva
    """
    from tolva.catalog import Limits  # noqa: PLC0415 - keeps --help quick
    from tolva.cli.house import look_for_garbage  # noqa: PLC0415 - likewise
    from tolva.cli.serving import service  # noqa: PLC0415 - likewise
    from tolva.gateway import logs, server  # noqa: PLC0415 - likewise
    from tolva.gateway.access import Doors  # noqa: PLC0415 - likewise
    from tolva.gateway.app import make_app  # noqa: PLC0415 - likewise

    if data is not None and not data.is_dir():
        raise UsageError(f"The data folder {data} isn't there. Make it, or give another with --data.")
    logs.configure()
    limits = Limits(
        live_jobs_per_client=max_client_jobs,
        files_per_job=max_job_files,
        upload_bytes_per_file=options.size(max_file_bytes),
        upload_bytes_per_job=options.size(max_job_bytes),
        upload_bytes_per_client=options.size(max_client_bytes),
    )
    settings = replace(options.settings(state, workers, chunk, memory, task_seconds, lease_seconds), limits=limits)
    address = server.Address(host, port, max_connections=max_connections, max_client_connections=max_client_connections)
    keys_needed = require_keys or not _is_loopback(host)
    with service(settings, data=data, grace_seconds=_GRACE_SECONDS) as (jobs, catalog):
        if keys_needed:
            _check_keys(catalog, host)
        app = make_app(
            jobs, Doors(catalog, keys_needed=keys_needed), process_document=_to_send(process) if process else None
        )
        look_for_garbage()
        server.run(app, address, lambda url: typer.echo(f"tolva serves on {url}", err=True))


def _to_send(path: Path) -> JobDocument:
    from tolva.jobs.documents import load  # noqa: PLC0415 - keeps --help quick

    document = load(path).to_send()[0]
    if len(document.uploads()) != 1:
        raise UsageError(f"{path} takes files for {len(document.uploads())} tables; POST /process sends just one.")
    return document


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_keys(catalog: Catalog, host: str) -> None:
    if not any(key.revoked_at is None for key in catalog.all_keys()):
        raise UsageError(
            f"Nobody could use the server on {host}: there is no key yet. Make one with `tolva keys add CLIENT`, "
            "or listen on 127.0.0.1, where none is needed."
        )
