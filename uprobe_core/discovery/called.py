"""The pluggy manager of the ``uprobe.plugins`` group: every installed plugin, in a known order.

Environment switches:

``UPROBE_LOAD_PLUGINS``
    a comma-separated list of entry-point names; only these are loaded, and
    none when it is empty.  Unset: all.
``UPROBE_TRACE_PLUGINS``
    set to 1, each hook call is written to standard error with its arguments.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from uprobe_core.discovery.blamed_wrapper import blamed_wrapper
from uprobe_core.discovery.contracts import blamed, blaming, construct
from uprobe_core.discovery.entries import Kind, PluginEntry, entries
from uprobe_core.discovery.importing import import_plugin
from uprobe_core.discovery.load import choose
from uprobe_core.errors import PluginError, UprobeError

__all__ = ("LOAD_SWITCH", "TRACE_SWITCH", "create", "empty_manager", "has_plugins", "wanted", "wrappers_of")

LOAD_SWITCH = "UPROBE_LOAD_PLUGINS"
TRACE_SWITCH = "UPROBE_TRACE_PLUGINS"


def wanted() -> list[PluginEntry]:
    """The entries of ``uprobe.plugins`` that the environment lets load, sorted by name.

    Raises PluginError for a name in UPROBE_LOAD_PLUGINS that is not installed.
    """
    installed = entries(Kind.PLUGIN)
    chosen = os.environ.get(LOAD_SWITCH)
    if chosen is None:
        return installed
    asked = {name.strip() for name in chosen.split(",") if name.strip()}
    unknown = asked - {entry.name for entry in installed}
    if unknown:
        raise PluginError(
            f"{LOAD_SWITCH} names {', '.join(sorted(unknown))}, which is not installed",
            plugin=min(unknown),
            hint=f"installed: {', '.join(entry.name for entry in installed) or 'none'}",
            slug="unknown-plugin",
        )
    return [entry for entry in installed if entry.name in asked]


def create(on_failure: Callable[[PluginError], None] | None = None) -> Any:
    """Return a pluggy.PluginManager with every wanted plugin registered; without any, what does nothing.

    Hooks are called in the order of entry-point names, whatever the order of
    installation.  A plugin that fails to load goes to *on_failure* and the
    others go on; without *on_failure* its PluginError is raised.
    """
    plugins = wanted()
    if not plugins and os.environ.get(TRACE_SWITCH) != "1":
        return _Nobody()
    manager = empty_manager()
    # pluggy calls the last registered first, so the first name is registered last.
    for entry in reversed(plugins):
        _register(manager, entry, on_failure)
    if os.environ.get(TRACE_SWITCH) == "1":
        manager.add_hookcall_monitoring(_trace, lambda *_: None)
    return manager


def empty_manager() -> Any:
    """Return a pluggy.PluginManager that knows the hooks, and no plugin."""
    import pluggy

    from uprobe_core.hookspecs import PROJECT, PluginHooks

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(PluginHooks)
    return manager


def wrappers_of(manager: Any) -> tuple[object, ...]:
    """What the plugins that *manager* knows wrap around the architecture; raises PluginError."""
    if not has_plugins(manager):
        return ()
    from uprobe_core.discovery.wrappers import arch_wrappers

    return arch_wrappers(manager)


def has_plugins(manager: Any) -> bool:
    """Whether *manager* knows any, or is watched."""
    return not isinstance(manager, _Nobody)


class _Nobody:
    """A manager with no plugins: nobody answers any hook."""

    @property
    def hook(self) -> Any:
        """Its hooks are attributes, as pluggy's are."""
        return self

    def __getattr__(self, _hook: str) -> Callable[..., list[Any]]:
        return lambda **_arguments: []


def _register(manager: Any, entry: PluginEntry, on_failure: Callable[[PluginError], None] | None) -> None:
    """Load, check and register one plugin; a failure is reported and the plugin left out."""
    from uprobe_core.discovery.fitting import check_instance

    try:
        instance = construct(entry, import_plugin(choose(Kind.PLUGIN, entry.name)))
        check_instance(entry, instance)
    except UprobeError as error:
        failure = error if isinstance(error, PluginError) else PluginError(str(error), plugin=entry.name)
        if on_failure is None:
            raise failure from error
        on_failure(failure)
        return
    manager.register(instance, name=entry.name)
    _blame_hooks(manager, entry, instance)


def _blame_hooks(manager: Any, entry: PluginEntry, instance: Any) -> None:
    """Let an exception of a hook name the plugin: pluggy passes it on as it is."""
    for caller in manager.get_hookcallers(instance):
        for own in caller.get_hookimpls():
            if own.plugin is not instance or own.hookwrapper:
                continue
            what = f"do its part of {caller.name}"
            if own.wrapper:
                own.function = blamed_wrapper(own.function, partial(blaming, entry.name, what, "plugin"))
            else:
                own.function = blamed(own.function, entry.name, what, "plugin")


def _trace(hook: str, _implementations: object, arguments: Mapping[str, Any]) -> None:
    """Write one hook call to standard error."""
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    print(f"uprobe: hook {hook}({shown})", file=sys.stderr)
