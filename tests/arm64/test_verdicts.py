"""The kernel's verdicts, word by word, and what the policies say beyond them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from uprobe_arm64.decode import analyze
from uprobe_arm64.decode_table import KERNEL_VERSIONS, ROWS

from uprobe_core.errors import ConfigError
from uprobe_core.types import Policy, Verdict

DATA = Path(__file__).parent.parent / "data" / "kernel"
KERNEL = Policy("kernel", "6.12")
ANYWHERE = Policy("anywhere")
ADDRESS = 0x40_0000


RELEASES = ("6.1", "6.12", "7.3")


def recorded() -> Iterator[tuple[int, dict[str, str]]]:
    """Each recorded word with the answers of the releases ("sim", "xol" or an errno name)."""
    for line in (DATA / "classify.tsv").read_text().splitlines():
        if not line.startswith("#"):
            word, *answers = line.split("\t")
            yield int(word, 16), dict(zip(RELEASES, answers, strict=False))


def answer(word: int, policy: Policy) -> str:
    """Our verdict in the recording's terms."""
    analysis = analyze(word, ADDRESS, policy)
    names = {Verdict.STEP: "xol", Verdict.SIMULATE: "sim", Verdict.REJECT: analysis.errno_name}
    return names[analysis.verdict]


@pytest.mark.parametrize("version", RELEASES)
def test_every_recorded_kernel_verdict_is_ours(version: str) -> None:
    rows = list(recorded())
    assert len(rows) > 9000
    policy = Policy("kernel", version)
    found = [(f"{word:08x}", answers[version], answer(word, policy)) for word, answers in rows]
    assert [entry for entry in found if entry[1] != entry[2]] == []


