"""Which file a socket was bound to: what stat says of that file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from uprobe_linux.net.bound_inode import bound_inode

from tests.sandbox.attacks import program
from tests.warm_python import PATHS

WITHOUT_BIRTHS = """
from uprobe_linux.syscalls import socket_addresses
socket_addresses._STATX_BTIME = 0
from uprobe_core.cli.process import command
command()
"""


@pytest.fixture
def known(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(tmp_path / "probe"))
        if bound_inode(probe.fileno()) is None:
            pytest.skip("the host's kernel does not tell (CONFIG_UNIX_DIAG)")


@pytest.mark.usefixtures("known")
def test_it_is_the_file_and_stays_it_when_the_name_is_anothers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound, socket.socket(socket.AF_UNIX) as other:
        bound.bind(str(tmp_path / "name"))
        there = os.stat(tmp_path / "name")
        device = os.major(there.st_dev) << 20 | os.minor(there.st_dev)
        assert bound_inode(bound.fileno()) == (device, there.st_ino & 0xFFFF_FFFF)
        other.bind(str(tmp_path / "other"))
        os.replace(tmp_path / "other", tmp_path / "name")
        assert bound_inode(bound.fileno()) == (device, there.st_ino & 0xFFFF_FFFF)


def test_a_socket_without_a_file_has_none() -> None:
    with socket.socket(socket.AF_UNIX) as nameless:
        assert bound_inode(nameless.fileno()) is None


@pytest.mark.usefixtures("known")
def test_where_files_have_no_time_of_birth_only_the_runs_own_sockets_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as somebody:
        somebody.bind(str(tmp_path / "hosts"))
        somebody.listen()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                WITHOUT_BIRTHS,
                "run",
                "--",
                str(program("reach")),
                "swapped",
                "hosts",
                "mine",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines() == ["own: done", "moved: Connection refused", "own again: done"], (
        done.stderr
    )
