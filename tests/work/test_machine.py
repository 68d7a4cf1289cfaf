"""What may be used of a machine, read from made-up trees of /proc and /sys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tolva.machine import Machine, machine, out_of_memory_kills

GIB = 2**30
MEMINFO = {"proc/meminfo": f"MemTotal:       {16 * 2**20} kB\nMemFree: 1 kB\n"}
POD = "kubepods/burstable/pod1/c1"


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {**MEMINFO, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


TREES: dict[str, tuple[dict[str, str], Machine]] = {
    "no groups": ({}, Machine(8, 16 * GIB)),
    "v2, no limits": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
        },
        Machine(8, 16 * GIB),
    ),
    "v2 in a container": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
        Machine(2, 2 * GIB),
    ),
    "v2, the limit is above": (
        {
            "proc/self/cgroup": "0::/user.slice/app.scope\n",
            "sys/fs/cgroup/user.slice/app.scope/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/memory.max": f"{3 * GIB}\n",
            "sys/fs/cgroup/user.slice/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/user.slice/app.scope/cpu.max": "max 100000\n",
        },
        Machine(4, 3 * GIB),
    ),
    "v2, the path is the host's": (
        {"proc/self/cgroup": f"0::/{POD}\n", "sys/fs/cgroup/memory.max": f"{GIB}\n"},
        Machine(8, GIB),
    ),
    "v1": (
        {
            "proc/self/cgroup": f"4:memory:/{POD}\n2:cpu,cpuacct:/{POD}\n1:name=systemd:/\n",
            f"sys/fs/cgroup/memory/{POD}/memory.limit_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"sys/fs/cgroup/cpu,cpuacct/{POD}/cpu.cfs_quota_us": "50000\n",
            f"sys/fs/cgroup/cpu,cpuacct/{POD}/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        Machine(1, GIB),
    ),
    "v1, the path is the host's": (
        {
            "proc/self/cgroup": f"4:memory:/{POD}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB // 2}\n",
        },
        Machine(8, GIB // 2),
    ),
    "both versions": (
        {
            "proc/self/cgroup": "9:name=systemd:/\n4:memory:/a/b\n0::/\n",
            "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": f"{5 * GIB}\n",
            "sys/fs/cgroup/unified/cpu.max": "200000 100000\n",
        },
        Machine(2, 5 * GIB),
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_the_tightest_limit_counts(tmp_path: Path, name: str) -> None:
    files, expected = TREES[name]
    assert machine(tree(tmp_path, files), affinity=8) == expected


def test_processors_that_the_process_may_not_run_on_do_not_count(tmp_path: Path) -> None:
    assert machine(tree(tmp_path, TREES["v2, the limit is above"][0]), affinity=3).processors == 3


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 0),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.events": "low 0\nmax 9\noom 3\noom_kill 2\n"}, 2),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n",
                "sys/fs/cgroup/memory/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
            },
            7,
        ),
    ],
)
def test_kills_for_want_of_memory_are_counted(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert out_of_memory_kills(tree(tmp_path, files)) == count


def test_this_machine_has_something() -> None:
    here = machine()
    assert here.processors >= 1
    assert here.memory_bytes > 2**28
