"""The memory limit of the embedded Valkey."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.local.servers.valkey import ValkeyServer, choose_memory_bytes, render_conf

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("machine", "chosen"),
    [(512 * MIB, 256 * MIB), (1024 * MIB, 256 * MIB), (8192 * MIB, 2048 * MIB)],
)
def test_valkey_memory_limit_is_a_quarter_of_the_machines(machine: int, chosen: int) -> None:
    assert choose_memory_bytes(machine) == chosen


def test_full_valkey_refuses_writes_and_evicts_nothing(tmp_path: Path) -> None:
    conf = render_conf(ValkeyServer(tmp_path, 6379, "secret", tmp_path / "valkey-server"))
    lines = dict(line.split(" ", 1) for line in conf.splitlines())
    assert lines["maxmemory-policy"] == "noeviction"
    assert int(lines["maxmemory"]) >= 256 * MIB
