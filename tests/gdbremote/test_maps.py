"""The kernel's list of mappings, read through a stub's files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.maps import FileMap, MapWatcher, read_maps
from uprobe_gdbremote.packets import escaped

from tests.gdbremote.stub import Stub
from uprobe_core.errors import BackendError

WithFiles = Callable[[bytes], tuple[Client, Stub]]
MAPS = b"""\
00400000-00401000 r-xp 00000000 00:02 9                                  /root/a program
10000000-10001000 r-xs 00001000 00:02 9                                  /root/}#$*
fffff7ff8000-fffff7ffc000 r--p 00000000 00:00 0                          [vvar]
fffffffdf000-1000000000000 rw-p 00000000 00:00 0                         [stack]
"""
"""As Linux 6.12 writes them, but for the names."""


def pread(packet: bytes) -> bytes:
    """So many bytes of MAPS."""
    _, size, offset = packet.rpartition(b":")[2].split(b",")
    part = MAPS[int(offset, 16) :][: int(size, 16)]
    return b"F%x;" % len(part) + escaped(part)


@pytest.fixture
def with_files() -> WithFiles:
    """A client of a stub that answers so when a file is opened."""

    def make(opened: bytes) -> tuple[Client, Stub]:
        stub = Stub({b"vFile:open": opened, b"vFile:pread": pread, b"vFile:close": b"F0"})
        return Client(Channel(stub.client, "a stub")), stub

    return make


def test_mappings_of_files_are_read_in_pieces(with_files: WithFiles) -> None:
    client, stub = with_files(b"F5")
    assert read_maps(client, 77) == [
        FileMap(0x400000, 0x401000, "r-xp", 0, "/root/a program"),
        FileMap(0x10000000, 0x10001000, "r-xs", 0x1000, "/root/}#$*"),
    ]
    client.channel.close()
    stub.join()
    assert stub.asked[0] == b"vFile:open:" + b"/proc/77/maps".hex().encode() + b",0,0"
    assert stub.asked[-1] == b"vFile:close:5"
    assert len(stub.asked) > 3


@pytest.mark.parametrize("opened", [b"", b"F-1,2"])
def test_a_stub_that_shows_no_files_is_refused(with_files: WithFiles, opened: bytes) -> None:
    client, stub = with_files(opened)
    with pytest.raises(BackendError, match="does not show what the program has mapped"):
        MapWatcher(client)
    client.channel.close()
    stub.join()
