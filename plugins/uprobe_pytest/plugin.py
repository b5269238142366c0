"""The fixtures, and what the compliance suites say of a failure.

Both fixtures are factories without state of their own, so they live as long as the pytest session:
a test with ``@given`` may use them, each of its examples being a run.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from uprobe_pytest.compiling import Programs
    from uprobe_pytest.probed_run import Runs

__all__ = ("uprobe_program", "uprobe_session")


@pytest.fixture(scope="session")
def uprobe_program(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """``uprobe_program(source_or_binary, *flags)``: the path of an arm64 program.

    A C or C++ source is compiled, once per session and flags, by the compiler that
    ``UPROBE_CC`` names, by PyPI's ``ziglang`` or by Debian's cross compiler,
    whichever is there first; an ELF file is taken as it is.
    """
    from uprobe_pytest.compiling import Programs

    return Programs(tmp_path_factory.mktemp("uprobe-programs"))


@pytest.fixture(scope="session")
def uprobe_session(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """``uprobe_session(argv, stdin=b"", **options)``: a run to put probes into.

    See :class:`uprobe_pytest.probed_run.ProbedRun`; *options* are those of
    ``uprobe_core.Session``, with ``strict=True`` unless told otherwise.
    """
    from uprobe_pytest.probed_run import Runs

    return Runs(tmp_path_factory.mktemp("uprobe-runs"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A compliance suite's failure says what was promised and where that stands."""
    report = (yield).get_result()
    promise = getattr(getattr(item, "cls", None), "uprobe_promise", None)
    text = promise(getattr(item, "originalname", "")) if report.failed and promise is not None else ""
    if text:
        report.sections.append(("what is promised", text))
