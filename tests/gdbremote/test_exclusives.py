"""Between a load-exclusive and its store no stop may come: a probe there is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from uprobe_gdbremote.exclusives import exits, is_inside, length

import uprobe_core as up
from tests.gdbremote.conftest import needs_qemu
from uprobe_core.errors import ProbeError

LDXR, ADD, STXR, CBNZ, RET = 0xC85F7C01, 0x91000421, 0xC8027C01, 0x35FFFFA2, 0xD65F03C0
CBZ_OUT = 0xB40000A1
"""``cbz x1, +20``: out of the sequence."""
SOURCE = r"""
__attribute__((noinline)) long bump(long *p) {
    long value, failed;
    __asm__ volatile(".globl load\nload: ldxr %0, [%2]\n.globl middle\nmiddle: add %0, %0, #1\n"
                     ".globl store\nstore: stxr %w1, %0, [%2]\n.globl after\nafter: cbnz %w1, load"
                     : "=&r"(value), "=&r"(failed) : "r"(p) : "memory");
    return value;
}
int main(void) {
    long n = 0;
    for (int i = 0; i < 5; i++) bump(&n);
    return (int)n;
}
"""


def test_a_sequence_ends_with_its_store() -> None:
    assert length([LDXR, ADD, STXR, CBNZ]) == 3
    assert length([LDXR, ADD, RET, STXR]) == 0
    assert length([LDXR, LDXR, STXR]) == 0


def test_what_follows_a_load_and_reaches_its_store_is_inside() -> None:
    assert is_inside([RET, LDXR], [ADD, STXR])
    assert is_inside([LDXR, ADD], [STXR])
    assert not is_inside([RET], [LDXR, ADD, STXR])
    assert not is_inside([LDXR, ADD, STXR], [CBNZ, RET])
    assert not is_inside([LDXR, RET], [ADD, STXR])


def test_a_sequence_is_left_at_its_end_and_by_its_branches() -> None:
    assert exits([LDXR, CBZ_OUT, STXR], 0x1000) == [0x100C, 0x1018]


def compiled(source: str, folder: Path) -> Path:
    """The program of *source*."""
    (folder / "bump.c").write_text(source)
    words = ["aarch64-linux-gnu-gcc", "-O1", "-static", "-o", str(folder / "bump"), str(folder / "bump.c")]
    try:
        subprocess.run(words, check=True)
    except FileNotFoundError:
        pytest.skip("needs Debian's gcc-aarch64-linux-gnu")
    return folder / "bump"


@pytest.fixture(scope="module")
def program(tmp_path_factory: Any) -> Path:
    """Adds 1 five times by exclusives, and exits with the sum."""
    return compiled(SOURCE, Path(tmp_path_factory.mktemp("exclusive")))


@needs_qemu
@pytest.mark.parametrize("place", ["load", "after"])
def test_a_probe_at_its_ends_hits_as_often_as_it_runs(program: Path, place: str) -> None:
    with up.Session([str(program)], backend="gdbremote", timeout=20) as run:
        calls = run.probe(f"p:place {program}:{place}", up.Count())
        assert (run.run().code, calls.result()) == (5, 5)


FAULTING = r"""
#include <signal.h>
#include <ucontext.h>
static long good, faults;
extern char load[];
static void handler(int s, siginfo_t *i, void *u) {
    ucontext_t *c = u;
    faults += c->uc_mcontext.pc == (unsigned long)load;
    c->uc_mcontext.regs[9] = (unsigned long)&good;
}
__attribute__((noinline)) static void bump(long *p) {
    __asm__ volatile("mov x9, %0\n.globl load\nload: ldxr x10, [x9]\nadd x10, x10, #1\n"
                     "stxr w11, x10, [x9]\ncbnz w11, load"
                     : : "r"(p) : "x9", "x10", "x11", "memory");
}
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    bump((long *)8);
    bump(&good);
    return 10 * (int)faults + (int)good;
}
"""


@needs_qemu
def test_a_fault_of_a_probed_load_is_the_programs_and_the_load_is_hit_again(tmp_path: Path) -> None:
    """As a kernel hits once more what is done again after a fault."""
    program = compiled(FAULTING, tmp_path)
    with up.Session([str(program)], backend="gdbremote", timeout=20) as run:
        calls = run.probe(f"p:place {program}:load", up.Count())
        assert (run.run().code, calls.result()) == (12, 3)


@needs_qemu
@pytest.mark.parametrize("place", ["middle", "store"])
def test_a_probe_inside_is_refused(program: Path, place: str) -> None:
    run = up.Session([str(program)], backend="gdbremote", timeout=20)
    run.probe(f"p:place {program}:{place}", up.Count())
    with run, pytest.raises(ProbeError, match="between a load-exclusive and its store-exclusive"):
        run.run()
