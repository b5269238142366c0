"""Probed instructions do what they do bare: the quick form of the conformance harness.

The long form is ``python -m uprobe_core.testing.conformance --words 400000``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uprobe_arm64 import Arm64Arch
from uprobe_arm64.decode import analyze

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.backend import Task
from uprobe_core.discovery.load import load_backend
from uprobe_core.testing.conformance import main
from uprobe_core.testing.conformance_bench import Bench, Case, Difference
from uprobe_core.testing.conformance_native import Way
from uprobe_core.testing.conformance_plan import check
from uprobe_core.testing.conformance_program import LAYOUT
from uprobe_core.testing.conformance_report import describe, reproduction
from uprobe_core.types import Analysis, Mode, Policy
from uprobe_core.utask import Utask

pytestmark = pytest.mark.thorough


def make_bench(arch: Arm64Arch | None = None, policy: Policy | None = None, *, native: bool = False) -> Bench:
    pytest.importorskip("unicorn", reason="the harness runs on the default backend")
    return Bench(load_backend("unicorn"), arch or Arm64Arch(), policy, native=native)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """One machine for all cases of this file."""
    with make_bench() as made:
        yield made


OWN_TESTS = {"exception: BRK", "exception: BRK#5", "exception: SVC"}
"""Classes that are left out of the samples, because they have tests of their own below."""


@pytest.fixture(scope="module")
def native_bench() -> Iterator[Bench]:
    """The same with the native engine's probes as well."""
    with make_bench(native=True) as made:
        if not any(way.native for way in made.ways):
            pytest.skip("the native engine is not installed")
        yield made


def sample(bench: Bench, seed: int, count: int) -> list[int]:
    words = itertools.islice(bench.encodings.words(seed), count)
    return [word for word, name in words if name not in OWN_TESTS]


def differences(bench: Bench, words: list[int], states: int = 2) -> list[Difference]:
    return [difference for _, difference in check(bench, words, states, 1).differences]


def told(bench: Bench, found: list[Difference]) -> str:
    return "\n".join(describe(one, bench.encodings.class_of(one.case.word)) for one in found)


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_sample_of_every_class_does_the_same_bare_and_probed(bench: Bench, seed: int) -> None:
    words = sample(bench, seed, 2500)
    tally = check(bench, words, 2, seed)
    assert told(bench, [difference for _, difference in tally.differences]) == ""
    assert tally.cases > 2500


@settings(max_examples=300, deadline=None)
@given(word=st.integers(0, 0xFFFF_FFFF), seed=st.integers(0, 1 << 30), place=st.integers(0, 511))
def test_any_word_does_the_same_bare_and_probed(bench: Bench, word: int, seed: int, place: int) -> None:
    case = Case(word, seed, place)
    if bench.loops(case) or bench.driver.refuses(word):
        return
    found = [difference for checked in bench.run([case]) for difference in checked.differences]
    assert told(bench, found) == ""


# Shapes that went wrong somewhere before, by name.
SHAPES = {
    "blr x30": 0xD63F03C0,
    "br xzr": 0xD61F03E0,
    "ret": 0xD65F03C0,
    "retaa": 0xD65F0BFF,
    "braa x3, x4": 0xD71F0864,
    "blraaz x5": 0xD63F08BF,
    "b.eq +8": 0x54000040,
    "bc.eq +8": 0x54000050,
    "cbz xzr, +8": 0xB400005F,
    "tbnz x3, #63, +8": 0xB7F80043,
    "adr x0, -1": 0x70FFFFE0,
    "adr xzr, +8": 0x1000005F,
    "adrp x30, 0": 0x9000001E,
    "ldr w0, +8": 0x18000040,
    "ldr xzr, +8": 0x5800005F,
    "ldrsw x0, +8": 0x98000040,
    "ldr q0, +8": 0x9C000040,
    "ldr x0, unmapped": 0x58800000,
    "ldr x0, across the end of the text": 0x5800FFE0,
    "ldr d0, across the end of the text": 0x5C00FFE0,
    "ldr q0, across the end of the text": 0x9C00FFE0,
    "prfm unmapped": 0xD8800000,
    "stp x29, x30, [sp, #-16]!": 0xA9BF7BFD,
    "ldp x29, x30, [sp], #16": 0xA8C17BFD,
    "str x0, [x1], #1": 0xF8001420,
    "ldr q0, [x1, #-1]!": 0x3CDFFC20,
    "ld4 {v0.16b-v3.16b}, [x1], #64": 0x4CDF0020,
    "ldxr x0, [x1]": 0xC85F7C20,
    "stxr w2, x0, [x1]": 0xC8027C20,
    "casp x0, x1, x2, x3, [x4]": 0x48207C82,
    "ldaddal x0, x1, [x2]": 0xF8E00041,
    "dc zva, x0": 0xD50B7420,
    "msr nzcv, x0": 0xD51B4200,
    "mrs x0, midr_el1": 0xD5380000,
    "wfi": 0xD503207F,
    "isb": 0xD5033FDF,
    "udf #0": 0x00000000,
    "hlt #0": 0xD4400000,
    "hvc #0": 0xD4000002,
    "smc #0": 0xD4000003,
    "add z0.b, z0.b, z0.b, which the CPU lacks": 0x04200000,
}


@pytest.mark.parametrize("word", SHAPES.values(), ids=SHAPES.keys())
def test_a_shape_does_the_same_bare_and_probed(bench: Bench, word: int) -> None:
    assert told(bench, differences(bench, [word], states=24)) == ""


