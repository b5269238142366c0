"""What dataclasses compile is kept from run to run, and nothing depends on it."""

from __future__ import annotations

import marshal
import sys
from collections import namedtuple
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, ForwardRef

import pytest

from uprobe_core.cli.compiled import Compiled

SOURCE = "def double(x):\n    return 2 * x\n"


def doubled(compiled: Compiled) -> int:
    space: dict[str, Any] = {}
    compiled.execute(SOURCE, {}, space)
    found: int = space["double"](21)
    return found


@pytest.fixture(autouse=True)
def writes_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file that SOURCE was kept in."""
    path = tmp_path / "kept"
    compiled = Compiled(str(path))
    assert doubled(compiled) == 42
    compiled.save()
    return path


def test_a_source_that_was_kept_is_not_compiled_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.compile", None)
    assert doubled(Compiled(str(kept))) == 42


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: b"", lambda d: b"x" + d[1:]])
def test_a_file_that_is_not_whole_or_another_versions_counts_as_none(kept: Path, damage: Any) -> None:
    kept.write_bytes(damage(kept.read_bytes()))
    compiled = Compiled(str(kept))
    assert doubled(compiled) == 42
    compiled.save()
    assert ("exec", SOURCE) in marshal.loads(marshal.loads(kept.read_bytes().partition(b"]\n")[2][8:])[""])


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    compiled = Compiled(str(tmp_path / "no" / "folder"))
    assert doubled(compiled) == 42
    compiled.save()
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_where_python_writes_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    compiled = Compiled(str(tmp_path / "kept"))
    doubled(compiled)
    compiled.save()
    assert not list(tmp_path.iterdir())


def test_a_dataclass_is_the_same_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        compiled = Compiled(str(tmp_path / "kept"))
        monkeypatch.setattr("dataclasses.exec", compiled.execute, raising=False)
        made = make_dataclass("Made", [("a", int), ("b", str, "x")], frozen=True)
        assert repr(made(1)) == "Made(a=1, b='x')"
        assert {made(1), made(1), made(2)} == {made(1), made(2)}
        compiled.save()


def test_a_parameter_of_a_dataclass_keeps_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataclasses.exec", Compiled(str(tmp_path / "kept")).execute, raising=False)
    made = make_dataclass("Made", [("a", int)])
    assert vars(made)["__init__"].__annotations__ == {"a": int, "return": None}


def test_a_named_tuple_is_the_same_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        compiled = Compiled(str(tmp_path / "kept"))
        monkeypatch.setattr("collections.eval", compiled.value, raising=False)
        Pair = namedtuple("Pair", "a b")
        assert Pair(1, b=2) == (1, 2)
        assert compiled._new == ({""} if not (tmp_path / "kept").exists() else set())
        compiled.save()


def test_annotations_of_named_tuples_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Compiled(str(tmp_path / "kept"))
    monkeypatch.setattr("typing.compile", compiled.expression, raising=False)
    assert ForwardRef("int | None") == ForwardRef("int | None")
    with pytest.raises(SyntaxError):
        ForwardRef("int |")
    compiled.save()
    monkeypatch.setattr("typing.compile", Compiled(str(tmp_path / "kept")).expression, raising=False)
    monkeypatch.setattr("builtins.compile", None)
    assert ForwardRef("int | None").__forward_arg__ == "int | None"
