"""The outer wall: what a consumer can do that somebody has taken over, as if the inner one were broken."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, installed, uprobe

SOURCE = """
import ctypes, json, os, socket, subprocess

libc = ctypes.CDLL(None, use_errno=True)

def tried(attempt):
    try:
        result = attempt()
    except OSError as error:
        return type(error).__name__
    return "refused" if result == -1 else "done"

class Sink:
    name = "taken"

    def __init__(self, out):
        self.out, self.found = out, None

    def handler(self, hit):
        if self.found is None:
            parent = os.getppid()
            self.found = {
                "write": tried(lambda: open("/etc/taken", "w")),
                "write elsewhere": tried(lambda: open(os.path.join(self.out, "..", "elsewhere"), "w")),
                "change a mode": tried(lambda: os.chmod("/etc/passwd", 0o644)),
                "own package": tried(lambda: open(os.__file__, "a")),
                "kill": tried(lambda: os.kill(parent, 0)),
                "environment": tried(lambda: open(f"/proc/{parent}/environ").read()),
                "execute": tried(lambda: subprocess.run(["/bin/true"])),
                "ptrace": tried(lambda: libc.ptrace(16, parent, 0, 0)),
                "unshare": tried(lambda: libc.unshare(0x20000)),
                "mount": tried(lambda: libc.mount(b"x", b"/", None, 0x20, None)),
                "packets": tried(lambda: socket.socket(17, socket.SOCK_RAW)),
                "connect": tried(lambda: socket.create_connection(("127.0.0.1", PORT), 1)),
                "identity": tried(lambda: os.setuid(1)),
            }
            open(os.path.join(self.out, "given"), "w").close()

class Plugin:
    name = "third"
    allowed = {"out": "a folder"}

    def __init__(self, options):
        self.out = options["out"]

    def attach(self, event, session):
        self.sink = Sink(self.out)
        return self.sink

    def report(self):
        with open(os.path.join(self.out, "found"), "w") as file:
            json.dump(self.sink.found, file)
"""


def test_nothing_is_left_but_what_was_given(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = SOURCE.replace("PORT", str(server.getsockname()[1]))
        (tmp_path / "plugin").mkdir()
        env = installed(tmp_path / "plugin", "uprobe.consumers", "taken:Plugin", source)
        words = ["--sandbox=require", "-o", str(given / "out"), "-C", f"third:out={given}"]
        done = uprobe("run", *words, "-e", "p:w ./loop:work", "--", "./loop", "2", cwd=EXAMPLES, env=env)
    if done.returncode == 125 and "not all of the sandbox" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    found = json.loads((given / "found").read_text())
    assert [name for name, result in found.items() if result == "done"] == []
    assert sorted(path.name for path in given.iterdir()) == ["found", "given", "out"]
