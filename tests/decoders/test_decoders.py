"""Each decoder behind the contract: the same questions, asked of capstone and of SLEIGH."""

from __future__ import annotations

import subprocess
import sys

import pytest
import uprobe_capstone.decoder as capstone_module
from uprobe_capstone import CapstoneDecoder
from uprobe_sleigh import SleighDecoder

from uprobe_core.decoder import Decoder
from uprobe_core.errors import PluginError

ADDRESS = 0x40_1000


@pytest.fixture(scope="module", params=[CapstoneDecoder, SleighDecoder], ids=["capstone", "sleigh"])
def decoder(request: pytest.FixtureRequest) -> Decoder:
    """One decoder; skipped when its library is not installed."""
    library = {"capstone": "capstone", "sleigh": "pypcode"}[request.param.name]
    pytest.importorskip(library)
    made: Decoder = request.param()
    return made


def insn(word: int) -> bytes:
    return word.to_bytes(4, "little")


def test_it_fits_the_contract(decoder: Decoder) -> None:
    assert isinstance(decoder, Decoder)


@pytest.mark.parametrize(
    ("word", "mnemonic", "branches", "reads_pc"),
    [
        (0x91000400, "add", False, False),  # add x0, x0, #1
        (0xFA411820, "ccmp", False, False),  # ccmp x1, #1, #0, ne
        (0xF9400021, "ldr", False, False),  # ldr x1, [x1]
        (0x14000004, "b", True, True),  # b .+16
        (0x14000001, "b", True, True),  # b .+4: a branch all the same
        (0x54000020, "b.eq", True, True),  # b.eq .+4
        (0x94000004, "bl", True, True),  # bl .+16
        (0xB4000080, "cbz", True, True),  # cbz x0, .+16
        (0x36000080, "tbz", True, True),  # tbz w0, #0, .+16
        (0xD61F0060, "br", True, False),  # br x3
        (0xD63F0060, "blr", True, True),  # blr x3: links its own address
        (0xD65F03C0, "ret", True, False),  # ret
        (0xD71F0820, "braa", True, False),  # braa x1, x0
        (0x10000040, "adr", False, True),  # adr x0, .+8
        (0x90000000, "adrp", False, True),  # adrp x0, this page
        (0x58000040, "ldr", False, True),  # ldr x0, .+8
        (0x9C000040, "ldr", False, True),  # ldr q0, .+8
        (0xD8000040, "prfm", False, True),  # prfm pldl1keep, .+8
    ],
)
def test_it_knows_what_branches_and_what_reads_the_pc(
    decoder: Decoder, word: int, mnemonic: str, branches: bool, reads_pc: bool
) -> None:
    decoded = decoder.decode(insn(word), ADDRESS)
    assert decoded is not None
    assert (decoded.size, decoded.mnemonic) == (4, mnemonic)
    assert (decoded.branches, decoded.reads_pc) == (branches, reads_pc)


def test_operands_are_text(decoder: Decoder) -> None:
    decoded = decoder.decode(insn(0x91000400), ADDRESS)
    assert decoded is not None
    assert decoded.text.startswith("add x0, x0, #")


def test_targets_are_absolute(decoder: Decoder) -> None:
    decoded = decoder.decode(insn(0x14000004), ADDRESS)
    assert decoded is not None
    assert "0x401010" in decoded.operands


def test_only_the_first_instruction_is_decoded(decoder: Decoder) -> None:
    first = decoder.decode(insn(0xD65F03C0) + insn(0x14000004), ADDRESS)
    assert first is not None
    assert first.mnemonic == "ret"


@pytest.mark.parametrize("code", [insn(0x02000000), b"", b"\x00\x01"], ids=["unallocated", "empty", "short"])
def test_what_is_no_instruction_is_none(decoder: Decoder, code: bytes) -> None:
    assert decoder.decode(code, ADDRESS) is None


def test_an_address_at_the_top_is_no_problem(decoder: Decoder) -> None:
    assert decoder.decode(insn(0x91000400), (1 << 64) - 4) is not None


@pytest.mark.parametrize("module", ["uprobe_capstone", "uprobe_sleigh"])
def test_importing_a_decoder_imports_no_library(module: str) -> None:
    code = f"import sys, {module}; sys.exit('capstone' in sys.modules or 'pypcode' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False, timeout=60
    )
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("made", "library"),
    [(CapstoneDecoder, "capstone"), (SleighDecoder, "pypcode")],
    ids=["capstone", "sleigh"],
)
def test_a_missing_library_is_a_plugin_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, made: type, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PluginError) as caught:
        made()
    assert caught.value.plugin == made.name  # type: ignore[attr-defined]  # both have a name
    assert "pip install" in caught.value.hint


class Release5:
    """What capstone 5.x calls the architecture."""

    CS_ARCH_ARM64 = 1


class Release6:
    """What capstone 6.x calls it."""

    CS_ARCH_AARCH64 = 1


@pytest.mark.parametrize("release", [Release5, Release6])
def test_both_names_of_the_architecture_are_found(release: type) -> None:
    assert capstone_module._arm64(release) == 1


def test_a_capstone_without_the_architecture_is_refused() -> None:
    with pytest.raises(PluginError, match="no arm64"):
        capstone_module._arm64(object())
