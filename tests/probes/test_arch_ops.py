"""Arch plugins of today and of before, bound; what cannot be bound says what to change."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pluggy
import pytest

from uprobe_core.arch_hooks import ArchHooks, hookimpl
from uprobe_core.architecture import Architecture
from uprobe_core.errors import PluginError, UsageError
from uprobe_core.hook_markers import HookimplMarker, HookspecMarker
from uprobe_core.probes.arch_ops import _operations_of, _through_pluggy, bind_arch
from uprobe_core.testing.toy_arch import REGISTERS, SWBP, Op, ToyArch, encode, short
from uprobe_core.types import Access, MemoryFault, Policy


def without(*names: str) -> object:
    """The toy with some of its hooks left out."""
    hooks = {name: vars(ToyArch)[name] for name in vars(ToyArch) if name not in {*names, "__dict__"}}
    made: type[Any] = type("Partial", (), hooks)
    return made()


class Former:
    """The hooks that ``architecture`` took the place of, as a plugin of then had them."""

    names = {"sp": 1, "pc": 0, "lr": 2, "fp": 12}

    @hookimpl
    def swbp_insn(self) -> bytes:
        return SWBP

    @hookimpl
    def slot_bytes(self) -> int:
        return 4

    @hookimpl
    def register_index(self, name: str) -> int | None:
        return self.names.get(name)

    @hookimpl
    def argument_register(self, number: int) -> int | None:
        return 2 + number if number <= 4 else None

    @hookimpl
    def stack_pointer(self, task: Any) -> int:
        return int(task.get_reg(1))


def former(*left_out: str) -> object:
    """A whole plugin of then, without some of its hooks."""
    now = {n: v for n, v in vars(ToyArch).items() if n not in {"architecture", "__dict__", "__weakref__"}}
    then = {name: hook for name, hook in vars(Former).items() if not name.startswith("__")}
    hooks = {name: hook for name, hook in (now | then).items() if name not in left_out}
    made: type[Any] = type("FormerArch", (), hooks)
    return made()


def test_the_record_is_what_the_plugin_gives() -> None:
    arch = bind_arch(ToyArch())
    assert (arch.info.registers, arch.info.breakpoint, arch.info.insn_sizes) == (REGISTERS, SWBP, (2, 4))


def test_a_plugin_from_before_the_record_still_runs() -> None:
    info = bind_arch(former()).info
    registers = info.registers
    assert (registers.sp, registers.pc, registers.link, registers.frame) == (1, 0, 2, 12)
    assert (registers.arguments, registers.result, registers.count) == ((3, 4, 5, 6), 0, 13)
    assert (info.breakpoint, info.slot_bytes, info.insn_sizes) == (SWBP, 4, (4,))
    assert registers.names.get("lr") == 2
    assert "nonsense" not in registers.names


def test_a_former_plugin_may_have_no_registers_for_arguments() -> None:
    assert bind_arch(former("argument_register")).info.registers.arguments == ()


def test_a_plugin_that_has_neither_is_told_what_to_write() -> None:
    with pytest.raises(PluginError, match="'architecture'") as caught:
        bind_arch(former("swbp_insn"))
    assert "uprobe_core.architecture.Architecture" in caught.value.hint


def test_a_record_that_is_none_is_refused() -> None:
    class Wrong(ToyArch):
        @hookimpl
        def architecture(self) -> Any:
            return {"name": "toy"}

    with pytest.raises(PluginError, match="architecture\\(\\) returned"):
        bind_arch(Wrong())


def test_a_wrapper_around_what_nobody_calls_any_more_is_refused() -> None:
    class Wrapper:
        @hookimpl(wrapper=True)
        def stack_pointer(self, task: Any) -> Generator[None, int, int]:
            return (yield)

    with pytest.raises(PluginError, match="wraps 'stack_pointer', which is called no more") as caught:
        bind_arch(ToyArch(), (Wrapper(),))
    assert "registers.sp" in caught.value.hint


def test_a_wrapper_may_change_the_record() -> None:
    class Wrapper:
        @hookimpl(wrapper=True)
        def architecture(self) -> Generator[None, Architecture, Architecture]:
            info = yield
            return Architecture(f"wrapped {info.name}", info.registers, SWBP, (2, 4), 4)

    assert bind_arch(ToyArch(), (Wrapper(),)).info.name == "wrapped toy"


def test_a_hook_that_may_be_left_out_means_no() -> None:
    arch = bind_arch(without("ignore", "optimize"))
    assert not arch.optimize(object(), object(), 0)  # type: ignore[arg-type]
    assert arch.register_hint("x0") is None


def test_a_hook_that_is_required_is_named() -> None:
    with pytest.raises(PluginError, match="does not implement 'xol_was_trapped'"):
        bind_arch(without("xol_was_trapped"))


class Memory:
    """A few readable bytes from 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, address: int, size: int) -> bytes:
        if address + size > len(self.data):
            raise MemoryFault(len(self.data), Access.READ)
        return self.data[address : address + size]

    def write(self, address: int, data: bytes) -> None:
        raise AssertionError


