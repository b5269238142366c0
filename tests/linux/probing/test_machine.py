"""What the core may ask of a process and is told by a machine: the contract of uprobe_core.backend.

The program prints the same number however it is probed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from uprobe_linux.cpu import Event
from uprobe_unicorn import UnicornBackend

from tests import programs
from tests.linux.guests import build
from tests.linux.run_guest import Nobody
from uprobe_core.backend import ExitStatus, Limits, Target
from uprobe_core.types import Access, Fault, FaultKind, FileId, Mode, TrapResult

BRK5 = (0xD42000A0).to_bytes(4, "little")
PC = 32


class Recorder(Nobody):
    """Writes down what the machine tells; ``on`` maps a call's name to what to do then."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.on: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)

        def told(*arguments: Any, **options: Any) -> Any:
            self.log.append((name, *arguments[1:]))
            act = self.on.get(name)
            return act(*arguments) if act else None

        return told

    def on_trap(self, task: Any, address: int) -> TrapResult:
        self.log.append(("on_trap", address))
        act = self.on.get("on_trap")
        return act(task, address) if act else TrapResult.NOT_OURS

    def calls(self, name: str) -> list[Any]:
        return [entry[1:] for entry in self.log if entry[0] == name]


@pytest.fixture(scope="module")
def program() -> Path:
    return build("probed")


