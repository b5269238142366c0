"""Which engine runs what happens per hit, and the sentence that says why."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from uprobe_core.architecture import Architecture
from uprobe_core.errors import BackendError
from uprobe_core.native_backend import abi

__all__ = ("NATIVE_MODULE", "SWITCH", "EngineChoice", "choose_engine", "for_operations", "may_run_natively")

NATIVE_MODULE = "uprobe_core.native._engine"
SWITCH = "UPROBE_ENGINE"
"""Environment variable that replaces "auto" by "c" or "py"."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a run.

    :param name: "c" (native) or "py" (the reference)
    :param reason: why this one, in words
    """

    name: str
    reason: str


def choose_engine(request: str = "auto") -> EngineChoice:
    """The engine for *request*: "auto", "c" or "py".

    "auto" takes the native engine where there is one and else the reference.
    Raises BackendError when "c" was asked for, by option or environment, and
    cannot be had.
    """
    asked = f"--engine {request}"
    if request == "auto" and os.environ.get(SWITCH):
        request = os.environ[SWITCH]
        asked = f"{SWITCH}={request}"
    if request not in {"auto", "c", "py"}:
        raise BackendError(f"no engine is called {request!r} ({asked})", hint="engines: auto, c, py")
    if request == "py":
        return EngineChoice("py", f"{asked} asks for it")
    refusal = _native_refusal()
    if not refusal:
        return EngineChoice(
            "c", "the native engine is built" if request == "auto" else f"{asked} asks for it"
        )
    if request == "c":
        raise BackendError(
            f"{asked} asks for the native engine, but {refusal}",
            hint="install a C compiler and reinstall uprobe, or take --engine py",
            slug="no-native-engine",
        )
    return EngineChoice("py", refusal)


def for_operations(
    choice: EngineChoice, request: str, arch: Architecture, warn: Callable[[str], None], *, wrapped: bool
) -> EngineChoice:
    """The engine for arch operations that are not ours alone: the Python one, unless "c" was asked for.

    :param wrapped: whether plugins wrap operations of the architecture
    """
    if choice.name != "c" or (arch.native and not wrapped):
        return choice
    what = "plugins wrap operations of the architecture" if wrapped else f"arch {arch.name!r} has operations"
    reason = f"{what}, which the native engine never calls"
    if request != "c":
        return EngineChoice("py", reason)
    warn(f"{reason}, and it was asked for")
    return choice


def may_run_natively(engine: str, machine: object) -> bool:
    """Whether anything of this run can be native: the engine is there, and the backend works with it."""
    return engine == "c" and getattr(machine, "native", None) is not None


def _native_refusal() -> str:
    """Why the native engine cannot be used, "" if it can."""
    try:
        module = import_module(NATIVE_MODULE)
    except ModuleNotFoundError:
        return "the native engine is not part of this installation"
    except ImportError as error:
        return f"the native engine does not load: {error}"
    if abi() != module.ABI:
        return f"the native engine has layout {module.ABI}, this version needs {abi()}: rebuild it"
    return ""