def test_a_short_instruction_at_the_end_of_memory_can_be_read() -> None:
    arch = bind_arch(ToyArch())
    memory = Memory(encode(Op.NOP) + short(Op.RET))
    assert arch.read_insn(memory, 0) == encode(Op.NOP)
    assert arch.read_insn(memory, 4) == short(Op.RET)
    with pytest.raises(MemoryFault):
        arch.read_insn(memory, 6)


@pytest.mark.parametrize(("code", "size"), [(encode(Op.ADD, 1), 4), (short(Op.ADD, 1), 2)])
def test_an_analysis_has_the_length_of_its_instruction(code: bytes, size: int) -> None:
    arch = bind_arch(ToyArch())
    assert arch.size_of(arch.analyze_insn(code, 0, Policy())) == size
    assert arch.encoding_of(arch.analyze_insn(code, 0, Policy())) == code[::-1].hex()


def test_registers_have_names_and_say_so_of_those_that_there_are_not() -> None:
    assert REGISTERS.number("ra") == 2
    with pytest.raises(UsageError, match="no register is called 'x0'") as caught:
        REGISTERS.number("x0")
    assert "pc, sp, ra, a0" in caught.value.hint


def test_what_imports_arm64s_registers_from_types_still_finds_them() -> None:
    from uprobe_arm64 import Arm64Arch

    from uprobe_core import types

    register: Any = types.Register  # type: ignore[attr-defined]
    registers = Arm64Arch().architecture().registers
    assert (registers.sp, registers.pc) == (register.SP, register.PC)
    with pytest.raises(AttributeError):
        types.NoSuchName  # type: ignore[attr-defined]  # noqa: B018


def test_a_plugin_that_is_as_specified_is_bound_without_pluggy_as_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin, names = ToyArch(), [name for name in vars(ArchHooks) if not name.startswith("_")]
    with_pluggy = _through_pluggy(plugin, (), "ToyArch")
    monkeypatch.setitem(sys.modules, "pluggy", None)
    alone = bind_arch(plugin)
    assert alone.info.registers.names == with_pluggy.info.registers.names
    for name in set(names) - {"architecture"}:
        assert getattr(alone, name) == getattr(with_pluggy, name), name


@pytest.mark.parametrize("options", [{"wrapper": True}, {"specname": "optimize"}, {"tryfirst": True}])
def test_a_hook_that_asks_for_more_is_pluggys(options: dict[str, Any]) -> None:
    def ignore(self: object, task: object, analysis: object) -> None:
        """More than the specification has."""

    made: type[Any] = type("More", (ToyArch,), {"ignore": hookimpl(**options)(ignore)})
    assert _operations_of(made()) is None


@pytest.mark.parametrize(
    ("ours", "pluggys", "option"),
    [
        (HookimplMarker, pluggy.HookimplMarker, "tryfirst"),
        (HookspecMarker, pluggy.HookspecMarker, "firstresult"),
    ],
)
def test_a_marker_notes_what_pluggys_notes(ours: Any, pluggys: Any, option: str) -> None:
    def noted(marker: Any) -> tuple[dict[str, Any], ...]:
        functions = [lambda: None, lambda: None]
        marker(functions[0])
        marker(**{option: True})(functions[1])
        return tuple(vars(function) for function in functions)

    assert noted(ours("project")) == noted(pluggys("project"))


def test_a_marker_refuses_an_option_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="'tryfrist'"):
        hookimpl(tryfrist=True)
