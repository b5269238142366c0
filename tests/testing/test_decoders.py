"""Our decoders pass what we ask of everybody's."""

from __future__ import annotations

import pytest

from uprobe_core.decoder import Decoder
from uprobe_core.discovery.load import load_decoder
from uprobe_core.errors import PluginError
from uprobe_core.testing.compliance import DecoderCompliance


class TestCapstone(DecoderCompliance):
    """Capstone, through its entry point."""

    @pytest.fixture
    def decoder(self) -> Decoder:
        return load_decoder("capstone")


class TestSleigh(DecoderCompliance):
    """SLEIGH, which is an extra."""

    @pytest.fixture
    def decoder(self) -> Decoder:
        try:
            return load_decoder("sleigh")
        except PluginError as error:
            pytest.skip(str(error))
