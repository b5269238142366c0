"""Bind the arch operations once, so that a hit makes plain calls and no pluggy ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from uprobe_core.arch_hooks import FORMER, OPTIONAL, PROJECT, ArchHooks, FormerArchHooks
from uprobe_core.architecture import Architecture
from uprobe_core.errors import PluginError
from uprobe_core.hook_markers import is_plain_hook
from uprobe_core.types import Analysis, MemoryFault, Policy
from uprobe_core.unwinding import FrameRules

if TYPE_CHECKING:
    import pluggy

    from uprobe_core.backend import Process, Task
    from uprobe_core.types import GuestMemory
    from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("ArchOps", "bind_arch", "check_policy")

_STARRED: Final = 4 | 8
"""CO_VARARGS, CO_VARKEYWORDS (the inspect module, which takes long to import)."""


class ArchOps:
    """The operations of one architecture as plain callables with positional arguments.

    Each attribute has the name and the arguments of the hook in
    :class:`~uprobe_core.arch_hooks.ArchHooks` that it calls.

    :ivar info: what ``architecture`` gave
    """

    info: Architecture
    vector_register: Callable[[str], tuple[int, int] | None]
    register_hint: Callable[[str], str | None]
    marker_operand: Callable[[str, int, bool, Callable[[str], int | None]], str | None]
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
    frame_rules: Callable[[], FrameRules | None]

    def size_of(self, analysis: Analysis) -> int:
        """Bytes of the instruction that *analysis* is about."""
        return analysis.size or self.info.slot_bytes

    def encoding_of(self, analysis: Analysis) -> str:
        """The word of *analysis* as hexadecimal digits, as many as it has."""
        return f"{analysis.word:0{2 * self.size_of(analysis)}x}"

    def read_insn(self, memory: GuestMemory, address: int) -> bytes:
        """What lies at *address*: as much as a slot holds, or an instruction that ends where memory does.

        Raises MemoryFault where not even the shortest instruction is readable.
        """
        for size in _sizes(self.info.insn_sizes, self.info.slot_bytes):
            try:
                return memory.read(address, size)
            except MemoryFault:
                if size == self.info.alignment:
                    raise
        raise AssertionError("the shortest size is among them")


@cache
def _sizes(insn_sizes: tuple[int, ...], slot_bytes: int) -> tuple[int, ...]:
    """How much may have to be read of an instruction, the most first."""
    return tuple(sorted({*insn_sizes, slot_bytes}, reverse=True))


def bind_arch(plugin: object, wrappers: tuple[object, ...] = ()) -> ArchOps:
    """Register *plugin* and third parties' *wrappers*, and resolve every operation to a plain call.

    A lone implementation is called directly; only an operation that somebody
    wraps keeps going through pluggy.  Raises PluginError when the plugin
    lacks an operation or names one that does not exist.
    """
    name = type(plugin).__name__
    alone = None if wrappers else _operations_of(plugin)
    return _through_pluggy(plugin, wrappers, name) if alone is None else _bound(alone, name)


def _operations_of(plugin: object) -> dict[str, Callable[..., Any]] | None:
    """The operations of a plugin that has all of them, exactly as they are specified; None: pluggy judges."""
    found: dict[str, Callable[..., Any]] = {}
    for hook in dir(plugin):
        function = getattr(type(plugin), hook, None)
        is_plain = is_plain_hook(PROJECT, function or vars(plugin).get(hook))
        if is_plain is None:
            continue
        names = _arguments_of(vars(ArchHooks).get(hook))
        if not is_plain or names is None or names != _arguments_of(function):
            return None
        found[hook] = getattr(plugin, hook)
    wanted = {name for name in vars(ArchHooks) if not name.startswith("_")}
    return found if found.keys() >= wanted - OPTIONAL else None


def _arguments_of(function: Any) -> tuple[str, ...] | None:
    """The names of a plain function's positional arguments but the first; None: it is something else."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_kwonlyargcount or code.co_flags & _STARRED:
        return None
    if function.__defaults__ or hasattr(function, "__wrapped__"):
        return None
    names: tuple[str, ...] = code.co_varnames[1 : code.co_argcount]
    return names


