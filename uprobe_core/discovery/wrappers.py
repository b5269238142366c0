"""What the plugins of every run wrap around the architecture, with the plugin's name on it.

A wrapper is called through pluggy at every hit anyway, so here is where its answers
are held against the hook's, and what it raises becomes an error that names its plugin.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from uprobe_core.arch_hooks import PROJECT, ArchHooks, FormerArchHooks
from uprobe_core.architecture import Architecture
from uprobe_core.discovery.blamed_wrapper import blamed_wrapper
from uprobe_core.discovery.contracts import blaming
from uprobe_core.errors import PluginError
from uprobe_core.types import Analysis

__all__ = ("arch_wrappers",)

_MARK = f"{PROJECT}_impl"
_KINDS: dict[str, type] = {"bool": bool, "int": int, "Analysis": Analysis, "Architecture": Architecture}
"""Of the hooks' annotations those that an answer is held against."""
_MAY_BE_NONE = frozenset({"ignore", "optimize"})


def arch_wrappers(manager: Any) -> tuple[object, ...]:
    """The wrappers of all plugins that *manager* knows, in their order.

    Raises PluginError for what is none.
    """
    hook = manager.hook.uprobe_arch_wrappers
    found = []
    for own in reversed(hook.get_hookimpls()):  # pluggy calls the last first
        if not (own.wrapper or own.hookwrapper):
            found += [_named(own.plugin_name, each) for each in _listed(own.plugin_name, own.function)]
    return tuple(found)


def _listed(plugin: str, function: Callable[[], Any]) -> list[object]:
    """What *function* of *plugin* gave, one by one."""
    with blaming(plugin, "do its part of uprobe_arch_wrappers", "plugin"):
        given = function()
        if given is None:
            return []
        if isinstance(given, str):
            raise TypeError(f"it returned {given!r}, not objects")
        return list(given)


def _named(plugin: str, wrapper: object) -> object:
    """*wrapper* with methods that blame *plugin*."""
    hooks = {name: getattr(wrapper, name) for name in dir(wrapper) if hasattr(_of(wrapper, name), _MARK)}
    if not hooks:
        raise PluginError(
            f"plugin {plugin!r} wraps nothing: {type(wrapper).__name__} has no method that is marked with"
            " uprobe_core.arch_hooks.hookimpl",
            plugin=plugin,
            hint="docs/hooks.md has the operations",
            slug="plugin-contract",
        )
    known = {**vars(FormerArchHooks), **vars(ArchHooks)}
    named = type(type(wrapper).__name__, (), {})()
    for name, method in hooks.items():
        if name not in known:
            raise PluginError(
                f"plugin {plugin!r} wraps {name!r}, which is no operation",
                plugin=plugin,
                hint="docs/hooks.md has the operations",
                slug="plugin-contract",
            )
        setattr(named, name, _blamed(plugin, name, method))
    return named


def _of(wrapper: object, name: str) -> Any:
    """The attribute *name* of *wrapper*, None where looking raises."""
    try:
        return getattr(wrapper, name)
    except Exception:
        return None


def _blamed(plugin: str, hook: str, method: Any) -> Callable[..., Any]:
    """*method*, which is a hook, with what it does wrong blamed on *plugin*."""
    is_wrapper, marks = inspect.isgeneratorfunction(method), getattr(method, _MARK)
    if is_wrapper != (marks["wrapper"] or marks["hookwrapper"]):
        raise PluginError(
            f"plugin {plugin!r} does not fit the plugin contract: a wrapper of {hook} has to yield once,"
            " and to be marked with wrapper=True",
            plugin=plugin,
            hint="docs/plugins.md has an example",
            slug="plugin-contract",
        )
    blame = partial(blaming, plugin, f"do its part of {hook}", "plugin")
    check = partial(_checked, hook, _wanted(hook))

    if is_wrapper:
        return method if marks["hookwrapper"] else blamed_wrapper(method, blame, check)

    @wraps(method)
    def instead(*args: Any) -> Any:
        with blame():
            answer = method(*args)
            return None if answer is None else check(answer)

    return instead


def _wanted(hook: str) -> type | None:
    """What an answer of *hook* is, None: not looked at here."""
    specified = vars(ArchHooks).get(hook)
    return _KINDS.get(specified.__annotations__["return"]) if specified is not None else None


def _checked(hook: str, wanted: type | None, answer: Any) -> Any:
    """*answer*, if it is one of *hook*; raises TypeError."""
    if wanted is None or (answer is None and hook in _MAY_BE_NONE):
        return answer
    if not isinstance(answer, wanted) or (wanted is int and isinstance(answer, bool)):
        raise TypeError(f"it returned {answer!r}, which is no {wanted.__name__}")
    return answer