@pytest.fixture(scope="module")
def symbols(program: Path) -> dict[str, int]:
    return {name: address for name, (address, _offset) in programs.symbols(program).items()}


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture
def opened(program: Path, handler: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    machines: list[Any] = []
    monkeypatch.setenv("UPROBE_ENGINE", "py")
    monkeypatch.chdir(program.parent)

    def make(*arguments: str, **options: Any) -> Any:
        target = Target(argv=[str(program), *arguments], **{"limits": Limits(seconds=60), **options})
        machines.append(UnicornBackend().open(target, handler))
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()


def output(machine: Any, capfd: pytest.CaptureFixture[str]) -> tuple[str, ExitStatus]:
    status = machine.run()
    return capfd.readouterr().out, status


def total(terms: list[int]) -> str:
    """What the program's loop makes of what place() answers."""
    result = 0
    for term in terms:
        result = result * 3 + term
    return f"{result}\n"


SUM = total([(i + 1) ^ 2 for i in range(5)])


def process_of(machine: Any) -> Any:
    return machine.main


def test_unprobed_program_prints_its_sum(opened: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The reference for the tests below."""
    assert output(opened(), capfd) == (SUM, ExitStatus(0))


def test_mappings_are_told_before_anything_runs(
    opened: Any, handler: Recorder, symbols: dict[str, int]
) -> None:
    """Among them the executable one of the program, with its file and offset."""
    machine = opened()
    status = os.stat(machine.target.argv[0])
    told = [mapping for (mapping,) in handler.calls("on_mmap") if mapping.executable]
    assert [m.file for m in told] == [FileId(status.st_dev, status.st_ino)]
    assert told[0].start <= symbols["place"] < told[0].end


@pytest.mark.parametrize("visible", [False, True])
def test_trap_is_told_before_each_execution(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str], visible: bool
) -> None:
    """Five calls, five traps; the core steps over the instruction in a slot."""
    machine = opened()
    process = process_of(machine)
    second = symbols["second"]
    original = process.read(second, 4)
    process.insert_trap(second, BRK5, visible=visible)
    assert process.read(second, 4) == (BRK5 if visible else original)
    step_in_slots(process, handler, original)
    assert output(machine, capfd) == (SUM, ExitStatus(0))
    assert handler.calls("on_trap") == [(second,)] * 5
    assert len(handler.calls("on_step_done")) == 5


def step_in_slots(process: Any, handler: Recorder, original: bytes) -> None:
    """What the core does with a hit: out of line, at the first slot."""
    area, size, stride = process.create_xol_area(BRK5)
    assert (area, size, stride) == (0xFFFFFFFFFF000, 4096, 8)
    slot = area + 4
    places: list[int] = []

    def trap(task: Any, address: int) -> TrapResult:
        places.append(address)
        process.write_slot(slot, original)
        process.flush(slot, 4)
        task.set_reg(PC, slot)
        task.single_step(True)
        return TrapResult.HANDLED

    def done(task: Any) -> None:
        assert task.get_reg(PC) == slot + 4
        task.single_step(False)
        task.set_reg(PC, places[-1] + 4)

    handler.on["on_trap"] = trap
    handler.on["on_step_done"] = done


def test_landing_of_a_slot_that_the_program_had_executed_before_is_met(
    opened: Any, symbols: dict[str, int]
) -> None:
    """The page is executable to the program: what it translated there is forgotten with the slot."""
    machine = opened()
    process, cpu = process_of(machine), machine.cpu
    area, _, _ = process.create_xol_area(BRK5)
    slot, isb = area + 8, (0xD5033FDF).to_bytes(4, "little")  # behind ISB another block begins
    cpu.set_reg(PC, slot + 4)
    assert cpu.run() is Event.UNDEFINED
    process.write_slot(slot, isb)
    process.flush(slot, 4)
    cpu.set_reg(PC, slot)
    assert (cpu.run(), cpu.get_reg(PC)) == (Event.BREAK, slot + 4)


def test_removed_trap_is_not_told_any_more(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """Taken out at its first hit: the instruction runs in place, and no further hit comes."""
    machine = opened()
    process = process_of(machine)
    process.insert_trap(symbols["second"], BRK5, visible=False)

    def trap(task: Any, address: int) -> TrapResult:
        process.remove_trap(address)
        return TrapResult.HANDLED

    handler.on["on_trap"] = trap
    assert output(machine, capfd) == (SUM, ExitStatus(0))
    assert len(handler.calls("on_trap")) == 1


def test_step_at_its_own_place_ends_behind_the_instruction(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """The breakpoint is lifted for one step and put back; a load runs, and the branch behind it."""
    machine = opened()
    process = process_of(machine)
    third = symbols["third"]
    process.insert_trap(third, BRK5, visible=False)

    def trap(task: Any, address: int) -> TrapResult:
        process.remove_trap(address)
        task.single_step(True)
        return TrapResult.HANDLED

    def done(task: Any) -> None:
        assert task.get_reg(PC) == third + 4
        task.single_step(False)
        process.insert_trap(third, BRK5, visible=False)

    handler.on.update(on_trap=trap, on_step_done=done)
    assert output(machine, capfd) == (SUM, ExitStatus(0))
    assert len(handler.calls("on_trap")) == len(handler.calls("on_step_done")) == 5


def test_inline_hook_is_told_once_per_execution(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """With the registers as they are before the instruction; reading memory is fine there."""
    machine = opened()
    process = process_of(machine)
    process.insert_inline(symbols["second"])
    seen: list[int] = []
    handler.on["on_inline"] = lambda task, address: seen.append(task.get_reg(0))
    assert output(machine, capfd) == (SUM, ExitStatus(0))
    assert seen == [1, 2, 3, 4, 5]


def test_inline_hook_that_moves_pc_skips_the_instruction(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """Without the exclusive or, the sum is another."""
    machine = opened()
    process_of(machine).insert_inline(symbols["second"])
    handler.on["on_inline"] = lambda task, address: task.set_reg(PC, address + 4)
    assert output(machine, capfd)[0] == total([1, 2, 3, 4, 5])


def test_inline_hook_that_is_removed_by_its_own_handler_hits_once(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """Changes asked for inside a callback take effect before the next instruction."""
    machine = opened()
    process = process_of(machine)
    process.insert_inline(symbols["second"])

    def hit(task: Any, address: int) -> None:
        process.remove_inline(address)
        process.insert_inline(symbols["third"])

    handler.on["on_inline"] = lambda task, address: (
        hit(task, address) if address == symbols["second"] else None
    )
    assert output(machine, capfd) == (SUM, ExitStatus(0))
    assert handler.calls("on_inline") == [(symbols["second"],)] + [(symbols["third"],)] * 5


def test_watch_is_counted(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """Two insertions need two removals; a watch comes before an inline hook at the same place."""
    machine = opened()
    process = process_of(machine)
    third = symbols["third"]
    process.insert_watch(third)
    process.insert_watch(third)
    process.insert_inline(third)
    process.remove_watch(third)

    def watch(task: Any, address: int) -> None:
        process.remove_watch(address)

    handler.on["on_watch"] = watch
    assert output(machine, capfd) == (SUM, ExitStatus(0))
    names = [entry[0] for entry in handler.log if entry[0] in ("on_watch", "on_inline")]
    assert names == ["on_watch"] + ["on_inline"] * 5


def test_programs_own_breakpoint_kills_it_with_sigtrap(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """NOT_OURS: what it would have got without us."""
    text, status = output(opened("b"), capfd)
    assert (text, status.signal, status.shell_status) == (SUM, 5, 133)
    assert handler.calls("on_trap") == [(symbols["own_brk"],)]


def test_fault_in_a_step_is_told_with_the_slots_pc(
    opened: Any, handler: Recorder, symbols: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    """The fault that the core answers with is delivered."""
    machine = opened("f")
    process = process_of(machine)
    place = symbols["faulting"]
    original = process.read(place, 4)
    process.insert_trap(place, BRK5, visible=False)
    step_in_slots(process, handler, original)
    faults: list[Fault] = []

    def fault(task: Any, seen: Fault) -> Fault:
        faults.append(seen)
        task.single_step(False)
        task.set_reg(PC, place)
        return seen

    handler.on["on_step_fault"] = fault
    _, status = output(machine, capfd)
    assert status.signal == 11
    assert faults == [Fault(FaultKind.MAPERR, 0xFFFFFFFFFF004, 0x123456, Access.READ)]


def test_call_soon_runs_in_order_in_the_running_thread(
    opened: Any, handler: Recorder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Asked for before the run: done when it starts."""
    machine = opened()
    done: list[int] = []
    machine.call_soon(lambda: done.append(1))
    machine.call_soon(lambda: done.append(2))
    assert done == []
    output(machine, capfd)
    assert done == [1, 2]


def test_instruction_limit_ends_the_run(opened: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Long before the program is done."""
    status = opened(limits=Limits(instructions=500)).run()
    assert (status.reason, status.signal) == ("max-insns", 9)


def test_same_program_executes_the_same_number_of_instructions(
    opened: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Counted to the block, not guessed."""
    counts = []
    for _ in range(2):
        machine = opened(limits=Limits(instructions=10**9))
        machine.run()
        counts.append(machine.statistics()["instructions"])
    assert counts[0] == counts[1] > 1000


def test_statistics_name_unknown_system_calls(opened: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """And count all."""
    machine = opened()
    machine.run()
    counts = machine.statistics()
    assert counts["syscalls"] >= 3
    unknown = [name for name in counts if name.startswith("unknown:")]
    assert counts.get("unknown-syscalls", 0) == sum(counts[name] for name in unknown)


def test_closing_twice_is_fine(opened: Any) -> None:
    """Idempotent."""
    machine = opened()
    machine.close()
    machine.close()


def test_package_imports_no_emulator(program: Path) -> None:
    """The entry point is looked at by name; Unicorn is loaded by open."""
    code = "import sys, uprobe_unicorn; print([m for m in sys.modules if 'unicorn' in m or m == 'ctypes'])"
    roots = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "backends")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
    done = subprocess.run(
        ["python3", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=program.parent,
    )
    assert Mode.TRAP in UnicornBackend().capabilities.modes
    assert "uprobe_linux" not in done.stdout
