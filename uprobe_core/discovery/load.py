"""One plugin chosen by name: imported, held against its contract, named when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from uprobe_core.discovery.contracts import BlamedWriter, construct
from uprobe_core.discovery.entries import Kind, PluginEntry, entries
from uprobe_core.discovery.importing import import_plugin
from uprobe_core.errors import PluginError, UprobeError, UsageError

if TYPE_CHECKING:
    from uprobe_core.backend import Backend
    from uprobe_core.consumer import ConsumerPlugin
    from uprobe_core.decoder import Decoder
    from uprobe_core.setup_words import ConsumerUse, FormatUse

__all__ = (
    "check_writer",
    "choose",
    "load_arch",
    "load_backend",
    "load_consumer",
    "load_decoder",
    "load_writer",
    "refuse_options",
    "wants_frames",
)


def choose(kind: Kind, name: str) -> PluginEntry:
    """The only plugin of *kind* called *name*, or ``PACKAGE:NAME``, not imported.

    Raises UsageError if there is none, PluginError if there is more than one.
    """
    found = entries(kind)
    matching = [entry for entry in found if name in (entry.name, entry.full_name)]
    if not matching:
        raise _unknown(kind, name, sorted({entry.name for entry in found}))
    if len(matching) > 1:
        owners = " and ".join(f"{entry.target} from {entry.distribution}" for entry in matching)
        raise PluginError(
            f"the {kind.word} name {name!r} is claimed twice: {owners}",
            plugin=name,
            hint=f"say which: {' or '.join(entry.full_name for entry in matching)}",
            slug="duplicate-plugin",
        )
    return matching[0]


def _unknown(kind: Kind, name: str, known: list[str]) -> UprobeError:
    """The error for a name that nothing claims."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    if kind is Kind.WRITER:
        known = [*known, "tracefs"]  # built in: it is the default and needs no plugin
    listed = ", ".join(known) if known else f"none; is the package installed (group {kind.value})?"
    return UsageError(
        f"no {kind.word} is called {name!r}", hint=f"{hint}installed: {listed}", slug="unknown-plugin"
    )


def load_backend(name: str) -> Backend:
    """An instance of the backend plugin *name*; raises UsageError or PluginError."""
    return cast("Backend", _instance(Kind.BACKEND, name))


def load_decoder(name: str) -> Decoder:
    """An instance of the decoder plugin *name*; raises UsageError or PluginError."""
    return cast("Decoder", _instance(Kind.DECODER, name))


def load_arch(name: str) -> Any:
    """An instance of the arch plugin *name*, with the arch hooks; raises UsageError or PluginError."""
    return _instance(Kind.ARCH, name)


def load_consumer(name: str, options: Mapping[str, str]) -> ConsumerPlugin:
    """An instance of the consumer plugin *name*, given *options*.

    Raises UsageError for an unknown name or an option that the plugin
    refuses, PluginError for a plugin that is broken.
    """
    entry = choose(Kind.CONSUMER, name)
    cls = import_plugin(entry)
    _check_class(entry, cls)
    return cast("ConsumerPlugin", construct(entry, cls, options))


def import_consumer(name: str) -> None:
    """Import the consumer plugin *name* if it is ours; raises UsageError or PluginError."""
    entry = choose(Kind.CONSUMER, name)
    if entry.is_ours:
        import_plugin(entry)


def reads_arguments(use: ConsumerUse) -> bool:
    """Whether a consumer may look at the arguments of its events; raises UsageError or PluginError.

    One of ours without options says that it does not.
    """
    entry = choose(Kind.CONSUMER, use.name)
    return bool(use.options) or not entry.is_ours or getattr(import_plugin(entry), "reads_arguments", True)


def load_writer(use: FormatUse) -> tuple[bool, Callable[[Any, Any], Any]]:
    """Whether a writer wants stacks, and what makes it from (stream, header).

    Raises UsageError or PluginError; so does what is returned, and every method of what that makes.
    """
    name = use.name
    entry = choose(Kind.WRITER, name)
    plugin = import_plugin(entry)
    _check_class(entry, plugin)
    refuse_options(use, getattr(plugin, "options", {}))

    readable = getattr(plugin, "until_closed", None)

    def make(stream: Any, header: Any) -> Any:
        writer = BlamedWriter(name, construct(entry, plugin, stream, header))
        if readable is not None:
            writer.until_closed = lambda part: load_writer(type(use)(readable))[1](part, header)
        return writer

    return bool(getattr(plugin, "wants_stacks", False)), make


def wants_frames(use: FormatUse) -> bool:
    """Whether the writer puts calls together from records; raises UsageError or PluginError."""
    return bool(getattr(import_plugin(choose(Kind.WRITER, use.name)), "wants_frames", False))


def refuse_options(use: FormatUse, known: Mapping[str, str] | None = None) -> None:
    """Raise UsageError for an option that the writer does not have; *known* says what each is."""
    for name in use.options:
        if name not in (known or {}):
            listed = "; ".join(f"{each}: {meaning}" for each, meaning in (known or {}).items())
            raise UsageError(
                f"format {use.name} has no option {name!r}",
                hint=f"options are {listed}" if listed else "it has none",
                slug="bad-option",
            )


def check_writer(use: FormatUse) -> None:
    """Raise UsageError or PluginError unless a run could use the writer."""
    if use.name == "tracefs":
        refuse_options(use)
        return
    entry = choose(Kind.WRITER, use.name)
    plugin = import_plugin(entry)
    refuse_options(use, getattr(plugin, "options", {}))
    from uprobe_core.discovery.fitting import try_writer

    try_writer(entry, plugin, use.options)


def _check_class(entry: PluginEntry, plugin: Any) -> None:
    """Raise PluginError unless the class *plugin* has what its contract asks for; ours have it."""
    if not entry.is_ours:
        from uprobe_core.discovery.fitting import check_class

        check_class(entry, plugin)


def _instance(kind: Kind, name: str) -> Any:
    """Load, construct without arguments and check."""
    entry = choose(kind, name)
    instance = construct(entry, import_plugin(entry))
    if not entry.is_ours:
        from uprobe_core.discovery.fitting import check_instance

        check_instance(entry, instance)
    return instance
