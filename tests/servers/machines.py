"""Several machines on this one: network namespaces, each wired to a switch for each service.

A service listens at an address of its switch, which only these machines can reach. A wire that is pulled out of its
switch loses every packet between a machine and a service without a word to either: no carrier goes down, no route and
no neighbour is missing. All that is made has random digits in its name, and is removed by that name.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from servers.install import need

_NETWORK = "198.18"
"""Set aside for trying out networks: nobody's on the internet (RFC 2544)."""

_PROBE = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


@dataclass(frozen=True)
class _Switch:
    """A bridge, which is a host of its own network, too: number 1."""

    name: str
    network: int

    def address(self, host: int = 1) -> str:
        return f"{_NETWORK}.{self.network}.{host}"

    def mac(self, host: int = 1) -> str:
        return f"02:00:00:00:{self.network:02x}:{host:02x}"


@dataclass(frozen=True)
class Machine:
    """A namespace. ``on``: the words that run a program there."""

    name: str
    on: tuple[str, ...]
    wires: dict[str, str]


class Machines:
    """Switches for ``services``, and the machines that are wired to all of them.

    The test is skipped, with the reason, where that can't be had.
    """

    def __init__(self, services: Sequence[str]) -> None:
        if os.geteuid():
            pytest.skip("NOT TESTED: only root can make network namespaces")
        self._ip = str(need("iproute2", "/usr/sbin/ip"))
        self._name = f"tolva{secrets.token_hex(2)}"
        self._hosts = 1
        with ExitStack() as made:
            try:
                networks = self._free_networks(len(services))
                self._switches = {
                    service: _Switch(f"{self._name}{n}", network)
                    for n, (service, network) in enumerate(zip(services, networks, strict=True))
                }
                for switch in self._switches.values():
                    self._add_switch(switch, made)
                self._try_out(made)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"NOT TESTED: no networks can be made here: {error.stderr.strip()}")
            self._made = made.pop_all()

    def address(self, service: str) -> str:
        """Return where the service is to listen."""
        return self._switches[service].address()

    def machine(self) -> Machine:
        """Add a machine, which stays until all are removed."""
        return self._add_machine(self._made)

    def cut(self, machine: Machine, service: str) -> None:
        """Lose all packets between the two from now on."""
        self._run("link", "set", machine.wires[service], "nomaster")

    def mend(self, machine: Machine, service: str) -> None:
        """Let packets through again."""
        self._run("link", "set", machine.wires[service], "master", self._switches[service].name)

    def close(self) -> None:
        """Remove everything."""
        self._made.close()

    def _run(self, *words: str) -> str:
        return subprocess.run([self._ip, *words], check=True, capture_output=True, text=True).stdout

    def _free_networks(self, count: int) -> list[int]:
        used = self._run("-oneline", "address", "show")
        free = [network for network in range(256) if f" {_NETWORK}.{network}." not in used]
        return secrets.SystemRandom().sample(free, count)

    def _add_switch(self, switch: _Switch, made: ExitStack) -> None:
        self._run("link", "add", switch.name, "address", switch.mac(), "type", "bridge")
        made.callback(self._run, "link", "delete", switch.name)
        self._run("address", "add", f"{switch.address()}/24", "dev", switch.name)
        self._run("link", "set", switch.name, "up")

    def _add_machine(self, made: ExitStack) -> Machine:
        self._hosts += 1
        host, name = self._hosts, f"{self._name}-{self._hosts}"
        self._run("netns", "add", name)
        made.callback(self._run, "netns", "delete", name)
        self._run("-netns", name, "link", "set", "lo", "up")
        wires = {}
        for number, (service, switch) in enumerate(self._switches.items()):
            wires[service] = wire = f"{switch.name}w{host}"
            inside = f"eth{number}"
            self._run("link", "add", wire, "type", "veth", "peer", "name", inside, "netns", name)
            made.callback(self._run, "link", "delete", wire)
            self._run("link", "set", wire, "master", switch.name, "up")
            self._run("-netns", name, "link", "set", inside, "address", switch.mac(host), "up")
            self._run("-netns", name, "address", "add", f"{switch.address(host)}/24", "dev", inside)
            # Both know each other for ever: to ask in vain for a neighbour is an error, which would tell of the cut.
            known = (switch.address(host), "lladdr", switch.mac(host), "dev", switch.name, "nud", "permanent")
            self._run("neighbour", "add", *known)
            known = (switch.address(), "lladdr", switch.mac(), "dev", inside, "nud", "permanent")
            self._run("-netns", name, "neighbour", "add", *known)
        # Not "ip netns exec": it would hide the control groups.
        return Machine(name, ("nsenter", f"--net=/run/netns/{name}"), wires)

    def _try_out(self, made: ExitStack) -> None:
        """Fail where a firewall is in the way."""
        machine = self._add_machine(made)
        for service in self._switches:
            with socket.create_server((self.address(service), 0)) as server:
                address = map(str, server.getsockname())
                words = [*machine.on, sys.executable, "-c", _PROBE, *address]
                subprocess.run(words, check=True, capture_output=True, text=True)
