"""``python -m MODULE ...``, ``-c CODE`` and ``SCRIPT`` without the time that importing takes.

One process per test worker has imported all of uprobe; a command is a fork of
it that runs what is said as an interpreter would, with streams, working
directory and environment of its own; folders of plugins are put in front of its
import path.  Where it matters how a process starts (an interpreter's environment,
imports, hash seed), a test gives an environment that says so, and the
interpreter is really started.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

__all__ = ("PATHS", "ROOT", "python")

ROOT = Path(__file__).resolve().parent.parent
PATHS = [str(ROOT / folder) for folder in (".", "backends", "decoders", "plugins")]
_ROOMS = ("uprobe_core", "uprobe_linux", "uprobe_unicorn", "uprobe_arm64", "uprobe_capstone")
_MESSAGE = 1 << 18
_EACH_RUN = {"PYTHONPATH", "UPROBE_ENGINE", "UPROBE_IMPORT_SECONDS", "UPROBE_LOAD_PLUGINS"}
"""Variables that have no effect before a command runs, if the folders of the first are put in front."""


def python(
    *words: str,
    stdin: str = "",
    cwd: Path | str = ROOT,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """What ``python WORDS...`` does, its output as text; bytes that are not UTF-8 are surrogates.

    :param words: ``-m MODULE ARG...``, ``-c CODE ARG...`` or ``SCRIPT ARG...``, which find our packages
    :param env: the environment, if it is another than the test's
    :raises subprocess.TimeoutExpired: after *timeout* seconds; the process was killed
    """
    asked = os.environ if env is None else env
    if _startup_environment(asked) == _server().environment:
        try:
            return _server().run(words, stdin, str(cwd), timeout, asked)
        except BaseException:  # as the end of a test's time is: answers may be left that nobody has read
            _server.cache_clear()
            raise
    return subprocess.run(
        [sys.executable, *words],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        cwd=cwd,
        env=_with_our_packages(asked),
        timeout=timeout,
        check=False,
    )


def _with_our_packages(env: Mapping[str, str]) -> dict[str, str]:
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, [env.get("PYTHONPATH"), *PATHS]))}


def _startup_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What of the environment may have an effect before a command runs."""
    return {n: v for n, v in env.items() if n.startswith(("PYTHON", "UPROBE")) and n not in _EACH_RUN}


# --- the worker's side --------------------------------------------------------------------------------


class _Server:
    """The process that forks, and the socket to it."""

    def __init__(self) -> None:
        self.environment = _startup_environment(os.environ)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,  # pipes, as the children have: Python treats files otherwise
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env=_with_our_packages(os.environ),
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._process.communicate()

    def run(
        self, words: Sequence[str], stdin: str, cwd: str, timeout: float, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Let a child run *words* in *cwd*."""
        request = json.dumps({"words": words, "cwd": cwd, "env": dict(env)})
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        socket.send_fds(self._socket, [request.encode()], theirs)
        for fd in theirs:
            os.close(fd)
        child = int(self._socket.recv(32))
        threading.Thread(target=_feed, args=(pipes[0][1], stdin.encode("utf-8", "surrogateescape"))).start()
        out = None
        try:
            out = _collect([pipes[1][0], pipes[2][0]], time.monotonic() + timeout)
        finally:
            if out is None:
                os.kill(child, signal.SIGKILL)
        status = int(self._socket.recv(32))
        if out is None:
            raise subprocess.TimeoutExpired([*words], timeout)
        texts = (data.decode("utf-8", "surrogateescape") for data in out)
        return subprocess.CompletedProcess([*words], status, *texts)


@lru_cache
def _server() -> _Server:
    return _Server()


def _feed(fd: int, data: bytes) -> None:
    """Write *data* to a pipe whose reader may go away."""
    try:
        with open(fd, "wb") as pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


def _collect(fds: list[int], deadline: float) -> list[bytes] | None:
    """All that comes from the pipes *fds*, which are closed; None if it goes on after the *deadline*."""
    found = {fd: bytearray() for fd in fds}
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                data = os.read(key.fd, 1 << 16)
                found[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
        done = not selector.get_map()
    for fd in fds:
        os.close(fd)
    return [bytes(data) for data in found.values()] if done else None


# --- the side of the process that forks ---------------------------------------------------------------


def _serve(channel: socket.socket) -> None:
    """Fork a child for each request; answers with its pid and, once it has ended, its exit status."""
    for room in _ROOMS:
        _import_all(room)
    while True:
        message, fds, _flags, _address = socket.recv_fds(channel, _MESSAGE, 3)
        if not message:
            return
        child = os.fork()
        if child == 0:
            channel.close()
            _become(json.loads(message), fds)
        for fd in fds:
            os.close(fd)
        channel.send(str(child).encode())
        channel.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _import_all(package: str) -> None:
    """Import *package* with all its modules but those that are for tests."""
    module = importlib.import_module(package)
    for found in pkgutil.iter_modules(module.__path__, f"{package}."):
        if found.name.endswith((".__main__", ".testing")):
            continue
        if found.ispkg:
            _import_all(found.name)
        else:
            importlib.import_module(found.name)


def _become(request: dict[str, object], fds: list[int]) -> None:
    """Be the command of *request*; does not return."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [folder for folder in folders if folder and folder not in sys.path]
    status = _run(list(request["words"]))  # type: ignore[call-overload]
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter does at its end
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 120
    os._exit(status)


def _run(words: list[str]) -> int:
    """Run a module or a script as ``__main__``; returns the exit status."""
    option = words.pop(0) if words[0] in ("-c", "-m") else None
    sys.argv = words if option is None else [option, *words[1:]]
    sys.path[0] = os.path.dirname(os.path.abspath(words[0])) if option is None else os.getcwd()
    try:
        if option == "-m":
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        elif option == "-c":
            exec(words[0], {"__name__": "__main__"})
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
