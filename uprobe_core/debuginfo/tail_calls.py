"""Calls that end a function: who jumps where instead of returning, as call sites say it (DWARF 5, 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.functions import Instance, instance_of
from uprobe_core.debuginfo.unit import Die

__all__ = ("SITES", "TailCall", "chain_to", "linked_name", "may_jump_back", "target_of")

SITES = (Tag.CALL_SITE, Tag.GNU_CALL_SITE)
_MOST_TARGETS = 64


@dataclass(frozen=True, slots=True)
class TailCall:
    """A jump, said by *site*, with which *function* ends."""

    site: Die
    function: Instance

    @property
    def address(self) -> int:
        """Within the jump, as its file numbers addresses."""
        behind = self.site.get(At.CALL_RETURN_PC, self.site.get(At.LOW_PC))
        return self.function.entry if behind is None else int(behind) - 1


def target_of(site: Die) -> Die | None:
    """What *site* calls, None where it says no function."""
    return site.ref(At.CALL_ORIGIN) or site.ref(At.ABSTRACT_ORIGIN)


def linked_name(die: Die) -> str:
    """What the linker calls a function, else the source."""
    found = die.find(At.LINKAGE_NAME)
    return str(found.get(At.LINKAGE_NAME)) if found is not None else die.named()


def may_jump_back(die: Die) -> bool:
    """Whether the function may be entered again without a return: by a tail call, its own or of others.

    What the caller has given is not what it was entered with then.
    """
    known = die.unit.info.jumps_back
    if die.offset not in known:
        known[die.offset] = _finds_itself(die)
    return known[die.offset]


def _finds_itself(die: Die) -> bool:
    todo, seen = [die], {die.key}
    while todo:
        for target in _targets(todo.pop()):
            if target is None or target.key == die.key or len(seen) > _MOST_TARGETS:
                return True  # to a computed address, to itself, or too far to follow
            if target.key not in seen:
                seen.add(target.key)
                todo.append(target)
    return False


def chain_to(first: Instance, last: Instance, at: Callable[[str], Instance | None]) -> list[TailCall] | None:
    """The jumps that lead from *first* to *last*; None if they are not known, or could be others.

    :param at: the function that the linker calls so
    """
    found: list[list[TailCall]] = []
    todo: list[tuple[Instance, list[TailCall]]] = [(first, [])]
    for _ in range(_MOST_TARGETS):
        if not todo:
            return found[0] if len(found) == 1 else None
        function, path = todo.pop()
        for site in _sites(function.die):
            origin, longer = target_of(site), [*path, TailCall(site, function)]
            if origin is None:
                return None  # to a computed address
            target = instance_of(origin) or at(linked_name(origin))
            if target is None:
                continue  # it has no code in this file, and does not come back
            if target.entry == last.entry:
                found.append(longer)
            elif target.entry in {each.function.entry for each in longer}:
                return None
            else:
                todo.append((target, longer))
    return None


def _sites(die: Die) -> Iterator[Die]:
    """The tail calls of *die*."""
    unit = die.unit
    end = unit.behind(die)
    for entry in unit.scan():
        if entry.tag in SITES and die.offset < entry.offset < end:
            site = unit.die(entry.offset)
            if site.get(At.CALL_TAIL_CALL) or site.get(At.GNU_TAIL_CALL):
                yield site


def _targets(die: Die) -> Iterator[Die | None]:
    """The functions with code that *die* ends in a jump to; None for one that is computed."""
    for site in _sites(die):
        origin = target_of(site)
        yield from [None] if origin is None else _with_code(origin)


def _with_code(origin: Die) -> list[Die]:
    """The function that *origin* declares, where it has code in this file; [] if it is elsewhere."""
    if instance_of(origin) is not None:
        return [origin]
    family = origin.unit.info.whole
    found = family.named(linked_name(origin), frozenset({Tag.SUBPROGRAM}))
    found += [each for die in found for each in family.referring(die, frozenset({Tag.SUBPROGRAM}))]
    return [each for each in found if instance_of(each) is not None]
