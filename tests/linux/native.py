"""Programs that are built twice, for the guest and for the host: the host's kernel says what is right."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.linux.guests import HERE, TIMEOUT
from tests.programs import GUEST_TARGET, _build, _zig_version, zig_flags
from tests.warm_python import python

__all__ = ("agrees_with_the_host", "both", "in_private_root", "run_inside")

_TRIES, _SOON = 3, 20
_HOST = {"x86_64": "x86_64-linux-musl", "aarch64": GUEST_TARGET}


def both(name: str) -> tuple[Path, Path]:
    """``programs/NAME.c`` as (program for the host, program for the guest), both static."""
    target = _HOST.get(platform.machine())
    if target is None:
        pytest.skip(f"no reference: the programs are not built for a {platform.machine()} host")
    return _compiled(name, target), _compiled(name, GUEST_TARGET)


def _compiled(name: str, target: str) -> Path:
    source = HERE / "programs" / f"{name}.c"
    command = [sys.executable, "-m", "ziglang", "cc", *zig_flags(target), "-g0", "-w", str(source)]
    return _build(command, [source], f"{name}-{target.split('-')[0]}", _zig_version())


_IN_GUEST = """
import os, sys
from tests.linux.run_guest import Nobody
from uprobe_core.backend import Target
from uprobe_unicorn import UnicornBackend
target = Target(argv=sys.argv[3:], sysroot=sys.argv[1] or None, cwd=sys.argv[2] or None, env={"A": "1"})
machine = UnicornBackend().open(target, Nobody())
status = machine.run().shell_status
machine.close()
os._exit(status)
"""


def run_inside(program: Path, folder: Path, *argv: str, sysroot: Path | None = None) -> str:
    """Standard output of *program* as a guest that works in *folder* (or at "/" of *sysroot*)."""
    words = [str(sysroot or ""), "/" if sysroot else "", str(program), *argv]
    done = python("-c", _IN_GUEST, *words, cwd=folder, timeout=TIMEOUT)
    assert not done.stderr, done.stderr
    return done.stdout


def agrees_with_the_host(name: str, folder: Path) -> None:
    """Assert that ``programs/NAME.c`` prints the same under the host's kernel and as a guest.

    The host is asked up to three times: where its processors are busy, the moment that a process gives
    another one may be over too soon, and then the program says, or waits for, something else.
    """
    host, guest = both(name)
    (folder / "guest").mkdir()
    found = run_inside(guest, folder / "guest").splitlines()
    for number in range(_TRIES):
        place = folder / f"host{number}"
        place.mkdir()
        expected = _on_the_host(host, place)
        if expected == found:
            return
    assert found == expected


def _on_the_host(program: Path, folder: Path) -> list[str]:
    """What it prints there; a shell's background jobs ignore SIGINT, which is none of its business."""
    try:
        done = subprocess.run(
            ["env", "--default-signal", program],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=_SOON,
        )
    except subprocess.TimeoutExpired:
        return ["it hung"]
    return done.stdout.splitlines()


def in_private_root(program: Path, folder: Path, *argv: str, proc: bool = False) -> str:
    """Standard output of a host program that may do harm.

    It is alone in *folder* as its root, in namespaces of its own, with a /proc if it needs *proc*.
    """
    inside = folder / program.name
    inside.write_bytes(program.read_bytes())
    inside.chmod(0o755)
    command = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--fork"]
    if proc:
        (folder / "proc").mkdir()
        command += ["sh", "-c", f'mount -t proc proc {folder}/proc && exec "$@"', "sh"]
    done = subprocess.run(
        [*command, "chroot", str(folder), f"/{program.name}", *argv],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        pytest.skip(f"no reference: unshare and chroot are not allowed here ({done.stderr.strip()})")
    return done.stdout