@pytest.mark.parametrize("version", RELEASES)
def test_every_recorded_registration_around_the_rows_is_answered_as_by_the_kernel(version: str) -> None:
    policy = Policy("kernel", version)
    wrong = []
    for line in (DATA / "around_rows.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        word, *answers = line.split("\t")
        ours = analyze(int(word, 16), ADDRESS, policy).errno_name or "accepted"
        if ours != answers[RELEASES.index(version)]:
            wrong.append((word, ours))
    assert wrong == []


# The kernel's own masks (arch/arm64/include/asm/insn.h) and the order in which
# arch/arm64/kernel/probes/decode-insn.c asks for them: a second, independent source.

BRANCHES = (
    (0xFC000000, 0x14000000),  # b
    (0xFC000000, 0x94000000),  # bl
    (0x7E000000, 0x34000000),  # cbz, cbnz
    (0x7E000000, 0x36000000),  # tbz, tbnz
    (0xFFFFFC1F, 0xD61F0000),  # br
    (0xFFFFFC1F, 0xD63F0000),  # blr
    (0xFFFFFC1F, 0xD65F0000),  # ret
)
AUTHENTICATED = (
    (0xFEFFF800, 0xD61F0800),  # br_auth
    (0xFEFFF800, 0xD63F0800),  # blr_auth
    (0xFFFFFBFF, 0xD65F0BFF),  # ret_auth
    (0xFFFFFFFF, 0xD69F03E0),  # eret
    (0xFFFFFBFF, 0xD69F0BFF),  # eret_auth
)
NEVER_STEPPED = (
    (0xFF000000, 0xD4000000),  # exception
    (0xFFF8F01F, 0xD500401F),  # msr_imm
    (0xFFF00000, 0xD5100000),  # msr_reg
)
LITERALS = ((0xBF000000, 0x18000000), (0xFF000000, 0x98000000), (0xFF000000, 0xD8000000))
ADR_ADRP = ((0x1F000000, 0x10000000),)
EXCLUSIVE = ((0x3F800000, 0x08000000),)
MOPS = ((0x3B200C00, 0x19000400),)
STEPPABLE_HINTS = {0, 7, 8, 10, 24, 25, 26, 27, 32, 34, 36, 38}
BRK_5, NOP = 0xD42000A0, 0xD503201F


def matches(word: int, masks: tuple[tuple[int, int], ...]) -> bool:
    return any(word & mask == value for mask, value in masks)


def kernel_decides(word: int, version: str) -> str:
    """What the kernel's code does with *word*, written down from its masks."""
    if word == BRK_5:
        return "ENOTSUPP"
    if word == NOP and version == "7.3":
        return "sim"
    condition = ((0xFF000010 if version == "6.1" else 0xFF000000, 0x54000000),)
    simulated = (*BRANCHES, *condition, *ADR_ADRP)
    if word & 0x1C000000 == 0x14000000:  # class_branch_sys
        if matches(word, (*BRANCHES, *condition, *AUTHENTICATED, *NEVER_STEPPED)):
            steppable = False
        elif word & 0xFFF00000 == 0xD5300000:  # mrs
            steppable = word & 0xFFFE0 != 0xB4220  # not of DAIF
        elif word & 0xFFFFF01F == 0xD503201F:  # hint
            steppable = word >> 5 & 0x7F in STEPPABLE_HINTS
        else:
            steppable = True
    else:
        mops = () if version == "6.1" else MOPS
        steppable = not matches(word, (*LITERALS, *ADR_ADRP, *EXCLUSIVE, *mops))
    if steppable:
        return "xol"
    return "sim" if matches(word, simulated) else "EINVAL"


def around_every_row(seed: int) -> Iterator[int]:
    """Words in every row, words one bit outside of it, and words anywhere."""
    source = random.Random(seed)
    for row in ROWS:
        free = ~row.mask & 0xFFFF_FFFF
        for _ in range(20):
            yield row.value | source.getrandbits(32) & free
        for bit in range(32):
            yield row.value ^ 1 << bit | source.getrandbits(32) & free & ~(1 << bit)
    for _ in range(20_000):
        yield source.getrandbits(32)
        yield 0xD400_0000 | source.getrandbits(26)


@pytest.mark.parametrize("version", RELEASES)
def test_the_table_agrees_with_the_masks_of_the_kernel_around_every_row(version: str) -> None:
    policy = Policy("kernel", version)
    wrong = {
        f"{word:08x}": (answer(word, policy), kernel_decides(word, version))
        for word in around_every_row(3)
        if answer(word, policy) != kernel_decides(word, version)
    }
    assert wrong == {}


def test_the_mask_model_itself_agrees_with_the_recording() -> None:
    wrong = [
        (word, answers)
        for word, answers in recorded()
        if {version: kernel_decides(word, version) for version in RELEASES} != answers
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("version", "nop", "bc_cond", "mops"),
    [
        ("6.1", "xol", "xol", "xol"),
        ("6.12", "xol", "sim", "EINVAL"),
        ("6.13", "sim", "xol", "EINVAL"),
        ("6.18", "sim", "sim", "EINVAL"),
        ("7.3", "sim", "sim", "EINVAL"),
    ],
)
def test_versions_differ_where_the_kernels_do(version: str, nop: str, bc_cond: str, mops: str) -> None:
    policy = Policy("kernel", version)
    words = (0xD503201F, 0x54000050, 0x19010440)  # nop; bc.eq .+8; cpyfp [x0]!, [x1]!, x2!
    assert tuple(answer(word, policy) for word in words) == (nop, bc_cond, mops)


@pytest.mark.parametrize("text", ["6.12.117-arm64", "6.12.3", "6.12"])
def test_a_full_release_name_means_its_version(text: str) -> None:
    assert answer(0x54000050, Policy("kernel", text)) == "sim"


@pytest.mark.parametrize("text", ["5.4", "6", "latest", "", "6.x"])
def test_an_unknown_version_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        analyze(0xD503201F, ADDRESS, Policy("kernel", text))
    assert text in str(caught.value)
    assert "6.1, 6.12" in caught.value.hint


@pytest.mark.parametrize("policy", [KERNEL, ANYWHERE], ids=str)
@pytest.mark.parametrize("offset", [1, 2, 3])
def test_a_misaligned_address_is_rejected_before_decoding(policy: Policy, offset: int) -> None:
    analysis = analyze(0xD503201F, ADDRESS + offset, policy)
    assert (analysis.verdict, analysis.errno_name) == (Verdict.REJECT, "EINVAL")
    assert hex(ADDRESS + offset) in analysis.reason


def test_the_breakpoint_instruction_itself_is_refused_with_enotsupp() -> None:
    analysis = analyze(BRK_5, ADDRESS, KERNEL)
    assert (analysis.verdict, analysis.errno_name) == (Verdict.REJECT, "ENOTSUPP")


@pytest.mark.parametrize(
    ("word", "version", "part"),
    [
        (0x1C000040, "6.12", "relative to the slot"),  # ldr s0, .+8
        (0x5C000040, "6.12", "relative to the slot"),  # ldr d0, .+8
        (0x9C000040, "6.12", "relative to the slot"),  # ldr q0, .+8
        (0x54000050, "6.1", "relative to the slot"),  # bc.eq .+8
        (0x19010440, "6.1", "follow each other"),  # cpyfp [x0]!, [x1]!, x2!
        (0x74020042, "6.12", "writes the PC"),  # cbgt w2, w2, .+8
        (0x00000000, "6.12", "slot's address"),  # udf #0
    ],
)
def test_what_the_kernel_gets_wrong_is_named(word: int, version: str, part: str) -> None:
    analysis = analyze(word, ADDRESS, Policy("kernel", version))
    assert analysis.verdict is Verdict.STEP
    assert part in analysis.defect
    assert analyze(word, ADDRESS, ANYWHERE).defect == ""


@pytest.mark.parametrize(
    ("word", "verdict", "special"),
    [
        (0x54000040, Verdict.SIMULATE, ""),  # b.eq .+8
        (0x54000050, Verdict.STEP, "in-place"),  # bc.eq .+8: only a CPU with FEAT_HBC branches
        (0xD65F0BFF, Verdict.STEP, "in-place"),  # retaa: only the CPU has the keys
        (0xD71F0801, Verdict.STEP, "in-place"),  # braa x0, x1
        (0x58000040, Verdict.SIMULATE, ""),  # ldr x0, .+8
        (0x9C000040, Verdict.SIMULATE, ""),  # ldr q0, .+8
        (0xD8000040, Verdict.SIMULATE, ""),  # prfm pldl1keep, .+8
        (0xD503201F, Verdict.SIMULATE, ""),  # nop
        (0xD503207F, Verdict.SIMULATE, ""),  # wfi
        (0xD503245F, Verdict.SIMULATE, ""),  # bti c
        (0xD503233F, Verdict.STEP, ""),  # paciasp
        (0xD4000001, Verdict.STEP, "svc"),  # svc #0
        (0xD4200000, Verdict.STEP, "trap"),  # brk #0
        (BRK_5, Verdict.STEP, "trap"),
        (0xD4400000, Verdict.STEP, "trap"),  # hlt #0
        (0x00000000, Verdict.STEP, "trap"),  # udf #0
        (0xD4000002, Verdict.STEP, "trap"),  # hvc #0
        (0xC85F7C20, Verdict.STEP, "in-place"),  # ldxr x0, [x1]
        (0xC8027C20, Verdict.STEP, "in-place"),  # stxr w2, x0, [x1]
        (0x48207C82, Verdict.STEP, ""),  # casp x0, x1, x2, x3, [x4]
        (0x19010440, Verdict.STEP, "in-place"),  # cpyfp [x0]!, [x1]!, x2!
        (0xD53B4420, Verdict.STEP, ""),  # mrs x0, fpsr
        (0xD53B4220, Verdict.STEP, ""),  # mrs x0, daif
        (0xD51B4200, Verdict.STEP, ""),  # msr nzcv, x0
        (0x91000400, Verdict.STEP, ""),  # add x0, x0, #1
    ],
)
def test_policy_anywhere_probes_what_the_kernel_refuses(word: int, verdict: Verdict, special: str) -> None:
    analysis = analyze(word, ADDRESS, ANYWHERE)
    assert (analysis.verdict, analysis.special) == (verdict, special)
    assert (analysis.simulate is not None) is (verdict is Verdict.SIMULATE)


def test_policy_anywhere_rejects_no_word() -> None:
    assert all(analyze(word, ADDRESS, ANYWHERE).verdict is not Verdict.REJECT for word in around_every_row(5))


def test_every_ruling_has_a_reason_and_every_rejection_an_errno() -> None:
    policies = [ANYWHERE, *(Policy("kernel", f"{major}.{minor}") for major, minor in KERNEL_VERSIONS)]
    for row in ROWS:
        for policy in policies:
            analysis = analyze(row.value, ADDRESS, policy)
            assert len(analysis.reason) > 10
            assert not analysis.reason.endswith(".")
            assert bool(analysis.errno_name) is (analysis.verdict is Verdict.REJECT)
            assert analysis.source
