"""An S3 server of the tests' own (SeaweedFS). Credentials are made up for each."""

from __future__ import annotations

import json
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

from servers.process import LOOPBACK, Folder, Process, free_port

_BUCKET = "tolva"


@dataclass(frozen=True)
class Access:
    """What clients need, in the words of the environment that S3 programs share."""

    endpoint: str
    key_id: str
    secret: str

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
        }


class S3:
    """A running server with one bucket; ``address`` is where it listens."""

    def __init__(self, *, address: str = LOOPBACK) -> None:
        self._folder = Folder("s3")
        self._address = address
        self._ports = {
            name + kind: free_port() for name in ("master", "volume", "filer", "s3") for kind in (".port", ".port.grpc")
        }
        key_id, secret = secrets.token_hex(8), secrets.token_hex(16)
        self.access = Access(f"http://{address}:{self._ports['s3.port']}", key_id, secret)
        self.url = f"s3://{_BUCKET}"
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": key_id, "secretKey": secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self._folder.path / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self._process = self._started()

    def stop(self) -> None:
        """Be gone."""
        self._process.kill()

    def start(self) -> None:
        """Come back with what was on disk."""
        self._process = self._started()

    def pause(self) -> None:
        """Accept connections and answer nothing."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        self._process.signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._folder.remove()

    def _started(self) -> Process:
        folder = self._folder.path
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        words = [
            Path(sys.executable).with_name("weed"),
            "server",
            f"-dir={folder}",
            f"-ip={self._address}",
            f"-ip.bind={self._address}",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=0",
            "-filer",
            "-s3",
            f"-s3.config={folder / 's3.json'}",
            # Unasked they would listen on ports that are the same for every server on the machine.
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *ports,
        ]
        process = Process(words, folder / "log", cwd=folder)
        process.wait_until(self._ping)
        return process

    def _ping(self) -> None:
        access = self.access
        store = S3Store(
            _BUCKET,
            endpoint=access.endpoint,
            access_key_id=access.key_id,
            secret_access_key=access.secret,
            region="us-east-1",
            client_options={"allow_http": True, "timeout": "5s"},
            retry_config={"max_retries": 0},
        )
        obstore.put(store, "ready", b"")
