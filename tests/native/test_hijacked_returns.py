"""Hijacked returns have one follower: a probe that would be the other's is refused, and the rest goes on."""

from __future__ import annotations

import os
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import ROOT

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")


class Chosen:
    """Looks at returns, and chooses processes, so it is never the native engine's."""

    name = "chosen"

    def filter(self, process: Any) -> bool:
        return True

    def ret_handler(self, hit: Any) -> None:
        return None


@pytest.mark.parametrize(("returns", "refused"), [("hijack", True), ("watch", False)])
def test_python_cannot_follow_what_comes_after_the_engine_did(
    returns: str, refused: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    program = ROOT / "examples" / "loop"
    with up.Session([str(program), "3"], output=os.devnull, engine="c", returns=returns) as session:
        main = session.probe(f"r:main {program}:main", up.Count())

        class Adds:
            name = "adds"

            def handler(self, hit: Any) -> None:
                session.probe(f"r:late {program}:work+4", Chosen())

        session.probe(f"p:work {program}:work", Adds())
        session.run()
    assert main.result() == 1
    assert ("are the native engine's" in capfd.readouterr().err) is refused
