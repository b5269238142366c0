"""A backend around another one, some of whose methods are somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ("BrokenBackend", "Changes", "Value", "nothing", "twice")

Changes = Mapping[str, Mapping[str, Callable[..., Any]]]
"""By role ("backend", "machine", "process", "task", "handler") the methods that are replaced; each is
called with the real object, then the arguments."""


@dataclass(frozen=True)
class Value:
    """What an attribute is, where it is no method."""

    read: Callable[[Any], Any]


class _Proxy:
    """An object with some methods of its own.

    :param world: makes proxies of what comes out and takes them off what goes in
    """

    def __init__(self, world: _World, role: str, real: Any) -> None:
        self._world, self._role, self._real = world, role, real

    def __getattr__(self, name: str) -> Any:
        changed: Any = self._world.changes.get(self._role, {}).get(name)
        if changed is None:
            return self._world.outwards(getattr(self._real, name))
        if isinstance(changed, Value):
            value: Any = changed.read(self._real)
            return self._world.outwards(value)
        return lambda *args, **kwargs: self._world.outwards(changed(self._real, *args, **kwargs))


class _World:
    """The proxies of one machine: one for each object, so that identity is kept."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self._made: dict[int, tuple[Any, _Proxy]] = {}

    def proxy(self, role: str, real: Any) -> _Proxy:
        """The proxy of *real*."""
        if id(real) not in self._made:
            self._made[id(real)] = real, _Proxy(self, role, real)
        return self._made[id(real)][1]

    def outwards(self, value: Any) -> Any:
        """What somebody outside is shown for *value*."""
        if hasattr(value, "get_reg") and hasattr(value, "process"):
            return self.proxy("task", value)
        if hasattr(value, "insert_trap") and hasattr(value, "mappings"):
            return self.proxy("process", value)
        return value

    def handler(self, real: Any) -> Any:
        """A handler for the real machine, which shows *real* proxies."""
        return _Handler(self, real)


class _Handler:
    def __init__(self, world: _World, real: Any) -> None:
        self._world, self._real = world, real

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        changed = self._world.changes.get("handler", {}).get(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            shown = [self._world.outwards(arg) for arg in args]
            return method(*shown, **kwargs) if changed is None else changed(method, *shown, **kwargs)

        return call


class BrokenBackend:
    """*good* with *changes*, and a target that may be changed by the function *target*."""

    def __init__(
        self,
        good: Any,
        changes: Changes,
        target: Callable[[Any], Any] = lambda target: target,
        **capabilities: Any,
    ) -> None:
        self._good, self._changes, self._target = good, changes, target
        self.name = good.name
        self.capabilities = replace(good.capabilities, **capabilities)

    def open(self, target: Any, handler: Any) -> Any:
        """Part of the Backend contract."""
        world = _World(self._changes)
        arguments = self._target(target), world.handler(handler)
        opening = self._changes.get("backend", {}).get("open")
        machine = self._good.open(*arguments) if opening is None else opening(self._good, *arguments)
        return world.proxy("machine", machine)


def nothing(*_args: Any, **_kwargs: Any) -> None:
    """What a method does that was forgotten."""


def twice(told: Any, *args: Any) -> Any:
    """Tell it a second time; the answer is that of the second."""
    told(*args)
    return told(*args)