def _bound(operations: dict[str, Callable[..., Any]], name: str) -> ArchOps:
    ops = ArchOps()
    for hook in OPTIONAL:
        setattr(ops, hook, _nothing)
    for hook, function in operations.items():
        if hook == "architecture":
            ops.info = _checked(function(), name)
        else:
            setattr(ops, hook, function)
    return ops


def _nothing(*_args: Any) -> None:
    """An operation that is left out."""


def _through_pluggy(plugin: object, wrappers: tuple[object, ...], name: str) -> ArchOps:
    from uprobe_core.probes.former_arch import described_by_former_hooks

    manager = _manager(plugin, wrappers, name)
    for wrapper in wrappers:
        _refuse_former(manager, wrapper)
    ops = ArchOps()
    former = not manager.hook.architecture.get_hookimpls()
    if former:
        ops.info = described_by_former_hooks(manager, name)
    for hook, spec in vars(ArchHooks).items():
        if hook.startswith("_") or (former and hook == "architecture"):
            continue
        call = _plain_call(manager, hook, spec.__code__.co_varnames[1 : spec.__code__.co_argcount], name)
        if hook == "architecture":
            ops.info = _checked(call(), name)
        else:
            setattr(ops, hook, call)
    return ops


def check_policy(arch: ArchOps, policy: Policy) -> None:
    """Raise ConfigError if *arch* knows no rulings of that kernel version, before any probe asks for one."""
    if policy.is_kernel:
        arch.analyze_insn(bytes(arch.info.slot_bytes), 0, policy)


def _manager(plugin: object, wrappers: tuple[object, ...], name: str) -> pluggy.PluginManager:
    import pluggy

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ArchHooks)
    manager.add_hookspecs(FormerArchHooks)
    try:
        manager.register(plugin)
        for wrapper in wrappers:
            manager.register(wrapper)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"arch plugin {name} does not fit its contract: {error}", plugin=name) from error
    return manager


def _refuse_former(manager: pluggy.PluginManager, wrapper: object) -> None:
    """A wrapper around what is not called any more would be silent for ever."""
    for caller in manager.get_hookcallers(wrapper) or []:
        if caller.name in FORMER:
            instead = str(vars(FormerArchHooks)[caller.name].__doc__).split(": ", 1)[1].rstrip(".")
            raise PluginError(
                f"{type(wrapper).__name__} wraps {caller.name!r}, which is called no more",
                plugin=type(wrapper).__name__,
                hint=f"wrap 'architecture' and look at {instead.replace('``', '')}",
            )


def _checked(info: object, plugin: str) -> Architecture:
    if not isinstance(info, Architecture):
        raise PluginError(
            f"arch plugin {plugin}: architecture() returned {info!r}",
            plugin=plugin,
            hint="it returns an uprobe_core.architecture.Architecture",
        )
    return info


def _plain_call(
    manager: pluggy.PluginManager, hook: str, names: tuple[str, ...], plugin: str
) -> Callable[..., Any]:
    caller = getattr(manager.hook, hook)
    impls = caller.get_hookimpls()
    is_done = any(not (impl.wrapper or impl.hookwrapper) for impl in impls)
    if not impls and hook in OPTIONAL:
        return _nothing
    if not is_done and hook not in OPTIONAL:
        raise PluginError(
            f"arch plugin {plugin} does not implement {hook!r}",
            plugin=plugin,
            hint=f"every operation but {', '.join(sorted(OPTIONAL))} is required",
        )
    if is_done and len(impls) == 1 and tuple(impls[0].argnames) == names:
        function: Callable[..., Any] = impls[0].function
        return function

    def through_pluggy(*args: Any) -> Any:
        return caller(**dict(zip(names, args, strict=True)))

    return through_pluggy
