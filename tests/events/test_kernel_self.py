"""What a kernel says of itself: event numbers and its own stack, as recorded on four of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.events.support import load
from tests.programs import debian
from uprobe_core.events.kernel_self import kernel_self
from uprobe_core.run_setup import ConsumerUse
from uprobe_core.session import Session
from uprobe_core.types import Policy

RECORDED = load("kernel_self.json")["kernels"]
COMPILE = "aarch64-linux-gnu-gcc -O1 -g0 -static -no-pie -pthread -o filt cases/filt.c"


@pytest.mark.parametrize("release", RECORDED)
@pytest.mark.parametrize("way", ["entry", "return"])
def test_a_kernel_has_the_recorded_stack(release: str, way: str) -> None:
    kernel = kernel_self(Policy("kernel", release))
    assert kernel is not None
    recorded, is_return = RECORDED[release], way == "return"
    for counted in (True, False):
        stack = list(kernel.stack(is_return=is_return, counted=counted))
        assert stack == recorded["counted" if counted else "uncounted"][way]
    assert [kernel.symbol(at) for at in kernel.frames(is_return=is_return)] == recorded["key"][way]


@pytest.mark.parametrize("release", RECORDED)
def test_events_get_the_recorded_numbers(release: str) -> None:
    kernel = kernel_self(Policy("kernel", release))
    assert kernel is not None
    given: list[int] = []
    for _ in range(3):
        given.append(kernel.next_number(given))
    assert given == RECORDED[release]["types"]


@pytest.mark.parametrize(("release", "number"), [("6.1", 1216), ("6.12", 1383)])
def test_the_number_of_a_deleted_event_is_used_again_since_6_12(release: str, number: int) -> None:
    kernel = kernel_self(Policy("kernel", release))
    assert kernel is not None
    first, _second, third = RECORDED[release]["types"]
    assert kernel.next_number([first, third]) == number


def run(folder: Path, policy: str, *triggers: str) -> str:
    """The output of a run whose events ev and rv have the same *triggers*."""
    program, out = debian(COMPILE), folder / "out"
    with Session([str(program)], output=str(out), policy=policy, consumers=(ConsumerUse("trace"),)) as s:
        for line in (f"p:ev {program}:0x6d4 a=%x0", f"r:rv {program}:0x6d4 a=%x0"):
            s.probe(line)
        for text in triggers:
            for name in ("ev", "rv"):
                s.events.add_trigger(name, text, s)
        s.run()
    return out.read_text()


@pytest.mark.parametrize(
    ("trigger", "recorded"), [("stacktrace:1", "counted"), ("stacktrace if a == 100", "uncounted")]
)
@pytest.mark.parametrize("release", ["6.1", "6.12"])
def test_a_stacktrace_trigger_shows_the_stack_of_the_kernel(
    tmp_path: Path, release: str, trigger: str, recorded: str
) -> None:
    text = run(tmp_path, f"kernel:{release}", trigger)
    stacks = [found.split() for found in re.findall(r"<stack trace>\n((?: => \S+\n)+)", text)]
    shown = [[name for name in stack if name != "=>"] for stack in stacks]
    assert shown == list(RECORDED[release][recorded].values())


def test_a_key_is_the_stack_of_the_kernel(tmp_path: Path) -> None:
    text = run(tmp_path, "kernel", "hist:keys=common_stacktrace")
    keys = [found.split() for found in re.findall(r"{ common_stacktrace:\n((?: +\S+\n)+)}", text)]
    assert keys == list(RECORDED["6.12"]["key"].values())


def test_a_kernel_knows_no_symbol_of_the_program(tmp_path: Path) -> None:
    """Recorded on 6.12.117."""
    text = run(tmp_path, "kernel", "hist:keys=a.sym")
    found = re.findall(r"\{ (.*?) +\} hitcount: +(\d+)", text)
    assert found.count(("a: [64] 0x64", "1")) == 2
