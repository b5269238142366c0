"""Compliance suites: what every backend, decoder, arch, consumer, writer and hooks plugin must pass.

A third party subclasses the class of its kind in a test module, overrides the
fixtures that the class's docstring calls required, and runs pytest::

    from uprobe_core.testing.compliance import DecoderCompliance

    class TestMine(DecoderCompliance):
        @pytest.fixture
        def decoder(self):
            return MyDecoder()

A test that asks for something optional skips on a *capability*, never on a
name.  A deviation is an override with a comment that gives the reason.
"""

from uprobe_core.testing.compliance.arch import ArchCompliance
from uprobe_core.testing.compliance.backend import BackendCompliance
from uprobe_core.testing.compliance.consumer import ConsumerCompliance
from uprobe_core.testing.compliance.decoder import DecoderCompliance
from uprobe_core.testing.compliance.hooks import HooksCompliance
from uprobe_core.testing.compliance.writer import WriterCompliance

__all__ = (
    "ArchCompliance",
    "BackendCompliance",
    "ConsumerCompliance",
    "DecoderCompliance",
    "HooksCompliance",
    "WriterCompliance",
)
