"""For all tests: the compliance suites explain their failures."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("uprobe_core.testing.compliance")
