"""Bind the arch operations once, so that a hit makes plain calls and no pluggy ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

from uprobe_core.arch_hooks import PROJECT, ArchHooks
from uprobe_core.errors import PluginError
from uprobe_core.types import Analysis, Policy
from uprobe_core.unwinding import FrameRules

if TYPE_CHECKING:
    from uprobe_core.backend import Process, Task
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("ArchOps", "bind_arch", "check_policy")

_OPTIONAL: dict[str, Callable[..., Any]] = {
    "ignore": lambda _task, _analysis: False,
    "optimize": lambda _task, _analysis, _vaddr: False,
    "argument_register": lambda _number: None,
    "vector_register": lambda _name: None,
    "frame_rules": lambda: None,
}


class ArchOps:
    """The operations of one architecture as plain callables with positional arguments.

    Each attribute has the name and the arguments of the hook in
    :class:`~uprobe_core.arch_hooks.ArchHooks` that it calls.
    """

    swbp: bytes
    slot_bytes: int
    register_index: Callable[[str], int | None]
    argument_register: Callable[[int], int | None]
    vector_register: Callable[[str], tuple[int, int] | None]
    analyze_insn: Callable[[bytes, int, Policy], Analysis]
    ignore: Callable[[Task, Analysis], bool]
    skip_sstep: Callable[[Task, Utask, Analysis], bool]
    xol_copy: Callable[[Process, int, Analysis], bool]
    xol_flush: Callable[[Process, int], bool]
    pre_xol: Callable[[Task, Utask], bool]
    post_xol: Callable[[Task, Utask], bool]
    abort_xol: Callable[[Task, Utask], bool]
    xol_was_trapped: Callable[[Utask], bool]
    optimize: Callable[[Task, Analysis, int], bool]
    hijack_return_addr: Callable[[Task, int], int]
    return_address: Callable[[Task], int]
    is_alive: Callable[[ReturnInstance, int, bool], bool]
    stack_pointer: Callable[[Task], int]
    frame_rules: Callable[[], FrameRules | None]


def bind_arch(plugin: object, wrappers: tuple[object, ...] = ()) -> ArchOps:
    """Register *plugin* and third parties' *wrappers*, and resolve every operation to a plain call.

    A lone implementation is called directly; only an operation that somebody
    wraps keeps going through pluggy.  Raises PluginError when the plugin
    lacks an operation or names one that does not exist.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ArchHooks)
    name = type(plugin).__name__
    try:
        manager.register(plugin)
        for wrapper in wrappers:
            manager.register(wrapper)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"arch plugin {name} does not fit its contract: {error}", plugin=name) from error
    ops = ArchOps()
    for hook, spec in vars(ArchHooks).items():
        if hook.startswith("_"):
            continue
        call = _plain_call(manager, hook, spec.__code__.co_varnames[1 : spec.__code__.co_argcount], name)
        if hook == "swbp_insn":
            ops.swbp = call()
        elif hook == "slot_bytes":
            ops.slot_bytes = call()
        else:
            setattr(ops, hook, call)
    return ops


def check_policy(arch: ArchOps, policy: Policy) -> None:
    """Raise ConfigError if *arch* knows no rulings of that kernel version, before any probe asks for one."""
    if policy.is_kernel:
        arch.analyze_insn(bytes(arch.slot_bytes), 0, policy)


def _plain_call(
    manager: pluggy.PluginManager, hook: str, names: tuple[str, ...], plugin: str
) -> Callable[..., Any]:
    caller = getattr(manager.hook, hook)
    impls = caller.get_hookimpls()
    if not impls:
        if hook in _OPTIONAL:
            return _OPTIONAL[hook]
        raise PluginError(
            f"arch plugin {plugin} does not implement {hook!r}",
            plugin=plugin,
            hint=f"every operation but {', '.join(_OPTIONAL)} is required",
        )
    if len(impls) == 1 and tuple(impls[0].argnames) == names:
        function: Callable[..., Any] = impls[0].function
        return function

    def through_pluggy(*args: Any) -> Any:
        return caller(**dict(zip(names, args, strict=True)))

    return through_pluggy
