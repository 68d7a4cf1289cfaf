"""A RabbitMQ server of the tests' own: its node name, folders, ports and port mapper are nobody else's."""

from __future__ import annotations

import os
import shutil

import kombu

from servers.install import need
from servers.process import LOOPBACK, Folder, Process, free_port

_CONFIG = """
listeners.tcp.local = {address}:{port}
loopback_users = none
log.file.level = warning
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
"""


class Rabbitmq:
    """A running broker at ``url``; ``address`` is where it listens."""

    def __init__(self, *, address: str = LOOPBACK) -> None:
        self._program = need("rabbitmq-server", "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
        self._folder = Folder("rabbitmq")
        self._port = free_port()
        self._mapper_port = free_port()
        self._nodes_port = free_port()
        self.url = f"amqp://guest:guest@{address}:{self._port}//"
        (self._folder.path / "rabbitmq.conf").write_text(_CONFIG.format(address=address, port=self._port))
        (self._folder.path / "plugins").write_text("[].")
        mapper = need("erlang-base", "/usr/lib/erlang/erts-*/bin/epmd")
        words = [mapper, "-address", "127.0.0.1", "-port", str(self._mapper_port)]
        self._mapper = Process(words, self._folder.path / "epmd.log")
        try:
            self._process = self._started()
        except BaseException:
            self._mapper.kill()
            self._folder.remove()
            raise

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()

    def start(self) -> None:
        """Come back with what was on disk."""
        self._process = self._started()

    def wipe(self) -> None:
        """Forget everything; only while it doesn't run."""
        shutil.rmtree(self._folder.path / "data", ignore_errors=True)

    def close(self) -> None:
        self._process.kill()
        self._mapper.kill()
        self._folder.remove()

    def _started(self) -> Process:
        folder = self._folder.path
        own = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"tolva{self._port}@localhost",
            "RABBITMQ_DIST_PORT": self._nodes_port,
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_MNESIA_BASE": folder / "data",
            "RABBITMQ_LOG_BASE": folder / "logs",
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_EPMD_PORT": self._mapper_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
        process = Process([self._program], folder / "log", env=environment)
        process.wait_until(self._ping)
        return process

    def _ping(self) -> None:
        with kombu.Connection(self.url, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
            # A node that still recovers its queues takes connections already.
            connection.SimpleQueue("ready", queue_opts={"durable": False, "auto_delete": True}).close()
