"""The test of a suite that has to catch a mutant, as a class of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

from uprobe_core.discovery.load import load_arch, load_backend, load_decoder
from uprobe_core.run_setup import DEFAULT_ARCH
from uprobe_core.testing.compliance import (
    ArchCompliance,
    BackendCompliance,
    ConsumerCompliance,
    DecoderCompliance,
    HooksCompliance,
    WriterCompliance,
)
from uprobe_core.testing.mutants.good_plugins import GoodConsumer, GoodHooks, GoodWriter, read_back
from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.testing.tiny_elf import CALLS

__all__ = ("suite_of",)

_PROCESSOR_SECONDS, _SECONDS = 2, 20


def suite_of(mutant: Mutant, name: str) -> type:
    """A class with the one test of its suite that *mutant* names, run on the mutant."""
    made: dict[str, Any] = {**_FIXTURES[mutant.kind](mutant), "bounded": _BOUNDED}
    suite: type = made.pop("suite")
    others = [test for test in dir(suite) if test.startswith("test_") and test != mutant.caught_by]
    return type(name, (suite,), {**made, **dict.fromkeys(others)})


def _fixture(value: Any) -> Any:
    return pytest.fixture(lambda _self: value() if isinstance(value, FunctionType) else value)


def _bounded(_self: Any) -> Iterator[None]:
    """A mutant that never comes to an end is caught by that: soon if it works, later if it waits."""

    def end(_number: int, _frame: Any) -> None:
        raise AssertionError(f"it did not end within {_PROCESSOR_SECONDS} s of work or {_SECONDS} s")

    before = [(number, signal.signal(number, end)) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, _PROCESSOR_SECONDS, 1)
    signal.alarm(_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.alarm(0)
    for number, handler in before:
        signal.signal(number, handler)


_BOUNDED = pytest.fixture(autouse=True)(_bounded)


def _backend(mutant: Mutant) -> dict[str, Any]:
    return {"suite": BackendCompliance, "backend": _fixture(lambda: mutant.broken(load_backend("unicorn")))}


def _decoder(mutant: Mutant) -> dict[str, Any]:
    return {"suite": DecoderCompliance, "decoder": _fixture(lambda: mutant.broken(load_decoder("capstone")))}


def _arch(mutant: Mutant) -> dict[str, Any]:
    return {
        "suite": ArchCompliance,
        "arch": _fixture(lambda: mutant.broken(load_arch(DEFAULT_ARCH))),
        "stepped": _fixture(CALLS.code("work")),
        "simulated": _fixture(CALLS.code("call")),
        "refused": _fixture((0xC85F7C00).to_bytes(4, "little")),  # ldxr x0, [x0]: exclusives are refused
    }


def _consumer(mutant: Mutant) -> dict[str, Any]:
    return {"suite": ConsumerCompliance, "plugin_class": _fixture(lambda: mutant.broken(GoodConsumer))}


def _writer(mutant: Mutant) -> dict[str, Any]:
    return {
        "suite": WriterCompliance,
        "writer_class": _fixture(lambda: mutant.broken(GoodWriter)),
        "read_back": _fixture(lambda: read_back),
    }


def _hooks(mutant: Mutant) -> dict[str, Any]:
    return {"suite": HooksCompliance, "plugin": _fixture(lambda: mutant.broken(GoodHooks))}


_FIXTURES = {
    "backend": _backend,
    "decoder": _decoder,
    "arch": _arch,
    "consumer": _consumer,
    "writer": _writer,
    "hooks": _hooks,
}
