"""Finding plugins: names without importing, one chosen by name, everything checked.

stevedore chooses and loads; the entry points are read here with
importlib.metadata, for three reasons: stevedore's conflict handling misses
duplicates that are not adjacent, its on-disk cache lives in the user's home
and can be stale, and its entry points do not know their distribution, which an
error message has to blame.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from uprobe_core.errors import PluginError, UprobeError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from uprobe_core.backend import Backend
    from uprobe_core.consumer import ConsumerPlugin
    from uprobe_core.decoder import Decoder

__all__ = (
    "Kind",
    "PluginEntry",
    "PluginStatus",
    "check",
    "entries",
    "load_arch",
    "load_backend",
    "load_consumer",
    "load_decoder",
    "load_object",
    "names",
    "survey",
)


class Kind(enum.Enum):
    """What a plugin is for; the value is its entry-point group."""

    BACKEND = "uprobe.backends"
    DECODER = "uprobe.decoders"
    ARCH = "uprobe.archs"
    CONSUMER = "uprobe.consumers"
    WRITER = "uprobe.writers"
    PLUGIN = "uprobe.plugins"

    @property
    def word(self) -> str:
        """The kind as messages name it, such as "backend"."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One entry point, not imported.

    :param target: "module:attribute"
    :param distribution: name and version of the installed package, such as "uprobe 0.1.0"
    """

    kind: Kind
    name: str
    target: str
    distribution: str

    def __str__(self) -> str:
        return f"{self.kind.word} {self.name!r} ({self.target}, from {self.distribution})"


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """An entry and what came of importing and checking it; *error* is "" when all is well.

    :param optional: whether it is whole, and only an optional package that it needs is not there
    """

    entry: PluginEntry
    error: str = ""
    traceback: str = ""
    hint: str = ""
    optional: bool = False


def _scan(kind: Kind) -> list[tuple[PluginEntry, EntryPoint]]:
    """All entry points of *kind*, sorted by name; exact repetitions of one distribution count once."""
    from importlib.metadata import distributions

    found: dict[tuple[str, str, str], tuple[PluginEntry, EntryPoint]] = {}
    for dist in distributions():
        for point in dist.entry_points:
            if point.group == kind.value:
                label = f"{dist.metadata['Name']} {dist.version}"
                entry = PluginEntry(kind, point.name, point.value, label)
                found.setdefault((point.name, point.value, label), (entry, point))
    return sorted(found.values(), key=lambda pair: (pair[0].name, pair[0].distribution))


def entries(kind: Kind) -> list[PluginEntry]:
    """What is installed for *kind*, sorted by name, imported or not; duplicates are all listed."""
    return [entry for entry, _ in _scan(kind)]


def names(kind: Kind) -> list[str]:
    """The names that can be chosen for *kind*, sorted; nothing is imported."""
    return sorted({entry.name for entry in entries(kind)})


def load_object(kind: Kind, name: str) -> Any:
    """Import the one plugin of *kind* called *name* and return what its entry point names.

    Raises UsageError if there is none, PluginError if there is more than one
    or the import fails; the import's own exception is the cause.
    """
    return _load(*_choose(kind, name))


def load_writer(name: str) -> tuple[bool, Callable[[Any, Any], Any]]:
    """Whether the writer *name* wants stacks, and what makes it from (stream, header).

    Raises UsageError or PluginError; so does what is returned, and every method of what that makes.
    """
    from uprobe_core.discovery.contracts import BlamedWriter, check_class, construct

    entry, point = _choose(Kind.WRITER, name)
    plugin = _load(entry, point)
    check_class(entry, plugin)

    def make(stream: Any, header: Any) -> Any:
        return BlamedWriter(name, construct(entry, plugin, stream, header))

    return bool(getattr(plugin, "wants_stacks", False)), make


def check_writer(name: str) -> None:
    """Raise UsageError or PluginError unless a run could use the writer *name*."""
    from uprobe_core.discovery.contracts import try_writer

    entry, point = _choose(Kind.WRITER, name)
    try_writer(entry, _load(entry, point))


def _choose(kind: Kind, name: str) -> tuple[PluginEntry, EntryPoint]:
    """The only entry point called *name*."""
    found = _scan(kind)
    matching = [pair for pair in found if pair[0].name == name]
    if not matching:
        raise _unknown(kind, name, sorted({entry.name for entry, _ in found}))
    if len(matching) > 1:
        owners = " and ".join(f"{entry.target} from {entry.distribution}" for entry, _ in matching)
        raise PluginError(
            f"the {kind.word} name {name!r} is claimed twice: {owners}",
            plugin=name,
            hint="uninstall one of them; which one would win must not depend on the order of installation",
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


def _load(entry: PluginEntry, point: EntryPoint) -> Any:
    """Let stevedore import the entry point, keeping the exception."""
    from stevedore.driver import DriverManager

    class Chooser(DriverManager):  # type: ignore[type-arg]  # generic only in newer versions
        """A manager of exactly the entry point that was chosen."""

        def list_entry_points(self) -> list[EntryPoint]:
            return [point]

    failures: list[BaseException] = []
    try:
        manager = Chooser(
            entry.kind.value,
            entry.name,
            on_load_failure_callback=lambda _manager, _point, error: failures.append(error),
            on_missing_entrypoints_callback=None,
        )
    except UprobeError:
        raise
    except Exception as error:
        # With the only entry point failing, stevedore goes on to complain that there is none.
        failures.append(error)
    if failures:
        raise _import_failed(entry, failures[0]) from failures[0]
    return manager.driver


def _import_failed(entry: PluginEntry, error: BaseException) -> PluginError:
    """The error for a plugin whose import raised."""
    return PluginError(
        f"{entry} failed to import: {type(error).__name__}: {error}",
        plugin=entry.name,
        hint="the plugin or something that it needs is broken or missing; --debug shows its traceback",
        slug="plugin-import",
    )


# --- loading with the contract checked --------------------------------------------------------------


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
    from uprobe_core.discovery.contracts import check_class, construct

    entry, point = _choose(Kind.CONSUMER, name)
    cls = _load(entry, point)
    check_class(entry, cls)
    return cast("ConsumerPlugin", construct(entry, cls, options))


def _instance(kind: Kind, name: str) -> Any:
    """Load, construct without arguments and check."""
    from uprobe_core.discovery.contracts import check_instance, construct

    entry, point = _choose(kind, name)
    instance = construct(entry, _load(entry, point))
    check_instance(entry, instance)
    return instance


def check(entry: PluginEntry) -> PluginStatus:
    """Import *entry* and hold it against its contract; never raises."""
    from traceback import format_exception

    from uprobe_core.discovery.contracts import check_class, check_instance, construct, try_writer

    try:
        chosen, point = _choose(entry.kind, entry.name)
        plugin = _load(chosen, point)
        if entry.kind is Kind.WRITER:
            try_writer(chosen, plugin)
        elif entry.kind is Kind.CONSUMER:
            check_class(chosen, plugin)
        else:
            check_instance(chosen, construct(chosen, plugin))
    except UprobeError as error:
        cause = error.__cause__ or error
        trace = "".join(format_exception(cause))
        return PluginStatus(entry, error.message, trace, error.hint, error.slug == "missing-extra")
    return PluginStatus(entry)


def survey() -> list[PluginStatus]:
    """Import and check everything that is installed, for ``uprobe plugins``; never raises."""
    return [check(entry) for kind in Kind for entry in entries(kind)]
