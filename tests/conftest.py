"""For all tests: suites explain their failures, and each is told at once; a busy machine is not a failure."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("uprobe", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("uprobe")

pytest.register_assert_rewrite("uprobe_core.testing.compliance")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell of a failure when it happens: a run that is cut short has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = str(crash.message if crash else report.longreprtext).partition("\n")[0]
        print(f"\n{report.nodeid}: {report.when}, after {report.duration:.0f} s: {why}", file=sys.stderr)
