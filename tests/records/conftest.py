"""What tests of records begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from uprobe_core.records.spool import Spool


@pytest.fixture
def spool() -> Iterator[Spool]:
    made = Spool()
    made.prepare()
    yield made
    made.close()
