"""A PostgreSQL server of the tests' own. It refuses to be root, so it runs as the package's user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from servers.install import need
from servers.process import LOOPBACK, Folder, Process, free_port
from tolva.catalogs.postgresql import PostgresqlCatalog


class Postgresql:
    """A running server; each test has a database of its own, which is born with tolva's schema.

    Args:
        durable: sync what is committed. Tests kill processes, never the machine, so they do without.
        address: where it listens.
    """

    def __init__(self, *, durable: bool = False, address: str = LOOPBACK) -> None:
        self._programs = need("postgresql", "/usr/lib/postgresql/*/bin/postgres").parent
        self._folder = Folder("postgresql")
        self._data = self._folder.path / "data"
        self._data.mkdir()
        self._durable = durable
        self._port = free_port()
        self._address = address
        self.url = f"postgresql://tolva@{address}:{self._port}"
        self._as_user = _as_user(self._folder.path)
        words = ["--username=tolva", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D", self._data]
        subprocess.run([*self._as_user, self._programs / "initdb", *words], check=True, capture_output=True)
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {address}/24 trust\n")
        self._process = self._started()
        PostgresqlCatalog(f"{self.url}/template1").close()

    @staticmethod
    def database_of(url: str, name: str, template: str = "template1") -> str:
        """Return the URL of the database ``name`` of the server at ``url``; it is made if need be."""
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        names = sql.Identifier(f"test_{name}"), sql.Identifier(template)
        # Of several that make it at once, one is told that it is there already.
        there = suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateDatabase)
        with there, psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
            connection.execute(make.format(*names))
        return f"{url}/test_{name}"

    def database(self, name: str, template: str = "template1") -> str:
        """Return the URL of this server's database ``name``, which is made if need be."""
        return self.database_of(self.url, name, template)

    def drop_databases(self) -> None:
        """Remove what tests made, whoever is still connected."""
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'").fetchall()
            for (name,) in names:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Break off everything, as an immediate shutdown does."""
        self._process.signal(signal.SIGQUIT)
        self._process.wait(120)

    def start(self) -> None:
        """Come back, with recovery if need be."""
        self._process = self._started()

    def close(self) -> None:
        self._process.kill()
        self._folder.remove()

    def _started(self) -> Process:
        settings = {
            "port": self._port,
            "listen_addresses": self._address,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "64MB",
            "logging_collector": "off",
            "fsync": "on" if self._durable else "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        words = [*self._as_user, self._programs / "postgres", "-D", self._data, *options]
        process = Process(words, self._folder.path / "log")
        process.wait_until(lambda: psycopg.connect(f"{self.url}/postgres", connect_timeout=2).close())
        return process


def _as_user(folder: Path) -> list[str]:
    """Return the words that run a program as somebody who isn't root, and give that user the folder."""
    if os.geteuid():
        return []
    user = pwd.getpwnam("postgres")
    for path in (folder, folder / "data"):
        os.chown(path, user.pw_uid, user.pw_gid)
    return [shutil.which("setpriv") or "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
