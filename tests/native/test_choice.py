"""Which engine runs, and the sentence that says why."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from uprobe_arm64 import Arm64Arch

import uprobe_core as up
from uprobe_core.architecture import Architecture
from uprobe_core.errors import BackendError
from uprobe_core.native import choice as engine_choice
from uprobe_core.native.choice import EngineChoice, choose_engine, for_operations
from uprobe_core.native_backend import abi
from uprobe_core.testing.toy_arch import ToyArch

ARM64, TOY = Arm64Arch().architecture(), ToyArch().architecture()


@pytest.fixture
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The native engine is there, missing or broken, as the test asks."""
    monkeypatch.delenv(engine_choice.SWITCH, raising=False)
    if request.param == "missing":
        monkeypatch.setitem(sys.modules, engine_choice.NATIVE_MODULE, None)
    else:
        layout = abi() + (request.param == "other")
        monkeypatch.setitem(sys.modules, engine_choice.NATIVE_MODULE, SimpleNamespace(ABI=layout))


@pytest.mark.parametrize("native", ["there"], indirect=True)
@pytest.mark.usefixtures("native")
def test_auto_takes_the_native_engine_where_there_is_one() -> None:
    assert choose_engine().name == "c"


@pytest.mark.parametrize("native", ["other"], indirect=True)
@pytest.mark.usefixtures("native")
def test_an_engine_built_from_other_sources_is_not_used() -> None:
    choice = choose_engine()
    assert (choice.name, "rebuild it" in choice.reason) == ("py", True)


@pytest.mark.parametrize("native", ["missing"], indirect=True)
@pytest.mark.usefixtures("native")
def test_auto_falls_back_and_says_why() -> None:
    choice = choose_engine()
    assert choice.name == "py"
    assert choice.reason == "the native engine is not part of this installation"


@pytest.mark.parametrize("native", ["missing"], indirect=True)
@pytest.mark.usefixtures("native")
def test_asking_for_a_native_engine_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BackendError, match="--engine c asks for the native engine") as caught:
        choose_engine("c")
    assert caught.value.slug == "no-native-engine"


@pytest.mark.parametrize("native", ["there", "missing"], indirect=True)
@pytest.mark.usefixtures("native")
def test_the_reference_can_always_be_asked_for() -> None:
    assert choose_engine("py").name == "py"


@pytest.mark.parametrize("native", ["there"], indirect=True)
@pytest.mark.usefixtures("native")
def test_the_environment_stands_in_for_auto_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine_choice.SWITCH, "py")
    assert choose_engine().name == "py"
    assert choose_engine("c").name == "c"


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine_choice.SWITCH, "rust")
    with pytest.raises(BackendError, match=r"no engine is called 'rust' \(UPROBE_ENGINE=rust\)"):
        choose_engine()


@pytest.mark.parametrize(
    ("arch", "wrapped", "why"),
    [
        (ARM64, True, "plugins wrap operations of the architecture"),
        (TOY, False, "arch 'toy' has operations"),
    ],
)
def test_operations_that_are_not_ours_alone_get_the_engine_that_calls_them(
    arch: Architecture, wrapped: bool, why: str
) -> None:
    said: list[str] = []
    native, reference = EngineChoice("c", "it is there"), EngineChoice("py", "it was asked for")
    chosen = for_operations(native, "auto", arch, said.append, wrapped=wrapped)
    assert chosen.name == "py"
    assert chosen.reason.startswith(why)
    assert for_operations(reference, "py", arch, said.append, wrapped=wrapped) is reference
    assert said == []
    assert for_operations(native, "c", arch, said.append, wrapped=wrapped) is native
    assert said[0].startswith(why)


def test_our_own_operations_need_no_other_engine() -> None:
    native = EngineChoice("c", "it is there")
    assert for_operations(native, "auto", ARM64, print, wrapped=False) is native


@pytest.mark.parametrize(("asked", "native"), [("auto", False), ("c", True)])
def test_the_environment_does_not_beat_an_engine_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str, native: bool
) -> None:
    pytest.importorskip("uprobe_core.native._engine")
    monkeypatch.setenv(engine_choice.SWITCH, "py")
    loop = Path(__file__).parents[2] / "examples" / "loop"
    with up.Session([str(loop), "10"], engine=asked) as session:
        calls = session.probe(f"p:work {loop}:work", up.Count())
        machine = session.open()
        assert (getattr(machine, "native", None) is not None) is native
        session.run()
    assert calls.result() == 10
