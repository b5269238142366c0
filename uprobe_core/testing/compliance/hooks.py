"""What every plugin with hooks (group ``uprobe.plugins``) must do; runs are those of a tiny program."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.actions import Count
from uprobe_core.discovery.called import empty_manager, wrappers_of
from uprobe_core.discovery.load import load_arch
from uprobe_core.hookspecs import PROJECT, PluginHooks
from uprobe_core.probes.arch_ops import bind_arch
from uprobe_core.run_setup import DEFAULT_ARCH
from uprobe_core.session import Session
from uprobe_core.testing.compliance.manners import Manners
from uprobe_core.testing.tiny_elf import CALLS

__all__ = ("HooksCompliance",)


class HooksCompliance(Manners):
    """Required fixture: ``plugin``."""

    stands = "uprobe_core.hookspecs and uprobe_core.arch_hooks (docs/hooks.md)"

    @pytest.fixture
    def plugin(self) -> Any:
        """The object that the entry point names."""
        raise NotImplementedError("override the fixture 'plugin'")

    @pytest.fixture
    def run(self, plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """``run()``: status, hits and returns of a probed run with the plugin, and alone if asked."""
        path = tmp_path / "program"
        path.write_bytes(CALLS.elf())
        path.chmod(0o755)
        monkeypatch.setenv("UPROBE_LOAD_PLUGINS", "")

        def call(*, alone: bool = False, returns: str = "auto") -> tuple[int, Any, Any, Any]:
            monkeypatch.setattr(
                "uprobe_core.discovery.called.create", lambda **_told: _with(None if alone else plugin)
            )
            seen = _Registers()
            with Session([str(path)], output="/dev/null", returns=returns) as session:
                count = session.probe(f"p:work {path}:{CALLS.offset('work'):#x}", Count())
                back = session.probe(f"r:back {path}:{CALLS.offset('work'):#x}", Count())
                session.probe(f"p:call {path}:{CALLS.offset('call'):#x}", seen)
                status = session.run()
            return status.code, count.result(), back.result(), seen.found

        return call

    def test_it_implements_a_hook(self, plugin: Any) -> None:
        assert _hooks(plugin), "it has no method marked with uprobe_core.hookspecs.hookimpl"

    def test_every_hook_of_its_is_one_and_takes_what_it_is_given(self, plugin: Any) -> None:
        for name, method in _hooks(plugin).items():
            known = getattr(PluginHooks, name, None)
            assert known is not None, f"no hook is called {name!r}"
            taken = set(inspect.signature(method).parameters)
            assert taken <= set(inspect.signature(known).parameters), name

    def test_what_it_wraps_around_the_architecture_is_a_wrapper(self, plugin: Any) -> None:
        wrappers = wrappers_of(_with(plugin))
        assert bind_arch(load_arch(DEFAULT_ARCH), wrappers)

    def test_a_run_with_it_ends_as_one_without(self, run: Any) -> None:
        alone = run(alone=True)
        assert alone[:3] == (150, 5, 5)
        assert run() == alone

    def test_a_run_whose_returns_are_hijacked_ends_as_one_without(self, run: Any) -> None:
        assert run(returns="hijack") == run(alone=True, returns="hijack")

    def test_a_second_run_is_as_the_first(self, run: Any) -> None:
        assert run() == run()


class _Registers:
    """A consumer that remembers all registers at each hit."""

    name = "registers"

    def __init__(self) -> None:
        self.found: list[list[int]] = []

    def handler(self, hit: Any) -> None:
        """One hit."""
        self.found.append([hit.reg(name) for name in hit.registers.names])


def _hooks(plugin: Any) -> dict[str, Any]:
    """Its methods that are hooks, by name."""
    members = {name: getattr(plugin, name, None) for name in dir(plugin)}
    return {name: each for name, each in members.items() if hasattr(each, f"{PROJECT}_impl")}


def _with(plugin: Any) -> Any:
    manager = empty_manager()
    if plugin is not None:
        manager.register(plugin)
    return manager
