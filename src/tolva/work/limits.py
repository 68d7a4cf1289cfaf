"""What a child process may use of the machine, held by the kernel: no code inside the child can go past it.

The limit on memory is on data (``RLIMIT_DATA``: what may be written to and is private), not on addresses. Input files
and partials are mapped for reading, whole, and cost no memory; a limit on addresses would have to be as large as the
largest file. Arrow's allocator would count with a gigabyte it only reserves; ``tolva.work.allocator`` stops it.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
from dataclasses import dataclass
from pathlib import Path

MARGIN_BYTES = 256 * 2**20
"""What a child needs beside the memory of its tasks: engine, reader and one chunk in pieces."""

_FILES_MAX = 2**16
"""A task that reads what thousands of others left maps as many files, each of which counts as open."""

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_AF_UNIX = 1
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # the latter: the call fails with EPERM
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_OTHER_CALLS = 0x40000000
"""From here on come the calls of another interface, x32, with numbers of their own."""


@dataclass(frozen=True, slots=True)
class _Calls:
    """A processor's number of itself, and of the system calls that matter."""

    architecture: int
    seccomp: int
    socket: int
    execve: int
    execveat: int
    ptrace: int
    io_uring_setup: int = 425


_CALLS = {
    "x86_64": _Calls(0xC000003E, seccomp=317, socket=41, execve=59, execveat=322, ptrace=101),
    "aarch64": _Calls(0xC00000B7, seccomp=277, socket=198, execve=221, execveat=281, ptrace=117),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use.

    Args:
        memory_bytes: for tasks; ``MARGIN_BYTES`` and what the process has already come on top.
        file_bytes: the largest file that it may write.
    """

    memory_bytes: int
    file_bytes: int

    def apply(self) -> None:
        """Hold this process to the limits from now on; they can't be lifted again."""
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_NOFILE, _FILES_MAX)
        _lower(resource.RLIMIT_FSIZE, self.file_bytes)
        _lower(resource.RLIMIT_DATA, data_bytes() + self.memory_bytes + MARGIN_BYTES)
        _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        refuse_calls(network=True)


def data_bytes() -> int:
    """Return the memory of this process that counts against ``RLIMIT_DATA``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def refuse_calls(*, network: bool) -> bool:
    """Let no thread of this process run a program; without ``network``, none open any but local sockets either.

    Returns whether the system permits such a filter; where it doesn't, nothing changes.
    """
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return False
    program = _filter(calls, network=network)
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    called = _libc().syscall(calls.seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, head)
    return bool(called == 0)


def _filter(calls: _Calls, *, network: bool) -> bytes:
    """Return a filter in the kernel's classic BPF.

    A line is an operation, its operand, and where to go on if it is true and if not: ``next`` or one of the last two.
    """
    lines = [
        (_LOAD, _ARCHITECTURE, "next", "next"),
        (_IF_EQUAL, calls.architecture, "next", "refuse"),
        (_LOAD, _NUMBER, "next", "next"),
        (_IF_AT_LEAST, _OTHER_CALLS, "refuse", "next"),
    ]
    forbidden = (calls.execve, calls.execveat, calls.ptrace, calls.io_uring_setup)
    lines += [(_IF_EQUAL, number, "refuse", "next") for number in forbidden]
    if not network:
        lines += [
            (_IF_EQUAL, calls.socket, "next", "allow"),
            (_LOAD, _FIRST_ARGUMENT, "next", "next"),
            (_IF_EQUAL, _AF_UNIX, "allow", "refuse"),
        ]
    lines += [(_RETURN, _ALLOW, "next", "next"), (_RETURN, _REFUSE, "next", "next")]
    program = b""
    for here, (operation, operand, if_true, if_false) in enumerate(lines):
        # Jumps say how many lines they skip.
        skips = {"next": 0, "allow": len(lines) - here - 3, "refuse": len(lines) - here - 2}
        program += struct.pack("HBBI", operation, skips[if_true], skips[if_false], operand)
    return program


def _lower(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, limit))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
