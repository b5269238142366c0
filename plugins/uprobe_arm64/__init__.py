"""The arm64 architecture: which instructions can be probed, and how a hit is completed.

* :mod:`uprobe_arm64.decode_table` and its parts: the verdicts, as data
* :mod:`uprobe_arm64.decode`: a word in, an analysis out
* :mod:`uprobe_arm64.simulate`: what the simulated instructions do
* :mod:`uprobe_arm64.arch`: the life of a hit
"""

from uprobe_arm64.arch import Arm64Arch
from uprobe_arm64.registers import Register

__all__ = ("Arm64Arch", "Register")
