"""Whether a loaded plugin fits its contract, and an error that names it when it does not.

A run holds other people's plugins against it; ours are by the tests, and looking at
signatures takes a tenth of a short run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from uprobe_core.discovery.contract_versions import CONTRACTS
from uprobe_core.discovery.contracts import construct
from uprobe_core.discovery.entries import Kind, PluginEntry
from uprobe_core.errors import PluginError

__all__ = ("check_class", "check_instance", "check_version", "contract_of", "try_writer")


def contract_of(entry: PluginEntry) -> type | None:
    """The Protocol that plugins of this kind satisfy; None where pluggy validates instead."""
    if entry.kind is Kind.BACKEND:
        from uprobe_core.backend import Backend

        return Backend
    if entry.kind is Kind.DECODER:
        from uprobe_core.decoder import Decoder

        return Decoder
    if entry.kind is Kind.CONSUMER:
        from uprobe_core.consumer import ConsumerPlugin

        return ConsumerPlugin
    if entry.kind is Kind.WRITER:
        from uprobe_core.writer import Writer

        return Writer
    return None


def check_version(entry: PluginEntry, plugin: Any) -> None:
    """Raise PluginError if *plugin* says in ``contract`` that it was made for another major version."""
    made_for = getattr(plugin, "contract", None)
    if made_for is None:
        return
    ours = CONTRACTS[entry.kind.word]
    major = made_for.partition(".")[0] if isinstance(made_for, str) else ""
    if not major.isdecimal():
        raise _mismatch(entry, f'contract is {made_for!r}, which is no version such as "{ours}"')
    if major != ours.partition(".")[0]:
        raise PluginError(
            f"{entry} was made for version {made_for} of the {entry.kind.word} contract,"
            f" and this uprobe has {ours}",
            plugin=entry.name,
            hint="install a release of its package for this uprobe, or another uprobe",
            slug="plugin-version",
        )


def check_class(entry: PluginEntry, plugin: Any) -> None:
    """Raise PluginError unless the class *plugin* has what its contract asks for."""
    check_version(entry, plugin)
    if not callable(plugin):
        raise _mismatch(entry, f"{entry.target} is a {type(plugin).__name__}, not a class")
    _check_members(entry, plugin, skip_self=isinstance(plugin, type))
    if entry.kind is Kind.WRITER:
        _check_writer(entry, plugin)


def _check_writer(entry: PluginEntry, plugin: Any) -> None:
    """Raise PluginError if a writer says what it is in other words, or does nothing when it is called."""
    for name in ("wants_stacks", "wants_frames", "appends"):
        if not isinstance(getattr(plugin, name, False), bool):
            raise _mismatch(entry, f"{name} is {getattr(plugin, name)!r}, which is neither True nor False")
    options = getattr(plugin, "options", {})
    if not isinstance(options, Mapping):
        raise _mismatch(entry, f"options is {options!r}, not a dictionary of names and meanings")
    for name in ("write", "close"):
        function = getattr(plugin, name)
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise _mismatch(
                entry, f"{name} is a generator or a coroutine, which does nothing when it is called"
            )


def try_writer(entry: PluginEntry, plugin: Any, options: Mapping[str, str] | None = None) -> None:
    """Raise PluginError unless the class *plugin* is a writer that can be constructed here."""
    from io import BytesIO

    from uprobe_core.writer import RunHeader

    check_class(entry, plugin)
    construct(entry, plugin, BytesIO(), RunHeader((), (), options or {}))


def check_instance(entry: PluginEntry, instance: Any) -> None:
    """Raise PluginError unless *instance* has what its contract asks for."""
    check_version(entry, instance)
    if entry.kind is Kind.ARCH:
        _check_hooks(entry, instance)
    elif entry.kind is Kind.PLUGIN:
        _check_plugin_hooks(entry, instance)
    else:
        _check_members(entry, instance, skip_self=False)


def _check_members(entry: PluginEntry, plugin: Any, *, skip_self: bool) -> None:
    """Compare *plugin* with the Protocol of its kind: members present, parameters acceptable."""
    contract = contract_of(entry)
    if contract is None:
        return
    # A declared-only attribute of a class ("name: str") is set by its constructor, so it counts.
    declared = (
        {name for base in inspect.getmro(plugin) for name in getattr(base, "__annotations__", {})}
        if (isinstance(plugin, type))
        else set()
    )
    missing = [name for name in _members(contract) if not hasattr(plugin, name) and name not in declared]
    if missing:
        raise _mismatch(entry, f"{', '.join(missing)} missing")
    for name, wanted in inspect.getmembers(contract, inspect.isfunction):
        if not name.startswith("_"):
            _check_parameters(entry, name, wanted, getattr(plugin, name), skip_self=skip_self)


def _members(contract: type) -> list[str]:
    """The public attribute and method names of a Protocol, in the order in which it declares them."""
    names = list(getattr(contract, "__annotations__", {}))
    names += [name for name, value in vars(contract).items() if inspect.isfunction(value)]
    return [name for name in names if not name.startswith("_")]


def _check_parameters(entry: PluginEntry, name: str, wanted: Any, given: Any, *, skip_self: bool) -> None:
    """Raise PluginError if *given* cannot be called with the parameters of *wanted*."""
    expected = list(inspect.signature(wanted).parameters.values())[1:]
    arguments = [object()] * sum(p.kind is not p.KEYWORD_ONLY for p in expected)
    keywords = {p.name: object() for p in expected if p.kind is p.KEYWORD_ONLY}
    if skip_self:
        arguments.insert(0, object())
    try:
        inspect.signature(given).bind(*arguments, **keywords)
    except TypeError as error:
        signature = ", ".join(p.name for p in expected)
        raise _mismatch(entry, f"{name}({signature}) cannot be called that way: {error}") from error
    except ValueError:
        return  # a native function without a signature: only a call can tell


def _check_hooks(entry: PluginEntry, instance: Any) -> None:
    """Let pluggy validate an arch plugin, then require every hook that has no default."""
    import pluggy

    from uprobe_core.arch_hooks import FORMER, OPTIONAL, PROJECT, ArchHooks, FormerArchHooks

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ArchHooks)
    manager.add_hookspecs(FormerArchHooks)
    _register(entry, manager, instance)
    implemented = {caller.name for caller in manager.get_hookcallers(instance) or []}
    wanted = {name for name, value in vars(ArchHooks).items() if inspect.isfunction(value)}
    if FORMER - {"argument_register"} <= implemented:
        wanted = wanted - {"architecture"}
    missing = sorted(wanted - implemented - OPTIONAL)
    if missing:
        raise _mismatch(entry, f"hooks {', '.join(missing)} missing")


def _check_plugin_hooks(entry: PluginEntry, instance: Any) -> None:
    """Let pluggy validate a plugin of the ``uprobe.plugins`` group."""
    import pluggy

    from uprobe_core.hookspecs import PROJECT, PluginHooks

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(PluginHooks)
    _register(entry, manager, instance)


def _register(entry: PluginEntry, manager: Any, instance: Any) -> None:
    """Register with pluggy and turn its complaints into ours; a misspelt hook is one of them."""
    import pluggy

    try:
        manager.register(instance, name=entry.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _mismatch(entry, _in_one_line(error)) from error


def _in_one_line(error: Exception) -> str:
    """pluggy's words without line breaks and the addresses of objects."""
    return re.sub(r" in plugin <.*>", "", "; ".join(str(error).split("\n")))


def _mismatch(entry: PluginEntry, what: str) -> PluginError:
    """The error for a plugin that does not fit its contract."""
    return PluginError(
        f"{entry} does not fit the {entry.kind.word} contract: {what}",
        plugin=entry.name,
        hint="docs/plugins.md describes the contract",
        slug="plugin-contract",
    )
