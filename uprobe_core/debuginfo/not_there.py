"""Why a global variable cannot be named."""

from __future__ import annotations

from uprobe_core.debuginfo.functions import is_nowhere, last_part
from uprobe_core.debuginfo.operands import RefusedError
from uprobe_core.debuginfo.unit import Family
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("not_there", "thread_local")


def thread_local() -> RefusedError:
    """What is said of a variable that each thread has for itself."""
    hint = "name a pointer to it, or probe where its value is in a register"
    return RefusedError("it is each thread's own, which cannot be read by name", hint)


def not_there(info: Family, image: ElfImage, name: str, hint: str) -> RefusedError:
    """What is said of *name*, of which *info* says no place in *image*.

    :param hint: what else there is
    """
    if not is_nowhere(info, name):
        return RefusedError("nothing has that name here", hint)
    if image.has_thread_local(last_part(name)):
        return thread_local()
    return RefusedError("the debug information does not say where it is: the compiler has removed it", hint)
