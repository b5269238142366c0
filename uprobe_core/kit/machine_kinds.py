"""Starters of what machines and instructions are made of: decoders, architectures, backends."""

from __future__ import annotations

from uprobe_core.kit.starter import Starter

__all__ = ("ARCH", "BACKEND", "DECODER")

DECODER = Starter(
    group="uprobe.decoders",
    what="A decoder for uprobe: two instructions of arm64",
    example="uprobe why --decoder $name ./loop work",
    module='''\
"""``--decoder $name``: text for people; no verdict depends on it."""

from uprobe_core.decoder import Decoded


class $class_name:
    """Knows nop and b; None for all others says that it does not know them."""

    name = "$name"

    def decode(self, code, address):
        """The first instruction of *code*, which lies at *address*; None if it is none."""
        if len(code) < 4:
            return None
        word = int.from_bytes(code[:4], "little")
        if word == 0xD503201F:
            return Decoded(4, "nop", "", branches=False, reads_pc=False)
        if word >> 26 == 0b000101:
            distance = ((word & 0x3FFFFFF) ^ 0x2000000) - 0x2000000
            return Decoded(4, "b", f"#{address + 4 * distance:#x}", branches=True, reads_pc=True)
        return None
''',
    tests='''\
import pytest
from uprobe_$name import $class_name

from uprobe_core.testing.compliance import DecoderCompliance
from uprobe_core.testing.compliance.decoder import Sample


class Test$class_name(DecoderCompliance):
    @pytest.fixture
    def decoder(self):
        return $class_name()

    @pytest.fixture
    def samples(self):
        """What it knows; without this fixture it is asked for more of arm64."""
        nop = Sample((0xD503201F).to_bytes(4, "little"), "nop", branches=False, reads_pc=False)
        branch = Sample((0x14000004).to_bytes(4, "little"), "b", branches=True, reads_pc=True)
        return (nop, branch)
''',
)

ARCH = Starter(
    group="uprobe.archs",
    what="An architecture for uprobe, begun from the toy of its tests",
    example="uprobe plugins",
    module='''\
"""``--arch $name``: what the architecture is, and what happens around a hit of it.

It begins as the toy architecture that uprobe is tested with, of ten instructions.
Replace its hooks one after the other; docs/hooks.md says what each has to do.
"""

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.testing.toy_arch import ToyArch


class $class_name(ToyArch):
    """The plugin; all state of a hit lives in its utask."""

    name = "$name"

    @hookimpl
    def register_hint(self, name):
        """What to write in place of a register that is none, None if nobody knows."""
        return None
''',
    tests="""\
import pytest
from uprobe_$name import $class_name

from uprobe_core.testing.compliance import ArchCompliance
from uprobe_core.testing.toy_arch import Op, encode


class Test$class_name(ArchCompliance):
    @pytest.fixture
    def arch(self):
        return $class_name()

    @pytest.fixture
    def stepped(self):
        return encode(Op.ADD, 1)

    @pytest.fixture
    def simulated(self):
        return encode(Op.JUMP, 16)

    @pytest.fixture
    def refused(self):
        return encode(Op.PRIV)
""",
)

BACKEND = Starter(
    group="uprobe.backends",
    what="A backend for uprobe, begun from the one that it comes with",
    example="uprobe run --backend $name -e 'p:work ./loop:work' -- ./loop 3",
    module='''\
"""``--backend $name``: what executes the program.

It begins as the Unicorn backend. Replace open() by your own machine: the contract is
uprobe_core.backend, and what yours cannot do it says in its capabilities.
"""

from dataclasses import replace

from uprobe_unicorn import UnicornBackend


class $class_name:
    """The plugin, made without arguments."""

    name = "$name"

    def __init__(self):
        self._inner = UnicornBackend()
        self.capabilities = replace(self._inner.capabilities)

    def open(self, target, handler):
        """Load the program, telling *handler* of every mapping; nothing of it has run yet."""
        return self._inner.open(target, handler)
''',
    tests="""\
import pytest
from uprobe_$name import $class_name

from uprobe_core.testing.compliance import BackendCompliance


class Test$class_name(BackendCompliance):
    @pytest.fixture
    def backend(self):
        return $class_name()
""",
)
