"""What a hostile program tries to get hold of: descriptors, programs, rights, processes, sockets of the host.

Each as the user of the tests and as one without rights, with the outer wall and without.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.attacks import REQUIRED, USER, attack, program, user_namespaces, walled
from tests.sandbox.denied import denied

without_rights = pytest.param(
    "off",
    USER,
    id="off-user",
    marks=pytest.mark.skipif(not user_namespaces(), reason="no user namespaces here"),
)
everywhere = pytest.mark.parametrize(
    ("wall", "through"),
    [pytest.param("off", (), id="off"), pytest.param("auto", (), id="auto"), without_rights, *REQUIRED],
)
without_namespaces = pytest.mark.parametrize(
    ("wall", "through"),
    [
        *everywhere.args[1][:3],
        pytest.param("auto", denied(errno.EPERM), id="denied"),
        pytest.param("auto", (*USER, *denied(errno.ENOSPC)), id="denied-user", marks=without_rights.marks),
    ],
)


def lines(folder: Path, wall: str, through: tuple[str, ...], *words: str) -> list[tuple[str, str]]:
    """What came of each try of ``reach WORDS``, in order."""
    ended = attack(folder, f"--sandbox={wall}", "--", str(program("reach")), *words, through=through)
    assert (walled(ended).status, ended.complaints) == (0, []), ended
    return [(what, result) for what, _, result in (line.partition(": ") for line in ended.out.splitlines())]


def done(found: list[tuple[str, str]]) -> set[str]:
    """What succeeded."""
    return {what for what, result in found if result == "done"}


@everywhere
def test_no_descriptor_but_its_own_travels_or_arrives(
    tmp_path: Path, wall: str, through: tuple[str, ...]
) -> None:
    found = dict(lines(tmp_path, wall, through, "rights"))
    assert found["sent"] == "0"
    assert found["pidfds"] == "0"
    assert found["peer"] == "own"
    assert done(list(found.items())) <= {"write"}
    assert {"getfd", "getfd of another", "passpidfd", "peerpidfd"} & done(list(found.items())) == set()
    assert found["/proc/self/exe"] == str(program("reach"))
    assert found["/proc/self/maps"].startswith("/memfd:virtual")
    assert found["/proc/self/mem"].startswith("/memfd:virtual")


@everywhere
def test_children_and_programs_inherit_what_the_program_had_and_nothing_else(
    tmp_path: Path, wall: str, through: tuple[str, ...]
) -> None:
    """Numbers shown in /proc, open by fcntl, readable, and duplicated, of 4096."""
    found = dict(lines(tmp_path, wall, through, "inherited"))
    assert found["at first"] == "3 3 0 3"
    assert found["in a child"] == "5 5 2 5"
    assert found["after exec"] == "3 3 0 3"
    assert found["after closing all"] == "3 3 0 3"
    assert (tmp_path / "made").exists()


@everywhere
def test_what_it_executes_from_memory_or_as_a_copy_is_a_program_in_the_same_walls(
    tmp_path: Path, wall: str, through: tuple[str, ...]
) -> None:
    found = lines(tmp_path, wall, through, "programs")
    assert ("exe", "ELF 183") in found
    ran = [
        ("memfd", "status 0"),
        ("memfd by name", "status 0"),
        ("copied", "status 0"),
        ("nameless", "status 0"),
    ]
    assert [row for row in found if row[1] == "status 0"] == ran
    assert done(found) == set()


def privileged(folder: Path) -> list[str]:
    """Files below *folder* that give rights to who executes them."""
    return [
        str(path)
        for path in folder.rglob("*")
        if (path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(path.lstat().st_mode))
        or [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("user.")]
    ]


@everywhere
def test_no_file_gives_rights_and_none_of_the_hosts_own_is_there(
    tmp_path: Path, wall: str, through: tuple[str, ...]
) -> None:
    found = lines(tmp_path, wall, through, "files")
    assert done(found) <= {"oom", "tty", "ptmx"}  # the run's own: tests/linux/ptys
    assert len(found) == 35
    if os.geteuid() == 0 and not through:
        assert ("bits in a folder", "0") in found
        assert privileged(tmp_path) == []


@without_namespaces
def test_a_process_of_the_host_notices_nothing(tmp_path: Path, wall: str, through: tuple[str, ...]) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as victim:
        before = (os.sched_getaffinity(victim.pid), os.getpriority(os.PRIO_PROCESS, victim.pid))
        found = lines(tmp_path, wall, through, "others", str(victim.pid))
        after = (os.sched_getaffinity(victim.pid), os.getpriority(os.PRIO_PROCESS, victim.pid))
        assert victim.poll() is None
        victim.kill()
    assert after == before
    assert done(found) <= {"own group", "io priority"}


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[tuple[int, list[str]]]:
    """A server of the host's in the program's folder and at a port, and whom it has heard."""
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX) as local, socket.create_server(("127.0.0.1", 0)) as tcp:
        local.bind(str(tmp_path / "hosts"))
        os.chmod(tmp_path / "hosts", 0o777)
        local.listen()

        def serve() -> None:
            while True:
                try:
                    peer, _ = local.accept()
                except OSError:
                    return
                heard.append("local")
                socket.send_fds(peer, [b"x"], [0])
                peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        tcp.setblocking(False)
        yield tcp.getsockname()[1], heard
        try:
            tcp.accept()
            heard.append("tcp")
        except BlockingIOError:
            pass
        local.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert heard == []


@without_namespaces
def test_no_socket_of_the_host_answers(
    tmp_path: Path, wall: str, through: tuple[str, ...], somebody: tuple[int, list[str]]
) -> None:
    found = lines(tmp_path, wall, through, "sockets", str(somebody[0]), "hosts")
    assert done(found) == set()
    assert {what for what, _ in found if what.startswith("netlink")} <= {
        f"netlink {n}" for n in (0, 4, 15, 16)
    }
    assert 0 < int(dict(found)["sockets"]) <= 12


def test_a_socket_of_the_run_answers_and_one_of_the_host_in_its_place_does_not(
    tmp_path: Path, somebody: tuple[int, list[str]]
) -> None:
    """Moved over the program's own one, too."""
    found = lines(tmp_path, "off", (), "swapped", "hosts", "mine")
    assert found == [("own", "done"), ("moved", "Connection refused"), ("own again", "done")]
