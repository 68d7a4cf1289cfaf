"""The server stops in bounded time, whatever is going on, and goes on there when it is started again."""

from __future__ import annotations

from pathlib import Path

from server_kit import HEADER, Server, question, rows


def test_sigterm_with_open_streams_and_running_work(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        with server.client() as api:
            job = api.submit(question("SELECT count(*) AS n FROM t, range(3000) x, range(3000) y WHERE a = 1"))
            api.put_file(job, "t/x.csv", HEADER + rows(0, 10))
            api.start_job(job)
            open_job = api.submit(question())
            with api.stream("GET", f"/api/v1/jobs/{open_job}/events") as stream:
                next(stream.iter_lines())
                assert server.stop() == 0
        server.close()
        server.start()
        with server.client() as api:
            api.wait(job)
            assert api.answer(job) == "n\n9000000\n"
            assert api.job(open_job)["status"] == "pending"
    finally:
        server.close()
