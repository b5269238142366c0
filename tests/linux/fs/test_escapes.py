"""A hostile program reaches nothing outside of what it was given."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linux.guests import build
from tests.linux.native import run_inside


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A file of the host, with a listening socket beside it and one in the abstract namespace."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    listeners = []
    for name in (f"{secret}.sock", "\0escapes-test"):
        listener = socket.socket(socket.AF_UNIX)
        listeners.append(listener)
        try:
            listener.bind(name)
        except OSError as error:  # this test of another process has the abstract one
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            listener.listen()
    yield secret
    for listener in listeners:
        listener.close()


@pytest.fixture
def attempts(outside: Path, tmp_path: Path) -> dict[str, str]:
    """What the program says of each of its attempts in a sysroot."""
    root = tmp_path / "root"
    (root / "work").mkdir(parents=True)
    program = build("escapes")
    (root / "escapes").write_bytes(program.read_bytes())
    (root / "escapes").chmod(0o755)
    said = run_inside(Path("/escapes"), tmp_path, str(outside), sysroot=root)
    return dict(line.split(": ", 1) for line in said.splitlines())


def test_no_path_leads_out_of_the_sysroot(attempts: dict[str, str]) -> None:
    assert "chroot and fchdir" in attempts
    assert {how: result for how, result in attempts.items() if result in ("ESCAPED", "other")} == {}


def test_nothing_of_the_host_is_changed_or_connected_to(attempts: dict[str, str]) -> None:
    assert "an abstract socket of the host" in attempts
    assert {how: result for how, result in attempts.items() if result == "ALLOWED"} == {}
    assert os.stat("/dev/null").st_mode & 0o777 == 0o666


def test_without_a_sysroot_only_the_working_folder_and_tmp_are_written(tmp_path: Path) -> None:
    program = build("writes")
    place = tmp_path / "place"
    place.mkdir()
    said = run_inside(program, place, str(tmp_path / "beside"), "inside", "/tmp/uprobe-escape-test", "/etc/x")
    assert said.splitlines() == ["Read-only file system", "ok", "ok", "Read-only file system"]
    assert (place / "inside").read_text() == "written"
    assert not (tmp_path / "beside").exists()
    assert not Path("/tmp/uprobe-escape-test").exists()
