"""Beside the failure of a compliance test stands what was promised, and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from uprobe_core.testing import compliance

SUITES = [getattr(compliance, name) for name in compliance.__all__]
MODULE = """
from uprobe_core.testing.compliance import WriterCompliance
import pytest

class Forgets:
    def __init__(self, stream, header): pass
    def write(self, record): pass
    def close(self): pass

class TestMine(WriterCompliance):
    @pytest.fixture
    def writer_class(self): return Forgets

    def test_own(self): assert False
"""


@pytest.mark.parametrize("suite", SUITES, ids=compliance.__all__)
def test_every_test_of_a_suite_says_where_its_promise_stands(
    suite: type[compliance.WriterCompliance],
) -> None:
    tests = [name for name in dir(suite) if name.startswith("test_")]
    assert tests
    for name in tests:
        assert "It stands at uprobe_core." in suite.uprobe_promise(name)


def test_a_failure_shows_it_and_an_authors_own_test_none(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "-k"]
    run = subprocess.run(
        [*command, "own or only_be_written", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed" in run.stdout
    assert run.stdout.count("- what is promised -") == 1
    assert (
        "a stream that can only be written is enough\nWhat is written to may be a pipe.\n"
        "It stands at uprobe_core.writer" in run.stdout
    )
