"""What a backend cannot do is refused before the program starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from uprobe_core.backend import Bind, Limits
from uprobe_core.errors import BackendError, UsageError
from uprobe_core.event_model import EventSpec, FetchArg, FetchOp, FetchType, OpCode
from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.session.abilities import clock_of, refuse_lacking, warnings_of
from uprobe_core.session.choices import choose_mode, target_of, writer_of
from uprobe_core.testing.fake_backend import ALL_CAPABILITIES
from uprobe_core.types import Mode, Policy, Returns

PLAIN = EventSpec("r", "g", "out", "loop", 0x6D4)
COUNTS = replace(PLAIN, args=(FetchArg("i", "$insns", FetchType("u64", 8, "u"), (FetchOp(OpCode.INSNS),)),))
WITHOUT = replace(ALL_CAPABILITIES, work=False)


def test_an_event_that_counts_instructions_needs_a_backend_that_counts_them() -> None:
    with pytest.raises(BackendError, match=r"'unicorn' does not count, and g/out has \$insns"):
        refuse_lacking(WITHOUT, RunSetup(("./loop",)), [PLAIN, COUNTS])


def test_other_events_and_other_backends_are_not_refused() -> None:
    refuse_lacking(WITHOUT, RunSetup(("./loop",)), [PLAIN])
    refuse_lacking(ALL_CAPABILITIES, RunSetup(("./loop",)), [COUNTS])


@pytest.mark.parametrize("given", [{"depth": 2}, {"min_time": 10}, {"tree_of": "f"}])
def test_what_is_of_a_tree_is_refused_where_there_is_none(given: dict[str, Any]) -> None:
    flag = f"--{next(iter(given)).replace('_', '-')} is of a tree of calls"
    for setup in (RunSetup(**given), RunSetup(functions=("f",), consumers=(ConsumerUse("count"),), **given)):
        with pytest.raises(UsageError, match=flag):
            writer_of(setup)
    for setup in (RunSetup(functions=("f",), **given), RunSetup(format="tree", **given)):
        assert writer_of(setup).name == "tree"


def test_a_program_inherits_all_but_our_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPROBE_ENGINE", "py")
    monkeypatch.setenv("UNRELATED", "1")
    env = target_of(RunSetup(("./loop",)), ALL_CAPABILITIES).env
    assert env["UNRELATED"] == "1"
    assert "UPROBE_ENGINE" not in env


def test_a_program_is_given_one_of_our_variables_where_the_set_up_says_so() -> None:
    setup = RunSetup(("./loop",), env={"UPROBE_ENGINE": "c"})
    assert target_of(setup, ALL_CAPABILITIES).env["UPROBE_ENGINE"] == "c"


STUB = replace(
    ALL_CAPABILITIES,
    processes=False,
    visible_traps=False,
    vectors=False,
    architectures=frozenset({"arm64"}),
    targets=frozenset({"address"}),
    clocks=frozenset({"host"}),
    seed=False,
    limits=frozenset({"seconds"}),
    sandbox=False,
    binds=False,
    native=False,
)
"""A backend that talks to something elsewhere."""


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"arch": "toy"}, "runs no 'toy' programs"),
        ({"clock": "virtual"}, "has no virtual clock"),
        ({"seed": 7}, "has no seed"),
        ({"limits": Limits(instructions=5)}, "does not enforce --max-insns"),
        ({"limits": Limits(memory=5)}, "does not enforce --max-memory"),
        ({"limits": Limits(processes=5)}, "does not enforce --max-processes"),
        ({"sysroot": "x", "sysroot_read_only": True}, "cannot keep the program from writing"),
        ({"binds": (Bind("a", "/b"),)}, "cannot show the program files"),
        ({"engine": "c"}, "works with the Python engine only"),
        ({"pid": 7}, "cannot attach to process 7"),
    ],
)
def test_a_wish_that_a_backend_cannot_fulfil_is_refused_by_the_core(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(BackendError, match=text) as caught:
        refuse_lacking(STUB, RunSetup(("./loop",), **asked), ())
    assert caught.value.slug == "backend-lacks"
    assert caught.value.hint


@pytest.mark.parametrize("asked", [{"address": "tcp:a:1"}, {"maps": (Bind("a", "/b"),)}])
def test_a_backend_that_runs_programs_itself_has_no_use_for_an_address(asked: dict[str, Any]) -> None:
    with pytest.raises(BackendError, match="runs programs itself"):
        refuse_lacking(ALL_CAPABILITIES, RunSetup(("./loop",), **asked), ())


def test_what_nobody_asked_for_is_not_refused() -> None:
    refuse_lacking(STUB, RunSetup(("./loop",), limits=Limits(seconds=1)), [PLAIN])


def test_a_vector_register_needs_a_backend_that_reads_them() -> None:
    vector = FetchArg("d", "%d0", FetchType("u64", 8, "u"), (FetchOp(OpCode.VREG, 0, 8),))
    with pytest.raises(BackendError, match="reads no vector registers, and g/out has one"):
        refuse_lacking(STUB, RunSetup(("./loop",)), [replace(PLAIN, args=(vector,))])


def test_differences_that_nobody_asked_about_are_warned_of() -> None:
    kernel = RunSetup(("./loop",), policy=Policy("kernel"))
    assert len(list(warnings_of(STUB, kernel, Returns.HIJACK))) == 2
    assert list(warnings_of(STUB, RunSetup(("./loop",)), Returns.WATCH)) == []
    assert list(warnings_of(ALL_CAPABILITIES, kernel, Returns.HIJACK)) == []


def test_the_clock_is_that_of_executed_work_where_there_is_one() -> None:
    setup = RunSetup(("./loop",))
    assert (clock_of(ALL_CAPABILITIES, setup), clock_of(STUB, setup)) == ("virtual", "host")
    assert target_of(setup, STUB).clock == "host"


@pytest.mark.parametrize(("most", "mode"), [(None, Mode.INLINE), (64, Mode.TRAP), (100, Mode.INLINE)])
def test_a_backend_says_up_to_how_many_probes_inline_is_cheaper(most: int | None, mode: Mode) -> None:
    can = replace(ALL_CAPABILITIES, inline_at_most=most)
    assert choose_mode(can, RunSetup(("./loop",)), 100) is mode
