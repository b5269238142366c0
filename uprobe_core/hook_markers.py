"""Markers for hooks and what implements them: pluggy's, without pluggy.

What pluggy's own markers do is to note a dictionary in the function (``pluggy.HookspecOpts``,
``pluggy.HookimplOpts``), and a plugin may use those as well. A run that has none but our own
architecture calls no hooks, and does not import pluggy, which takes as long as a tenth of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

__all__ = ("HookimplMarker", "HookspecMarker", "is_plain_hook")

F = TypeVar("F", bound=Callable[..., Any])
_SPEC = {"firstresult": False, "historic": False, "warn_on_impl": None, "warn_on_impl_args": None}
_IMPL = {
    "wrapper": False,
    "hookwrapper": False,
    "optionalhook": False,
    "tryfirst": False,
    "trylast": False,
    "specname": None,
}


class _Marker:
    """Notes *options*, where not others are given, under *attribute*."""

    def __init__(self, attribute: str, options: dict[str, Any]) -> None:
        self.attribute = attribute
        self._options = options

    @overload
    def __call__(self, function: F) -> F: ...

    @overload
    def __call__(self, **options: Any) -> Callable[[F], F]: ...

    def __call__(self, function: Any = None, **options: Any) -> Any:
        if unknown := options.keys() - self._options:
            raise TypeError(f"no option of a hook is called {min(unknown)!r}")
        if function is None:
            return partial(self._mark, options)
        return self._mark(options, function)

    def _mark(self, options: dict[str, Any], function: F) -> F:
        setattr(function, self.attribute, {**self._options, **options})
        return function


class HookspecMarker(_Marker):
    """As pluggy.HookspecMarker."""

    def __init__(self, project: str) -> None:
        super().__init__(f"{project}_spec", _SPEC)


class HookimplMarker(_Marker):
    """As pluggy.HookimplMarker."""

    def __init__(self, project: str) -> None:
        super().__init__(f"{project}_impl", _IMPL)


def is_plain_hook(project: str, function: object) -> bool | None:
    """Whether *function* implements a hook and asks for nothing else; None: it implements none."""
    options = getattr(function, f"{project}_impl", None)
    return None if options is None else bool(options == _IMPL)
