"""What ``uprobe doctor`` looks at: each check has a state, a sentence, and what to do about it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

from uprobe_core.doctor.finding import Finding
from uprobe_core.doctor.wall import check_group, check_wall
from uprobe_core.errors import UprobeError

if TYPE_CHECKING:
    from uprobe_core.discovery.entries import PluginEntry, PluginStatus

__all__ = ("Finding", "examine")

LIBRARIES = ("unicorn", "capstone", "pypcode", "pluggy", "stevedore", "rich")
OPTIONAL = frozenset({"pypcode"})


def examine() -> Iterator[Finding]:
    """Do all checks, in the order in which a run depends on them; never raises UprobeError."""
    import uprobe_core

    folder = os.path.dirname(os.path.abspath(uprobe_core.__file__))
    yield Finding("uprobe", "ok", f"{uprobe_core.__version__} in {folder}")
    yield Finding("python", "ok", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}")
    yield from map(_library, LIBRARIES)
    from uprobe_core.discovery.survey import survey

    found = survey()
    yield from _plugins(found)
    yield _attempt("decoder", _decoder)
    yield _attempt("engine", _engine)
    yield _attempt("backend", _backend)
    yield from _facts()
    yield _attempt("sandbox", check_wall)
    yield _attempt("memory", check_group)
    yield _attempt("self-test", partial(_self_test, found))


def _library(name: str) -> Finding:
    """Whether a library is installed, and which version."""
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        if name in OPTIONAL:
            return Finding(
                name, "note", "not installed", "pip install 'uprobe[sleigh]' adds the SLEIGH decoder"
            )
        return Finding(name, "fail", "not installed", f"pip install {name}")


def _plugins(found: list[PluginStatus]) -> Iterator[Finding]:
    """A finding for each plugin that fails; one for all of them if none does."""
    failed = {status.error: status for status in found if status.error}.values()
    for status in failed:
        harmless = status.optional or status.usable
        state = "fail" if _is_needed(status.entry) and not harmless else "note"
        hint = status.hint if harmless else "see uprobe plugins --debug"
        yield Finding(f"{status.entry.kind.word} {status.entry.name}", state, status.error, hint)
    if not failed:
        yield Finding("plugins", "ok", f"{len(found)} installed, all of them can be used")


def _is_needed(entry: PluginEntry) -> bool:
    """Whether a run that names no plugin uses it: plugins of all runs, and the defaults."""
    from uprobe_core.run_setup import RunSetup

    default = RunSetup()
    needed = {("backend", default.backend), ("arch", default.arch), ("consumer", "trace")}
    return entry.kind.word == "plugin" or (entry.kind.word, entry.name) in needed


def _attempt(name: str, check: Callable[[], Finding]) -> Finding:
    """*check*, or a failure if it raises."""
    try:
        return check()
    except UprobeError as error:
        return Finding(name, "fail", str(error), error.hint)
    except Exception as error:  # a broken library may raise anything, and that is what doctor is for
        return Finding(name, "fail", f"{type(error).__name__}: {error}")


def _decoder() -> Finding:
    """Which decoder ``auto`` takes."""
    from uprobe_core.discovery.decoder import choose_decoder

    choice = choose_decoder()
    if choice.decoder is None:
        return Finding(
            "decoder", "note", choice.reason, "pip install capstone: uprobe why then shows instructions"
        )
    return Finding("decoder", "ok", choice.reason)


def _engine() -> Finding:
    """Which engine ``auto`` takes."""
    from uprobe_core.native.choice import choose_engine

    choice = choose_engine()
    if choice.name == "c":
        return Finding("engine", "ok", f"c: {choice.reason}")
    asked = choice.reason.endswith("asks for it")
    hint = "" if asked else "hits cost more; it is built where pip finds a C compiler and Python's headers"
    return Finding("engine", "note", f"{choice.name}: {choice.reason}", hint)


def _backend() -> Finding:
    """What the default backend can do."""
    from uprobe_core.discovery.load import load_backend
    from uprobe_core.run_setup import RunSetup

    name = RunSetup().backend
    can = load_backend(name).capabilities
    modes = ", ".join(sorted(mode.value for mode in can.modes))
    returns = ", ".join(sorted(way.value for way in can.returns))
    extras = [word for word in ("threads", "processes", "invisible_traps", "vectors") if getattr(can, word)]
    also = f"; {', '.join(extras).replace('_', ' ')}" if extras else ""
    return Finding("backend", "ok", f"{name}: modes {modes}; returns {returns}{also}")


def _facts() -> Iterator[Finding]:
    """What the default backend says of itself."""
    from uprobe_core.discovery.load import load_backend
    from uprobe_core.run_setup import RunSetup

    try:
        facts = list(getattr(load_backend(RunSetup().backend), "facts", tuple)())
    except UprobeError:
        return  # the check before has said so
    for fact in facts:
        yield Finding(fact.name, "ok" if fact.good else "note", fact.detail, fact.hint)


def _self_test(found: list[PluginStatus]) -> Finding:
    """A real run, without the plugins that are broken: they have been named, and may end the process."""
    from uprobe_core.discovery.called import LOAD_SWITCH, wanted
    from uprobe_core.doctor.self_test import run_self_test

    broken = {status.entry for status in found if status.error and not status.usable}
    before = os.environ.get(LOAD_SWITCH)
    os.environ[LOAD_SWITCH] = ",".join(entry.name for entry in wanted() if entry not in broken)
    try:
        return Finding("self-test", "ok", run_self_test())
    finally:
        del os.environ[LOAD_SWITCH]
        if before is not None:
            os.environ[LOAD_SWITCH] = before
