"""Processors and memory that a process may use, in containers of both kinds of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from cinemill.config.fields import default_concurrency
from cinemill.machine import ROOT, Capacity, read_capacity, usable_cpus, usable_memory_bytes
from cinemill.media.ffmpeg.limits import (
    LARGEST_COMMAND_BYTES,
    SMALLEST_COMMAND_BYTES,
    choose_command_bytes,
    find_overload,
)

MIB, GIB = 2**20, 2**30
UNLIMITED = "9223372036854771712"
UNIFIED = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
BASE = {
    "proc/meminfo": "MemTotal:       65536000 kB\nMemFree:         1000 kB\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed:\tffff\nCpus_allowed_list:\t0-15\n",
    "sys/devices/system/cpu/online": "0-15\n",
}
MACHINE = Capacity(16, 65_536_000 * 1024)


def read(folder: Path, files: Mapping[str, str]) -> Capacity:
    for name, content in {**BASE, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return read_capacity(folder)


def unified(path: str, files: Mapping[str, str], mount: str = UNIFIED) -> dict[str, str]:
    placed = {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    return {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": f"{mount}\n", **placed}


def version_1(path: str, files: Mapping[str, str], mounted: str = "/") -> dict[str, str]:
    kinds = ["cpu,cpuacct", "cpuset", "memory"]
    placed = {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    return {
        "proc/self/cgroup": "".join(f"{n}:{kind}:{path}\n" for n, kind in enumerate(kinds))
        + f"1:name=systemd:{path}\n0::/\n",
        "proc/self/mountinfo": "".join(
            f"3{n} 31 0:3{n} {mounted} /sys/fs/cgroup/{kind} ro,nosuid - cgroup cgroup rw,{kind}\n"
            for n, kind in enumerate(kinds)
        ),
        **placed,
    }


def test_machine_without_control_groups(tmp_path: Path) -> None:
    assert read(tmp_path, {}) == MACHINE
    assert "16 CPUs, 62.5 GiB" in MACHINE.describe()


@pytest.mark.parametrize(
    ("files", "cpus", "memory_bytes"),
    [
        ({"cpu.max": "max 100000", "memory.max": "max"}, 16, None),
        ({"cpu.max": "200000 100000", "memory.max": "2147483648"}, 2, 2 * GIB),
        ({"cpu.max": "150000 100000"}, 2, None),
        ({"cpu.max": "10000 100000"}, 1, None),
        ({"cpu.max": "25000 50000"}, 1, None),
        ({"cpu.max": "3200000 100000"}, 16, None),
        ({"cpu.max": "200000"}, 16, None),
        ({"cpu.max": "", "memory.max": ""}, 16, None),
        ({"cpu.max": "many 0", "memory.max": "lots"}, 16, None),
        ({"cpu.max": "100000 0", "memory.max": "0"}, 16, None),
        ({"memory.high": "1073741824", "memory.max": "2147483648"}, 16, GIB),
        ({"memory.high": "max", "memory.max": "1073741824"}, 16, GIB),
        ({"memory.max": "999999999999999"}, 16, None),
        ({"cpuset.cpus.effective": "0-2,8"}, 4, None),
        ({"cpuset.cpus.effective": "0-2,8", "cpu.max": "200000 100000"}, 2, None),
        ({"cpuset.cpus.effective": ""}, 16, None),
        ({"cpuset.cpus.effective": "40-41"}, 16, None),
    ],
)
def test_container_of_version_2(
    tmp_path: Path, files: dict[str, str], cpus: int, memory_bytes: int | None
) -> None:
    """With a namespace of its own, a container's group is the root that it sees."""
    found = read(tmp_path, unified("/", {name: f"{text}\n" for name, text in files.items()}))
    assert found.cpus == cpus
    assert found.memory_limit_bytes == memory_bytes
    assert found.memory_bytes == (memory_bytes or MACHINE.memory_bytes)


def test_tightest_limit_of_nested_groups_counts(tmp_path: Path) -> None:
    """A service in a slice, or a container in a pod: each may have a limit."""
    found = read(
        tmp_path,
        unified(
            "/kubepods.slice/pod1.slice/cri-1.scope",
            {
                "kubepods.slice/cpu.max": "800000 100000\n",
                "kubepods.slice/memory.max": "8589934592\n",
                "kubepods.slice/pod1.slice/cpu.max": "300000 100000\n",
                "kubepods.slice/pod1.slice/memory.max": "1073741824\n",
                "kubepods.slice/pod1.slice/memory.current": "536870912\n",
                "kubepods.slice/pod1.slice/memory.stat": "anon 1\ninactive_file 104857600\n",
                "kubepods.slice/pod1.slice/cri-1.scope/cpu.max": "max 100000\n",
                "kubepods.slice/pod1.slice/cri-1.scope/memory.max": "max\n",
            },
        ),
    )
    assert found == Capacity(3, GIB, 3.0, GIB, 412 * MIB)
    assert found.describe() == "3 CPUs, 1.0 GiB (limits of the container: 3 CPUs, 1.0 GiB)"


@pytest.mark.parametrize("path", ["/../../elsewhere", "/system.slice/not-visible-here", "/a b"])
def test_group_that_cannot_be_seen_leaves_those_above(tmp_path: Path, path: str) -> None:
    assert read(tmp_path, unified(path, {"cpu.max": "100000 100000\n"})).cpus == 1


