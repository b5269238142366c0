"""Calling what a plugin gave: an error that names it, whatever goes wrong in there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from uprobe_core.discovery.entries import PluginEntry
from uprobe_core.errors import (
    ConsumerStopped,
    PluginError,
    UprobeError,
    UsageError,
    described,
    said_by,
    shortage,
)

__all__ = (
    "BlamedWriter",
    "asked",
    "blamed",
    "blaming",
    "check_sink",
    "checked_lines",
    "construct",
)


_NOT_ITS_OWN = (UprobeError, ConsumerStopped)
"""What passes through a plugin: what it raises on purpose, and what came from outside."""


@contextmanager
def blaming(plugin: str, what: str, kind: str = "consumer") -> Iterator[None]:
    """Code of a plugin runs inside: what it raises becomes a PluginError that names it.

    What it raises on purpose (UsageError for an event that it cannot take) passes.

    :param what: what it was asked to do, such as "attach to uprobes/work"
    """
    try:
        yield
    except _NOT_ITS_OWN:
        raise
    except KeyboardInterrupt as error:
        raise _interrupted(plugin, what, kind) from error
    except BaseException as error:  # sys.exit() too: no plugin ends the run without a word
        raise _failed(plugin, what, kind, error) from error


def asked(plugin: Any, attribute: str, default: Any, name: str, kind: str = "consumer") -> Any:
    """An optional *attribute* of what the user calls *name*: code of the plugin's may run for it."""
    with blaming(name, f"say what its {attribute} is", kind):
        return getattr(plugin, attribute, default)


def blamed(function: Callable[..., Any], plugin: str, what: str, kind: str) -> Callable[..., Any]:
    """*function* of a plugin, whatever it raises blamed on it as :func:`blaming` does."""

    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except _NOT_ITS_OWN:
            raise
        except KeyboardInterrupt as error:
            raise _interrupted(plugin, what, kind) from error
        except BaseException as error:
            raise _failed(plugin, what, kind, error) from error

    return call


class BlamedWriter:
    """A writer whose exceptions name it.

    :ivar until_closed: makes from a stream the writer in whose format records stand until this one has closed
    """

    until_closed: Callable[[Any], Any] | None = None

    def __init__(self, name: str, writer: Any) -> None:
        self.write = blamed(writer.write, name, "write a record", "writer")
        self.close = blamed(writer.close, name, "finish its file", "writer")
        self.appends = bool(getattr(writer, "appends", False))
        if hasattr(writer, "lost"):
            self.lost = blamed(writer.lost, name, "note lost records", "writer")
        if hasattr(writer, "known"):
            self.known = blamed(writer.known, name, "write what it knows", "writer")


def _interrupted(plugin: str, what: str, kind: str) -> KeyboardInterrupt:
    """Ctrl-C, or a plugin that says so: it is told where it was."""
    return KeyboardInterrupt(f"interrupted while {kind} {plugin!r} was to {what}")


def _failed(plugin: str, what: str, kind: str, error: BaseException) -> UprobeError:
    lacking = shortage(error, what) if isinstance(error, Exception) else None
    if lacking is not None:
        return lacking
    return PluginError(
        f"{kind} {plugin!r} failed to {what}: {said_by(error)}",
        plugin=plugin,
        hint=f"this is a bug in the {kind}; --debug shows where",
        slug="plugin-failed",
    )


_CONSTRUCTION = {
    "consumer": "the class is called with the consumer's options",
    "writer": "the class is called with a binary stream and a RunHeader",
}


def construct(entry: PluginEntry, plugin: Any, *args: Any) -> Any:
    """Call the class *plugin* with *args*; what is not a class (a module, say) is returned as it is.

    Raises PluginError when construction fails, except for the errors that a
    plugin raises on purpose (UsageError for a bad option).
    """
    if not isinstance(plugin, type):
        return plugin
    try:
        return plugin(*args)
    except (*_NOT_ITS_OWN, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PluginError(
            f"{entry} cannot be constructed: {said_by(error)}",
            plugin=entry.name,
            hint=_CONSTRUCTION.get(entry.kind.word, "the class is called without arguments")
            + "; --debug shows where it failed",
            slug="plugin-construct",
        ) from error


def checked_lines(lines: Any, plugin: str) -> tuple[str, ...]:
    """What a consumer's ``event_lines`` are; raises PluginError if they are no texts."""
    if isinstance(lines, (tuple, list)) and all(isinstance(line, str) for line in lines):
        return tuple(lines)
    raise PluginError(
        f"consumer {plugin!r} does not fit the consumer contract:"
        f" event_lines is {described(lines)}, no list of texts",
        plugin=plugin,
        hint="docs/plugins.md describes the contract",
        slug="plugin-contract",
    )


def check_sink(sink: Any, maker: Any, event: str, called: str = "") -> None:
    """Raise UsageError if *sink*, which *maker* attached to *event*, can take no hit, or half of a life.

    :param called: what the user calls the maker, "": it is not an installed one
    """
    name = str(called or getattr(maker, "name", type(maker).__name__))
    if callable(getattr(sink, "handler", None)) or callable(getattr(sink, "ret_handler", None)):
        _check_life(sink, name)
        return
    what = "nothing" if sink is None else "what has neither handler(hit) nor ret_handler(hit)"
    raise UsageError(
        f"consumer {name!r} attached {what} to {event}",
        hint="docs/plugins.md says what a consumer is",
        slug="bad-consumer",
    )


def _check_life(sink: Any, name: str) -> None:
    """Raise UsageError if *sink* merges what it never forgot or never tells."""
    missing = [name for name in ("fork", "finish") if not callable(getattr(sink, name, None))]
    if callable(getattr(sink, "merge", None)) and missing:
        raise UsageError(
            f"consumer {name!r} has merge() but no {missing[0]}()",
            hint="merge(state) gets what finish() returned in a forked process, where fork() began anew",
            slug="bad-consumer",
        )
