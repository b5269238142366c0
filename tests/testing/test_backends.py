"""Our backend passes what we ask of everybody's."""

from __future__ import annotations

import pytest

from uprobe_core.backend import Backend
from uprobe_core.discovery.load import load_backend
from uprobe_core.testing.compliance import BackendCompliance


class TestUnicorn(BackendCompliance):
    """The default backend, through its entry point."""

    @pytest.fixture
    def backend(self) -> Backend:
        return load_backend("unicorn")
