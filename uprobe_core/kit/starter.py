"""What a new plugin of some kind begins with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Starter",)


@dataclass(frozen=True)
class Starter:
    """Texts with ``$name``, ``$class_name`` and ``$dashed`` in them; a dollar of their own is ``$$``.

    :param group: the entry points that it is found by
    :param what: one sentence without a full stop
    :param example: a command that uses it
    :param module: the plugin
    :param tests: the tests that it passes
    """

    group: str
    what: str
    example: str
    module: str
    tests: str
