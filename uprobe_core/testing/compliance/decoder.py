"""What every decoder must do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from uprobe_core.decoder import Decoded, Decoder
from uprobe_core.testing.compliance.manners import Manners

__all__ = ("DecoderCompliance", "Sample")

ADDRESS, ELSEWHERE = 0x40_1000, 0x7123_4000


@dataclass(frozen=True)
class Sample:
    """One instruction and what the architecture's manual says of it."""

    code: bytes
    mnemonic: str
    branches: bool
    reads_pc: bool
    operands: str | None = None
    """In the form that :class:`~uprobe_core.decoder.Decoded` says, at ADDRESS; None: not compared."""


def _arm64(word: int, mnemonic: str, branches: bool, reads_pc: bool, operands: str) -> Sample:
    return Sample(word.to_bytes(4, "little"), mnemonic, branches, reads_pc, operands)


ARM64_SAMPLES = (
    _arm64(0x91000400, "add", False, False, "x0, x0, #1"),
    _arm64(0xF9400021, "ldr", False, False, "x1, [x1]"),
    _arm64(0xA9BF7BFD, "stp", False, False, "x29, x30, [sp, #-0x10]!"),
    _arm64(0xF8408C20, "ldr", False, False, "x0, [x1, #8]!"),
    _arm64(0x8B224020, "add", False, False, "x0, x1, w2, uxtw"),
    _arm64(0x94000004, "bl", True, True, "#0x401010"),
    _arm64(0x14000004, "b", True, True, "#0x401010"),
    _arm64(0xD65F03C0, "ret", True, False, ""),
    _arm64(0x10000080, "adr", False, True, "x0, #0x401010"),
    _arm64(0xB4000080, "cbz", True, True, "x0, #0x401010"),
    _arm64(0x4EA28420, "add", False, False, "v0.4s, v1.4s, v2.4s"),
)
"""Arm ARM, C6.2 and C7.2."""


def check_fields(decoded: Decoded, available: int) -> None:
    """Each field is of its type, and the instruction within the *available* bytes."""
    assert isinstance(decoded, Decoded)
    assert isinstance(decoded.size, int)
    assert 0 < decoded.size <= available, "it read beyond the end"
    assert isinstance(decoded.mnemonic, str)
    assert isinstance(decoded.operands, str)
    assert decoded.text.isprintable()
    for opinion in (decoded.branches, decoded.reads_pc):
        assert opinion is None or isinstance(opinion, bool)


def _decoded(decoder: Decoder, sample: Sample, address: int = ADDRESS) -> Decoded:
    """What *decoder* says of *sample*, which it has to know."""
    decoded = decoder.decode(sample.code, address)
    assert decoded is not None, (
        f"None for {sample.code.hex()} ({sample.mnemonic}): the fixture 'samples' says what it knows"
    )
    return decoded


class DecoderCompliance(Manners):
    """Required fixture: ``decoder``.  ``samples`` and ``undefined`` may be overridden (they are arm64's)."""

    stands = "uprobe_core.decoder (Decoder, Decoded), on one page in docs/contracts.md"

    @pytest.fixture
    def decoder(self) -> Decoder:
        """The decoder under test."""
        raise NotImplementedError("override the fixture 'decoder'")

    @pytest.fixture
    def samples(self) -> tuple[Sample, ...]:
        """Instructions with what is known about them."""
        return ARM64_SAMPLES

    @pytest.fixture
    def undefined(self) -> bytes:
        """Bytes that are no instruction: UDF's neighbour, an unallocated word."""
        return 0x0000_FFFF.to_bytes(4, "little")[::-1]

    def test_it_has_the_members_of_the_contract(self, decoder: Decoder) -> None:
        assert isinstance(decoder, Decoder)
        assert isinstance(decoder.name, str)
        assert decoder.name

    def test_mnemonics_are_the_manuals_in_lower_case(
        self, decoder: Decoder, samples: tuple[Sample, ...]
    ) -> None:
        found = [_decoded(decoder, sample).mnemonic for sample in samples]
        assert found == [sample.mnemonic for sample in samples]

    def test_operands_are_in_the_form_that_the_contract_says(
        self, decoder: Decoder, samples: tuple[Sample, ...]
    ) -> None:
        wanted = {sample.mnemonic: sample for sample in samples if sample.operands is not None}
        found = {name: _decoded(decoder, sample).operands for name, sample in wanted.items()}
        assert found == {name: sample.operands for name, sample in wanted.items()}

    def test_the_same_bytes_are_the_same_again(self, decoder: Decoder, samples: tuple[Sample, ...]) -> None:
        """Whatever was decoded in between."""
        forwards = [decoder.decode(sample.code, ADDRESS) for sample in samples]
        backwards = [decoder.decode(sample.code, ADDRESS) for sample in reversed(samples)]
        assert forwards == backwards[::-1]

    def test_what_it_says_of_branches_and_pc_is_right_or_unknown(
        self, decoder: Decoder, samples: tuple[Sample, ...]
    ) -> None:
        for sample in samples:
            decoded = _decoded(decoder, sample)
            assert decoded.branches in {sample.branches, None}, sample
            assert decoded.reads_pc in {sample.reads_pc, None}, sample

    def test_the_size_is_the_instructions(self, decoder: Decoder, samples: tuple[Sample, ...]) -> None:
        for sample in samples:
            decoded = _decoded(decoder, sample)
            assert decoded.size == len(sample.code)

    def test_only_the_first_instruction_counts(self, decoder: Decoder, samples: tuple[Sample, ...]) -> None:
        for sample in samples:
            assert decoder.decode(sample.code + b"\xff" * 12, ADDRESS) == decoder.decode(sample.code, ADDRESS)

    def test_an_undefined_word_is_none_and_not_an_error(self, decoder: Decoder, undefined: bytes) -> None:
        assert decoder.decode(undefined, ADDRESS) is None

    @pytest.mark.parametrize("size", [0, 1, 3])
    def test_too_few_bytes_are_none_and_not_an_error(self, decoder: Decoder, size: int) -> None:
        assert decoder.decode(b"\0" * size, ADDRESS) is None

    def test_text_is_one_line_of_mnemonic_and_operands(
        self, decoder: Decoder, samples: tuple[Sample, ...]
    ) -> None:
        for sample in samples:
            decoded = _decoded(decoder, sample)
            assert decoded.text.startswith(decoded.mnemonic)
            assert "\n" not in decoded.text

    def test_an_instruction_that_ignores_pc_reads_the_same_everywhere(
        self, decoder: Decoder, samples: tuple[Sample, ...]
    ) -> None:
        for sample in samples:
            if not sample.reads_pc:
                assert decoder.decode(sample.code, ADDRESS) == decoder.decode(sample.code, ELSEWHERE), sample

    @pytest.mark.parametrize("address", [0, 1 << 47, (1 << 64) - 16])
    def test_no_place_makes_it_raise(
        self, decoder: Decoder, samples: tuple[Sample, ...], address: int
    ) -> None:
        for sample in samples:
            check_fields(_decoded(decoder, sample, address), 4)

    def test_no_word_makes_it_raise(self, decoder: Decoder) -> None:
        """A walk over the encoding space with a large odd stride."""
        for number in range(4000):
            word = number * 0x9E37_79B1 % (1 << 32)
            decoded = decoder.decode(word.to_bytes(4, "little"), ADDRESS)
            if decoded is not None:
                check_fields(decoded, 4)
