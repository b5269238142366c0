"""The LLVM decoder: the rules for every decoder, and capstone as a second opinion."""

from __future__ import annotations

import random

import pytest
import uprobe_llvm
from uprobe_llvm import LlvmDecoder

from uprobe_core.discovery.load import load_decoder
from uprobe_core.errors import PluginError
from uprobe_core.testing.compliance import DecoderCompliance

ADDRESS = 0x40_1000


@pytest.fixture(scope="module")
def llvm() -> LlvmDecoder:
    try:
        return LlvmDecoder()
    except PluginError as error:
        pytest.skip(str(error))


class TestLlvm(DecoderCompliance):
    """What every decoder must do."""

    @pytest.fixture
    def decoder(self, llvm: LlvmDecoder) -> LlvmDecoder:
        return llvm


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0x94000004, "bl #0x401010"),
        (0xB4000080, "cbz x0, #0x401010"),
        (0x10000080, "adr x0, #0x401010"),
        (0x90000000, "adrp x0, #0x401000"),
        (0xF0FFFFE0, "adrp x0, #0x400000"),
        (0x58000040, "ldr x0, #0x401008"),
        (0x9C000040, "ldr q0, #0x401008"),
        (0xF9400021, "ldr x1, [x1]"),
    ],
)
def test_targets_are_addresses_as_in_other_decoders(llvm: LlvmDecoder, word: int, text: str) -> None:
    decoded = llvm.decode(word.to_bytes(4, "little"), ADDRESS)
    assert decoded is not None
    assert decoded.text == text


def test_capstone_agrees_about_what_branches_and_what_depends_on_its_place(llvm: LlvmDecoder) -> None:
    """About words that both know; of some thousand random ones."""
    capstone = load_decoder("capstone")
    some = random.Random(7)
    both = 0
    for _ in range(20_000):
        code = some.randbytes(4)
        ours, theirs = llvm.decode(code, ADDRESS), capstone.decode(code, ADDRESS)
        if ours is not None and theirs is not None:
            both += 1
            assert (ours.branches, ours.reads_pc) == (theirs.branches, theirs.reads_pc), (ours, theirs)
    assert both > 5000


def test_without_a_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(uprobe_llvm.LIBRARY, "libno-such-thing.so")
    with pytest.raises(PluginError, match=r"libno-such-thing") as caught:
        LlvmDecoder()
    assert "apt install libllvm" in (caught.value.hint or "")
