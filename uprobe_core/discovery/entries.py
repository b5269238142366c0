"""What is installed for one entry-point group, each entry with the package to blame for it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from uprobe_core.discovery.plain_metadata import plain_points

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ("Kind", "PluginEntry", "PluginStatus", "entries", "load_point", "names")


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

    @property
    def full_name(self) -> str:
        """``PACKAGE:NAME``, which tells it from the same name of another package."""
        return f"{self.package}:{self.name}"

    @property
    def package(self) -> str:
        """The name of the installed package that it comes from."""
        return self.distribution.rpartition(" ")[0]

    @property
    def is_ours(self) -> bool:
        """Whether it comes with this package."""
        return self.package == "uprobe"

    def __str__(self) -> str:
        return f"{self.kind.word} {self.name!r} ({self.target}, from {self.distribution})"


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """An entry and what came of importing and checking it; *error* is "" when all is well.

    :param optional: whether it is whole, and only an optional package that it needs is not there
    :param usable: whether a run can use it all the same
    """

    entry: PluginEntry
    error: str = ""
    traceback: str = ""
    hint: str = ""
    optional: bool = False
    usable: bool = False


def _stevedores(kind: Kind) -> list[PluginEntry]:
    """What stevedore finds: wherever a package can come from, in 40 ms."""
    from importlib.metadata import entry_points

    from stevedore.named import NamedExtensionManager

    class Manager(NamedExtensionManager):  # type: ignore[type-arg]  # generic only in newer versions
        """With the entry points as they are now: those of stevedore's cache do not know their package."""

        def list_entry_points(self) -> list[EntryPoint]:
            return list(entry_points(group=self.namespace))

    points = Manager(kind.value, [], on_missing_entrypoints_callback=None).list_entry_points()
    return [
        PluginEntry(kind, point.name, point.value, f"{point.dist.metadata['Name']} {point.dist.version}")
        for point in points
        if point.dist is not None
    ]


def entries(kind: Kind) -> list[PluginEntry]:
    """What is installed for *kind*, sorted by name, imported or not; duplicates are all listed."""
    points = plain_points(kind.value)
    if points is None:
        found = _stevedores(kind)
    else:
        found = [PluginEntry(kind, point.name, point.value, point.distribution) for point in points]
    return sorted(set(found), key=lambda entry: (entry.name, entry.distribution))


def names(kind: Kind) -> list[str]:
    """The names that can be chosen for *kind*, sorted; nothing is imported."""
    return sorted({entry.name for entry in entries(kind)})


def load_point(entry: PluginEntry) -> Any:
    """Import what *entry* points to; raises whatever that raises."""
    module, _, attributes = entry.target.partition("[")[0].strip().partition(":")
    found: Any = import_module(module.strip())
    for attribute in filter(None, attributes.strip().split(".")):
        found = getattr(found, attribute)
    return found
