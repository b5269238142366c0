"""Arch plugins from before ``architecture()``: what they say in single hooks, as the record of today."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from uprobe_core.arch_hooks import FORMER
from uprobe_core.architecture import Architecture, Registers
from uprobe_core.errors import PluginError

if TYPE_CHECKING:
    import pluggy

__all__ = ("described_by_former_hooks",)

_MOST_ARGUMENTS: Final = 64
"""In registers; no procedure call standard has more."""


class _Asked(Mapping[str, int]):
    """Names that a hook is asked for; it cannot list them."""

    def __init__(self, number_of: Callable[..., int | None]) -> None:
        self._number_of = number_of

    def __getitem__(self, name: str) -> int:
        number = self._number_of(name=name)
        if number is None:
            raise KeyError(name)
        return int(number)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def described_by_former_hooks(manager: pluggy.PluginManager, plugin: str) -> Architecture:
    """The record of a plugin that has the hooks that ``architecture`` took the place of.

    Raises PluginError, which says what to write, if it has not.
    """
    hook = manager.hook
    missing = [n for n in sorted(FORMER - {"argument_register"}) if not getattr(hook, n).get_hookimpls()]
    names = _Asked(hook.register_index)
    if missing or "sp" not in names or "pc" not in names:
        raise PluginError(
            f"arch plugin {plugin} does not implement 'architecture'",
            plugin=plugin,
            hint="return an uprobe_core.architecture.Architecture from it: registers, sizes, breakpoint",
        )
    size = int(hook.slot_bytes())
    return Architecture(plugin, _registers(names, hook.argument_register), hook.swbp_insn(), (size,), size)


def _registers(names: Mapping[str, int], argument: Callable[..., int | None]) -> Registers:
    found = [argument(number=number) for number in range(1, _MOST_ARGUMENTS)]
    arguments = tuple(takewhile(lambda number: number is not None, found))
    known = [names[name] for name in ("sp", "pc", "lr", "fp") if name in names]
    return Registers(
        names=names,
        count=max(known + [n for n in arguments if n is not None]) + 1,
        sp=names["sp"],
        pc=names["pc"],
        result=0,  # as it was for everybody
        arguments=tuple(n for n in arguments if n is not None),
        link=names.get("lr"),
        frame=names.get("fp"),
    )
