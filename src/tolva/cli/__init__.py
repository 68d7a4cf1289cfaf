"""The command ``tolva``. Importing this costs nothing: child processes import it again when they start."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process."""
    import gc  # noqa: PLC0415 - see the module's first line
    import os  # noqa: PLC0415 - likewise

    # Numpy's linear algebra, which nobody needs here, would start threads in this process and in every child.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Importing makes next to no garbage, and looking for it is a tenth of the time. Long work turns it on again.
    gc.disable()

    from tolva.cli.app import run  # noqa: PLC0415 - likewise

    run()