@pytest.mark.parametrize("word", [0xD4200020, 0xD42000A0], ids=["brk #1", "brk #5"])
def test_a_programs_own_breakpoint_is_delivered_once_from_its_own_address(bench: Bench, word: int) -> None:
    assert told(bench, differences(bench, [word])) == ""


@pytest.mark.parametrize("word", [0xD4000001, 0xD41FFFE1], ids=["svc #0", "svc #0xffff"])
def test_a_system_call_is_made_once_with_its_own_pc(bench: Bench, word: int) -> None:
    assert told(bench, differences(bench, [word])) == ""


# --- the native engine's probes -----------------------------------------------------------------------


def left_out(bench: Bench, word: int) -> bool:
    """Jumps out of the text, which may meet the engine's slots near it."""
    target = bench.encodings.direct_target(word, LAYOUT.cases[0])
    return target is not None and not LAYOUT.cases[0] <= target < LAYOUT.text[1]


@pytest.mark.parametrize("seed", [1, 2])
def test_native_probes_do_the_same_too(native_bench: Bench, seed: int) -> None:
    words = [word for word in sample(native_bench, seed, 2500) if not left_out(native_bench, word)]
    tally = check(native_bench, words, 2, seed)
    assert told(native_bench, [difference for _, difference in tally.differences]) == ""


def test_a_native_load_literal_that_faults_changes_nothing(native_bench: Bench) -> None:
    assert told(native_bench, differences(native_bench, [0x58800000])) == ""  # ldr x0, unmapped


# --- the harness itself: it sees what it should see ---------------------------------------------------


@pytest.mark.parametrize("word", [0x1C000040, 0x5C000040, 0x9C000040], ids=["ldr s", "ldr d", "ldr q"])
def test_the_kernels_defect_shows_under_its_policy_in_trap_mode_alone(word: int) -> None:
    with make_bench(policy=Policy("kernel", "6.12")) as bench:
        found = differences(bench, [word])
    assert {difference.way for difference in found} == {Way(Mode.TRAP)}


def test_under_the_kernels_policy_nothing_differs_but_what_has_a_named_defect() -> None:
    policy = Policy("kernel", "6.12")
    with make_bench(policy=policy) as bench:
        words = [word for word, _ in itertools.islice(bench.encodings.words(4), 4000)]
        found = differences(bench, words, states=1)
    assert {one.way for one in found} == {Way(Mode.TRAP)}
    for one in found:
        if one.bare.ending.what == one.probed.ending.what == "undefined":
            # si_addr of every undefined instruction is the slot (recorded: fault-insn).
            assert replace(one.probed.ending, address=one.case.address) == one.bare.ending
            assert one.probed.state == one.bare.state
        else:
            assert analyze(one.case.word, one.case.address, policy).defect, f"{one.case.word:08x}"


class LateArch(Arm64Arch):
    """Goes on one instruction too late after a step."""

    @hookimpl
    def post_xol(self, task: Task, utask: Utask) -> bool:
        super().post_xol(task, utask)
        task.set_reg(32, utask.vaddr + 8)
        return True


class ClumsyArch(Arm64Arch):
    """Changes a register that the instruction does not name."""

    @hookimpl
    def skip_sstep(self, task: Task, utask: Utask, analysis: Analysis) -> bool:
        task.set_vec(9, task.get_vec(9) ^ 1)
        return super().skip_sstep(task, utask, analysis)


def test_a_wrong_pc_after_a_step_is_seen() -> None:
    with make_bench(LateArch()) as bench:
        found = differences(bench, [0x91000400])  # add x0, x0, #1
    assert [(str(one.way), one.probed.ending.pc - one.bare.ending.pc) for one in found] == [("trap", 4)] * 2


def test_a_register_that_changes_by_mistake_is_seen_and_named() -> None:
    with make_bench(ClumsyArch()) as bench:
        found = differences(bench, [0x14000002], states=1)  # b .+8
        text = told(bench, found)
    assert "trap differs from bare: 14000002 (branch: B) at 0x401000" in text
    assert "\n  v9: bare " in text


def test_the_reproduction_line_runs_the_same_case(capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(0x9C000040, 7, 12)
    with make_bench(policy=Policy("kernel", "6.12")) as bench:
        (checked,) = bench.run([case])
    arguments = reproduction(checked.differences[0]).split()[3:]
    assert main([*arguments, "--policy", "kernel:6.12"]) == 1
    assert "9c000040 (load-literal-simd: LDR-lit-Q) at 0x401060" in capsys.readouterr().out
    assert main(arguments) == 0


def test_the_same_word_and_seed_make_the_same_state(bench: Bench) -> None:
    first = bench.states.make(0x91000400, 0x401000, 5)
    assert bench.states.make(0x91000400, 0x401000, 5) == first
    assert bench.states.make(0x91000400, 0x401000, 6) != first
    assert bench.states.make(0x91000800, 0x401000, 5) != first


def test_the_command_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--words", "300", "--jobs", "1", "--seed", "9"])
    out = capsys.readouterr().out
    words, cases, different = map(int, re.findall(r"^(\d+) words, (\d+) cases, (\d+) with", out, re.M)[0])
    skipped = sum(map(int, re.findall(r"^(\d+) words not run", out, re.M)))
    assert words + skipped == 300
    assert cases > words
    assert status == (1 if different else 0)
    assert "load-store" in out
