"""What a hostile program tries against what runs it comes to nothing: one attack class, one test.

The inner wall is alone here (``--sandbox=off``), and then with the outer one around it; both
as the user of the tests and as one without rights.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.attacks import USER, Ended, attack, program, user_namespaces
from tests.warm_python import PATHS

REFUSED = {
    "EPERM",
    "EACCES",
    "EROFS",
    "EBUSY",
    "EXDEV",
    "ENOENT",
    "ENOSYS",
    "EINVAL",
    "ESRCH",
    "EBADF",
    "ENOTTY",
}
WALLS = ["off", "auto"]


@pytest.fixture(scope="module")
def walls() -> Path:
    return program("walls")


def tries(ended: Ended) -> dict[str, str]:
    """What each attempt came to; a name that was tried several times has its best result."""
    assert ended.complaints == []
    found: dict[str, str] = {}
    for line in ended.out.splitlines():
        name, _, result = line.partition(": ")
        if found.get(name) != "done":
            found[name] = result
    return found


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modes and contents below *folder*."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): (path.stat().st_mode, path.read_bytes()) for path in files}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A working directory with a virtual environment that runs us, as the README makes it."""
    folder = tmp_path / "project" / ".venv"
    python = [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(folder)]
    subprocess.run(python, check=True, capture_output=True)
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    return folder


OWN = ["pyvenv.cfg", "bin/python", "bin/tool", "lib/x.pth", "lib/sitecustomize.py"]


@pytest.mark.parametrize("wall", WALLS)
def test_the_environment_in_the_working_directory_stays_as_it_is(
    walls: Path, environment: Path, wall: str
) -> None:
    before = content(environment)
    python = [str(environment / "bin" / "python"), "-m", "uprobe_core.cli", "run", f"--sandbox={wall}"]
    done = subprocess.run(
        [*python, "--", str(walls), "own", *(f".venv/{name}" for name in OWN)],
        cwd=environment.parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*PATHS, *sys.path[1:]]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("write: ") == len(OWN)
    assert content(environment) == before
    assert environment.is_dir()


@pytest.mark.parametrize("wall", WALLS)
def test_the_runs_own_files_are_not_the_programs(walls: Path, tmp_path: Path, wall: str) -> None:
    (tmp_path / "out").mkdir()
    words = [f"--sandbox={wall}", "-o", "out/records", "--report", "out/report.json"]
    found = tries(attack(tmp_path, *words, "--", str(walls), "own", "out/records", "out/report.json"))
    assert {what for what, result in found.items() if result == "done"} <= {"plant beside"}
    assert (tmp_path / "out" / "report.json").read_text().startswith("{")


def test_what_python_would_import_from_the_working_directory_is_not_what_the_program_put_there(
    walls: Path, tmp_path: Path
) -> None:
    """Modules that exist are read-only; a new one takes the place of none."""
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    (tmp_path / "later.py").write_text("VALUE = 2\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, uprobe_core as up, helper\n"
        "with up.Session(sys.argv[1:]) as session:\n"
        "    session.run()\n"
        "    import later\n"
        "    try:\n        import moved\n"
        "    except ModuleNotFoundError:\n        print(later.VALUE, 'kept')\n"
    )
    before = content(tmp_path)
    done = subprocess.run(
        [sys.executable, str(script), str(walls), "own", "helper.py", "script.py", "later.py", "moved.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("2 kept\n")
    assert (tmp_path / "moved.py").exists()
    after = content(tmp_path)
    assert {path: after.get(path) for path in before} == before


@pytest.mark.parametrize("wall", WALLS)
def test_processes_of_the_host_are_out_of_reach(walls: Path, tmp_path: Path, wall: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        found = tries(attack(tmp_path, f"--sandbox={wall}", "--", str(walls), "processes", str(victim.pid)))
        assert victim.poll() is None
        victim.send_signal(signal.SIGKILL)
    assert set(found.values()) <= REFUSED


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody on the host who would accept connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("wall", WALLS)
def test_the_hosts_network_is_out_of_reach(
    walls: Path, tmp_path: Path, wall: str, listener: socket.socket
) -> None:
    before = sorted(name for _, name in socket.if_nameindex())
    with socket.socket(socket.AF_UNIX) as abstract:
        name = f"uprobe-test-{os.getpid()}-{wall}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        port = str(listener.getsockname()[1])
        found = tries(attack(tmp_path, f"--sandbox={wall}", "--", str(walls), "network", port, name))
    assert "done" not in found.values()
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert sorted(name for _, name in socket.if_nameindex()) == before


@pytest.mark.parametrize("wall", WALLS)
def test_the_machine_is_out_of_reach(walls: Path, tmp_path: Path, wall: str) -> None:
    found = tries(attack(tmp_path, f"--sandbox={wall}", "--", str(walls), "machine"))
    assert len(found) == 30
    assert set(found.values()) <= REFUSED


@pytest.mark.parametrize("wall", WALLS)
def test_no_descriptor_of_the_emulators_is_the_programs(walls: Path, tmp_path: Path, wall: str) -> None:
    found = tries(attack(tmp_path, f"--sandbox={wall}", "-o", "o", "--", str(walls), "descriptors"))
    assert found == {"open": "4 of 4", "more": "0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="what root's programs must not do")
def test_a_program_that_root_runs_has_what_everybody_has(walls: Path, tmp_path: Path) -> None:
    secret = tmp_path / "closed" / "secret"
    secret.parent.mkdir(0o700)
    secret.write_text("secret")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "given").write_text("given")
    (tmp_path / "work" / "given").chmod(0o600)
    paths = ["/etc/shadow", str(secret), "../closed/secret", "given", "/etc/passwd"]
    ended = attack(tmp_path / "work", "--sandbox=off", "--", str(walls), "reads", *paths)
    assert list(tries(ended).values())[3:] == ["done", "done"]
    assert set(list(tries(ended).values())[:3]) <= REFUSED
    assert tries(attack(tmp_path / "work", "--", str(walls), "setuid"))["bits"] == "0"


@pytest.mark.skipif(not user_namespaces(), reason="no user namespaces here")
@pytest.mark.parametrize("what", ["machine", "processes", "network"])
def test_it_is_the_same_for_a_user_without_rights(walls: Path, tmp_path: Path, what: str) -> None:
    ended = attack(tmp_path, "--", str(walls), what, "1", through=USER)
    assert ended.status == 0, ended.err
    found = set(tries(ended).values())
    assert found
    assert "done" not in found
