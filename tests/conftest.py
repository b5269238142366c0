"""For all tests: the compliance suites explain their failures; a busy machine is not a failure."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("uprobe", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("uprobe")

pytest.register_assert_rewrite("uprobe_core.testing.compliance")
