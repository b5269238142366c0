"""Kept modules are imported in a fifth of importlib's steps, as long as there is one thread.

For a module that nobody has to look for importlib still makes a lock, a context for each finder that it
asks, and calls a dozen functions.  ``import`` and ``importlib`` both come to one function of importlib for
what is not in ``sys.modules``; that is replaced here for a while.
"""

from __future__ import annotations

import _thread
import sys

TYPE_CHECKING = False  # what is imported here is not found among what is kept
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

__all__ = ("import_quickly",)


def import_quickly(kept: Any) -> Callable[[], None]:
    """What the finder *kept* has, from now on; what is returned ends it.

    Where others of ``sys.meta_path`` want to be asked before it nothing is changed.
    """
    bootstrap: Any = sys.modules.get("_frozen_importlib")
    slowly: Any = getattr(bootstrap, "_find_and_load", None)
    finders = len(sys.meta_path)
    ahead = sys.meta_path[: sys.meta_path.index(kept)]
    if slowly is None or any(type(finder).__module__ != "_distutils_hack" for finder in ahead):
        return lambda: None

    def find_and_load(name: str, import_: Callable[[str], Any]) -> Any:
        if name in sys.modules or _thread._count() or len(sys.meta_path) != finders:
            return slowly(name, import_)
        parent, _, child = name.rpartition(".")
        if parent and parent not in sys.modules:
            import_(parent)
            if name in sys.modules:
                return sys.modules[name]
        holder = sys.modules[parent] if parent else None
        spec = kept.find_spec(name, None if holder is None else getattr(holder, "__path__", ()))
        if spec is None:
            return slowly(name, import_)
        module = _executed(spec)
        if holder is not None:
            setattr(holder, child, module)
        return module

    def end() -> None:
        if bootstrap._find_and_load is find_and_load:
            bootstrap._find_and_load = slowly

    bootstrap._find_and_load = find_and_load
    return end


def _executed(spec: Any) -> ModuleType:
    """The module of *spec*, with all that importlib says of one."""
    name, loader = spec.name, spec.loader
    module: ModuleType = loader.create_module(spec)
    space = module.__dict__
    space["__package__"], space["__loader__"], space["__spec__"] = spec.parent, loader, spec
    space["__file__"], space["__cached__"] = spec.origin, spec.cached
    if spec.submodule_search_locations is not None:
        space["__path__"] = spec.submodule_search_locations
    spec._initializing = True
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        spec._initializing = False
    return sys.modules[name]
