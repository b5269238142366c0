"""Debug files from a debuginfod server on this machine: fetched once, and believed only if they fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.debuginfo.test_lines import offsets, split
from uprobe_core.errors import SpecError
from uprobe_core.image.elf_symbols import ElfImage


class Server(HTTPServer):
    """Answers for one build."""

    def __init__(self, identity: str, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.path, self.content, self.asked = f"/buildid/{identity}/debuginfo", content, 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        found = self.path == self.server.path
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(self.server.content if found else b"")

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def stripped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, bytes]:
    """A program without symbols, and its debug file, which is not there any more."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program, name = split(tmp_path)
    debug = tmp_path / "debug" / name
    content = debug.read_bytes()
    debug.unlink()
    return program, content


@pytest.fixture
def server(stripped: tuple[Path, bytes]) -> Iterator[Server]:
    with ElfImage(stripped[0]) as image:
        found = Server(image.build_id, stripped[1])
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_a_server_is_asked_once(stripped: tuple[Path, bytes], server: Server) -> None:
    assert len(offsets(stripped[0], "work", address(server))) == 1
    assert len(offsets(stripped[0], "markers.c:28", address(server))) == 1
    assert server.asked == 1


def test_what_does_not_fit_is_refused(stripped: tuple[Path, bytes], server: Server) -> None:
    server.content = Path(stripped[0]).read_bytes().replace(bytes.fromhex(build(stripped[0])), b"\1" * 20)
    with pytest.raises(SpecError, match="is not the debug information of build"):
        offsets(stripped[0], "work", address(server))


def test_a_server_that_has_nothing_is_no_error(stripped: tuple[Path, bytes], server: Server) -> None:
    server.path = "/nothing"
    with pytest.raises(SpecError, match="symbol 'work' is not in"):
        offsets(stripped[0], "work", address(server))
    assert server.asked


def build(program: Path) -> str:
    with ElfImage(program) as image:
        return image.build_id
