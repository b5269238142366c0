"""How a target is written."""

from __future__ import annotations

import pytest
from uprobe_gdbremote.address import Address, connect

from uprobe_core.errors import BackendError, UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp:board:1234", Address("tcp", host="board", port=1234)),
        ("tcp:[::1]:1234", Address("tcp", host="::1", port=1234)),
        ("unix:/run/gdb", Address("unix", "/run/gdb")),
        ("qemu", Address("qemu", "qemu-aarch64")),
        ("qemu:/opt/qemu", Address("qemu", "/opt/qemu")),
        ("unix:/x,filters=here", Address("unix", "/x", filters_here=True)),
        ("unix:/x,mappings=all", Address("unix", "/x", all_mappings=True)),
        ("tcp:b:1,scratch=0x2000+64", Address("tcp", host="b", port=1, scratch=(0x2000, 64))),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["board:1234", "tcp:board", "tcp::1", "unix:", "tcp:b:99999", ""])
def test_what_is_no_address_is_refused_with_the_forms_that_there_are(text: str) -> None:
    with pytest.raises(UsageError, match="is no address") as caught:
        Address.parse(text)
    assert "tcp:HOST:PORT" in caught.value.hint


@pytest.mark.parametrize("more", ["scratch=1+64", "scratch=0x2000", "scratch=0x2000+8"])
def test_a_scratch_area_is_aligned_and_has_a_size(more: str) -> None:
    with pytest.raises(UsageError, match="is no scratch area"):
        Address.parse(f"unix:/x,{more}")


def test_where_nobody_listens_is_said_with_what_to_start() -> None:
    with pytest.raises(BackendError, match="no stub answers at unix:/nowhere") as caught:
        connect(Address("unix", "/nowhere"), 0.0)
    assert "gdbserver" in caught.value.hint


@pytest.mark.parametrize("more", ["other=1", "filters=there", "scratch=0x2000+64,scratch=0x3000+64"])
def test_what_a_target_cannot_have_is_refused_with_what_it_can(more: str) -> None:
    with pytest.raises(UsageError, match="a target can have") as refused:
        Address.parse(f"tcp:b:1,{more}")
    assert "filters=here" in refused.value.hint