def test_mount_of_one_group_only(tmp_path: Path) -> None:
    """What is mounted at the place is a group itself, whose name is no part of paths below."""
    mount = UNIFIED.replace(" / /sys/fs/cgroup ", " /docker/ab /sys/fs/cgroup\\040x ")
    files = {
        "proc/self/cgroup": "0::/docker/ab/inner\n",
        "proc/self/mountinfo": f"{mount}\n",
        "sys/fs/cgroup x/cpu.max": "400000 100000\n",
        "sys/fs/cgroup x/inner/memory.max": f"{GIB}\n",
    }
    found = read(tmp_path, files)
    assert (found.cpus, found.memory_bytes) == (4, GIB)
    files["proc/self/cgroup"] = "0::/docker/abc\n"
    assert read(tmp_path, files).cpus == 4


@pytest.mark.parametrize("mounted", ["/", "/docker/ab"])
def test_container_of_version_1(tmp_path: Path, mounted: str) -> None:
    place = "docker/ab/" if mounted == "/" else ""
    found = read(
        tmp_path,
        version_1(
            "/docker/ab",
            {
                f"cpu,cpuacct/{place}cpu.cfs_quota_us": "250000\n",
                f"cpu,cpuacct/{place}cpu.cfs_period_us": "100000\n",
                f"cpuset/{place}cpuset.cpus": "0-7\n",
                f"memory/{place}memory.limit_in_bytes": f"{3 * GIB}\n",
                f"memory/{place}memory.usage_in_bytes": f"{GIB}\n",
                f"memory/{place}memory.stat": f"cache 5\ntotal_inactive_file {GIB // 2}\n",
            },
            mounted,
        ),
    )
    assert found == Capacity(3, 3 * GIB, 2.5, 3 * GIB, GIB // 2)


def test_version_1_without_limits(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": f"{UNLIMITED}\n",
        "memory/memory.stat": f"hierarchical_memory_limit {UNLIMITED}\n",
    }
    assert read(tmp_path, version_1("/", files)) == MACHINE


def test_version_1_knows_limits_of_groups_above_that_are_not_mounted(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": f"{UNLIMITED}\n",
        "memory/memory.stat": f"hierarchical_memory_limit {2 * GIB}\n",
        "cpuset/cpuset.effective_cpus": "3\n",
    }
    found = read(tmp_path, version_1("/pod/one", files, "/pod/one"))
    assert (found.cpus, found.memory_bytes) == (1, 2 * GIB)


def test_both_versions_at_once(tmp_path: Path) -> None:
    """systemd's hybrid form: version 2 is there, without the controllers of version 1."""
    files = version_1("/", {"cpu,cpuacct/cpu.cfs_quota_us": "100000\n"})
    files["sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us"] = "100000\n"
    files["proc/self/mountinfo"] += UNIFIED.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ")
    assert read(tmp_path, files).cpus == 1


def test_affinity_counts_without_a_container(tmp_path: Path) -> None:
    status = {"proc/self/status": "Name:\tx: y\nCpus_allowed_list:\t0,4-5\n"}
    assert read(tmp_path, status).cpus == 3


def test_this_machine() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
    assert usable_cpus(Path("/nowhere")) == len(os.sched_getaffinity(0))
    assert 0 < usable_memory_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 1 <= default_concurrency() <= min(4, usable_cpus())


@contextmanager
def make_group(controller: str, limits: Mapping[str, str]) -> Iterator[Path]:
    """Create a control group below the root of a controller of version 1 or 2."""
    old = ROOT / "sys/fs/cgroup" / controller
    base = old if old.is_dir() else ROOT / "sys/fs/cgroup"
    group = base / f"cinemill-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        known = {name: text for name, text in limits.items() if (group / name).exists()}
        if not known:
            pytest.skip(f"control groups have no controller {controller} here")
        for name, text in known.items():
            (group / name).write_text(text)
        yield group
    finally:
        group.rmdir()


PRINT = "from cinemill.machine import read_capacity as r; c = r(); print(c.cpus, c.memory_bytes)"


@pytest.mark.parametrize(
    ("controller", "limits", "place", "wanted"),
    [
        ("cpu", {"cpu.max": "50000 100000", "cpu.cfs_quota_us": "50000"}, 0, 1),
        (
            "memory",
            {"memory.max": str(256 * MIB), "memory.limit_in_bytes": str(256 * MIB)},
            1,
            256 * MIB,
        ),
    ],
)
def test_real_control_group(
    controller: str, limits: Mapping[str, str], place: int, wanted: int
) -> None:
    with make_group(controller, limits) as group:
        enter = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')\n"
        done = subprocess.run(
            [sys.executable, "-c", enter + PRINT], capture_output=True, text=True, check=False
        )
        if "OSError" in done.stderr:
            pytest.skip("a process cannot be moved to another control group here")
    assert int(done.stdout.split()[place]) == wanted


@pytest.mark.parametrize(
    ("machine_bytes", "slots", "each_bytes"),
    [
        (64 * GIB, 4, LARGEST_COMMAND_BYTES),
        (8 * GIB, 4, 3 * GIB // 2),
        (8 * GIB, 1, LARGEST_COMMAND_BYTES),
        (2 * GIB, 2, 3 * GIB // 4),
        (GIB, 4, SMALLEST_COMMAND_BYTES),
        (GIB, 0, 3 * GIB // 4),
    ],
)
def test_memory_of_a_command_follows_from_the_machine_and_its_slots(
    machine_bytes: int, slots: int, each_bytes: int
) -> None:
    assert choose_command_bytes(machine_bytes, slots) == each_bytes


def test_doctor_says_when_the_slots_need_more_than_there_is() -> None:
    assert find_overload(2 * GIB, 4) == ""
    assert "4 tasks at a time need 2.0 GiB" in find_overload(GIB, 4)
