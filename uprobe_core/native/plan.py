"""From an event and its sinks to objects of the native engine, and what Python is called for."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import is_
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.call_graph import CallGraph
from uprobe_core.actions.kinds import Action, Count, Hist, Record, Stacks, Sum
from uprobe_core.actions.latency import SKETCH_BITS, Latency
from uprobe_core.actions.summary import Summary
from uprobe_core.event_model import EventSpec, OpCode, leaves
from uprobe_core.native import _engine
from uprobe_core.native.packing import (
    NOTHING,
    FieldRef,
    common_field,
    field_of,
    key_decoder,
    pack_bound,
    pack_filter,
    pack_program,
    stack_field,
)

if TYPE_CHECKING:
    from uprobe_core.frame import Frame
    from uprobe_core.tracing.event import Event, EventProbe

__all__ = ("ActionPlan", "Chain", "EventPlan", "NativeEvent", "location_program", "plan_event")

_HISTS = {"log2": _engine.HIST_LOG2, "linear": _engine.HIST_LINEAR, "sub": _engine.HIST_SUB}
_EMPTY = struct.pack("<I", 0)


@dataclass(slots=True)
class ActionPlan:
    """One action on one event, in the engine's terms.

    :param source: the action or sink that it stands for
    :param result: how its results are read: see native_results.take; "" for records and calls
    :param at_return: whether it runs at returns
    """

    kind: int
    source: Any
    at_return: bool
    result: str = ""
    keys: tuple[FieldRef, ...] = ()
    value: FieldRef = NOTHING
    hist: int = 0
    parameter: int = 0
    tests: bytes = b""
    texts: bytes = b""

    @property
    def packed_keys(self) -> bytes:
        """The keys as the engine takes them."""
        return b"".join(key.pack() for key in self.keys)

    def decoder(self, frames: Sequence[Frame]) -> Callable[[bytes], tuple[tuple[Any, ...], int]]:
        """What reads its keys; *frames* are those of stacks, by number."""
        return key_decoder(self.keys, frames)


class Chain(Enum):
    """What of an event is called in Python at a call's beginning, its return and its loss."""

    NONE = "nothing"
    SINK = "the methods of one sink"
    EVENT = "everything: filter, triggers and sinks"


@dataclass(slots=True)
class EventPlan:
    """What the engine does for one event.

    :param fetches: whether the engine can fetch its arguments; else Python does
    """

    program: bytes
    room: int
    capture: bytes = _EMPTY
    capture_room: int = 0
    tests: bytes = b""
    texts: bytes = b""
    actions: list[ActionPlan] = field(default_factory=list)
    chain: Chain = Chain.NONE
    sink: Any = None
    sinks: tuple[Any, ...] = ()
    fetches: bool = True

    @property
    def votes(self) -> int:
        """For whom the handlers in Python speak: VOTES_... of the extension."""
        if self.chain is Chain.EVENT:
            return _engine.VOTES_ALL
        alone = _engine.VOTES_ALONE if len(self.sinks) == 1 else 0
        return alone | (_engine.VOTES_PAIR if getattr(self.sink, "ret_handler", None) is not None else 0)

    @property
    def calls_python(self) -> bool:
        """Whether a handler in Python is called."""
        return self.chain is not Chain.NONE or any(
            action.kind == _engine.ACTION_CALL for action in self.actions
        )

    def is_like(self, other: EventPlan) -> bool:
        """Whether *other* differs in its filter at most."""
        same = len(self.sinks) == len(other.sinks) and all(map(is_, self.sinks, other.sinks))
        return same and (self.chain, self.fetches) == (other.chain, other.fetches)


class NativeEvent:
    """One event's plan with the numbers that the engine gave to its parts."""

    def __init__(self, event: Event, plan: EventPlan) -> None:
        self.event, self.plan = event, plan
        self.actions: list[tuple[int, ActionPlan]] = []
        self.chain = -1
        self.probes: dict[EventProbe, int] = {}


def plan_event(event: Event, *, records: bool = True, fetches: bool = True) -> EventPlan:
    """How *event* runs natively; what the engine cannot do itself it calls Python for.

    :param records: whether the run's writer can do with the engine's records
    :param fetches: whether arguments may be fetched by the engine
    """
    plan = _plan_whole(event) if fetches else None
    if plan is None or (not records and any(action.kind == _engine.ACTION_RECORD for action in plan.actions)):
        return _plan_in_python(event, fetches=fetches)
    plan.sinks = tuple(event.sinks)
    return plan


def reads_register(spec: EventSpec, number: int | None) -> bool:
    """Whether an argument of *spec* is made of register *number*."""
    ops = (op for arg in spec.args for op in arg.ops)
    return any(op.code is OpCode.REG and op.param == number for op in ops)


def location_program(plan: EventPlan, event: Event, spec: EventSpec) -> tuple[bytes, int, bytes, int] | None:
    """Program, room, capture and its room for one location of *event*; None: that one is Python's part.

    Its arguments may be found in other ways there, but have to look the same to who reads the records.
    """
    first = event.spec
    if (spec.args, spec.entry_args) == (first.args, first.entry_args):
        return plan.program, plan.room, plan.capture, plan.capture_room
    if not plan.fetches or any(arg.shape is not None for arg in (*spec.args, *first.args)):
        return None
    program, capture = pack_program(spec.args), _capture(event, spec)
    return None if program is None or capture is None else (*program, *capture)


def _plan_in_python(event: Event, *, fetches: bool) -> EventPlan:
    packed = pack_program(event.spec.args) if fetches and not event.spec.entry_args else None
    program, room = packed or (_EMPTY, 0)
    return EventPlan(program, room, chain=Chain.EVENT, fetches=packed is not None)


def _plan_whole(event: Event) -> EventPlan | None:
    """The event in the engine's terms; None if something in it needs Python's dispatcher."""
    program = pack_program(event.spec.args)
    capture = _capture(event, event.spec)
    if event.triggers is not None or event.has_filters or program is None or capture is None:
        return None
    plan = EventPlan(*program, *capture)
    if event.most_text is not None:  # what has a filter besides is fetched in Python
        plan.tests = pack_bound(event.most_text)
    if event.filter is not None:
        packed = pack_filter(event.filter_ops) if event.filter_ops is not None else None
        if packed is None:
            return None
        plan.tests, plan.texts = packed
    python = [sink for sink in event.sinks if _is_python(sink)]
    if python and (len(event.sinks) > 1 or _is_chain(python[0])):
        # The engine's own actions come first, and entry values are for its fetch programs.
        if len(python) > 1 or event.sinks[-1] is not python[0] or event.spec.entry_args:
            return None
        plan.chain, plan.sink = Chain.SINK, python[0]
    for sink in event.sinks:
        if sink is plan.sink:
            continue
        action = _plan_sink(event, sink)
        if action is None:
            return None
        plan.actions.append(action)
    return plan


def _is_python(sink: Any) -> bool:
    """Whether *sink* has methods that have to be called."""
    return not (getattr(sink, "writes_records", False) or isinstance(getattr(sink, "action", None), Action))


def _is_chain(sink: Any) -> bool:
    """Whether it is other than one handler alone."""
    methods = [getattr(sink, name, None) is not None for name in ("handler", "ret_handler", "missed")]
    return methods[2] or sum(methods) != 1


def _capture(event: Event, spec: EventSpec) -> tuple[bytes, int] | None:
    """The program of what is kept of an entry for its return, and room for its strings; None: Python's part.

    Of a return event that is what its arguments ask for, by number; of an entry event its arguments, as
    they are, if a consumer may look at them then.
    """
    if not event.wants_returns:
        return _EMPTY, 0
    if not event.is_return:
        return pack_program(spec.args) if event.keeps_values else (_EMPTY, 0)
    args = spec.entry_args
    if any(arg.count or arg.type.kind == "f" for arg in args):
        return None
    return pack_program(args) if args else (_EMPTY, 0)


def _plan_sink(event: Event, sink: Any) -> ActionPlan | None:
    if getattr(sink, "missed", None) is not None:
        return None
    if getattr(sink, "writes_records", False):
        return ActionPlan(_engine.ACTION_RECORD, sink, event.is_return)
    action = getattr(sink, "action", None)
    if isinstance(action, Action):
        return _plan_action(event, action)
    entry, leave = getattr(sink, "handler", None), getattr(sink, "ret_handler", None)
    if (entry is None) == (leave is None) or len(event.sinks) > 1:
        return None
    return ActionPlan(_engine.ACTION_CALL, sink, leave is not None)


def _plan_action(event: Event, action: Action) -> ActionPlan | None:
    at_return = event.is_return or action.at_return
    keys = _fields(event, getattr(action, "by", ()))
    plan: ActionPlan | None = None
    if keys is None or any(key.kind == "f" for key in keys) or len(keys) > _engine.MAX_KEY:
        return None
    if type(action) is Count:
        plan = ActionPlan(_engine.ACTION_COUNT, action, at_return, "count", keys)
    elif type(action) is Sum:
        plan = _plan_sum(event, action, at_return, keys)
    elif type(action) is Hist:
        plan = _plan_hist(event, action, at_return, keys)
    elif type(action) is Latency:
        plan = _plan_latency(action, keys)
    elif type(action) is Summary:
        plan = _plan_latency_of_all(action, _engine.ACTION_SUMMARY)
    elif type(action) is CallGraph:
        plan = _plan_latency_of_all(action, _engine.ACTION_GRAPH)
    elif type(action) is Record and _names_are_known(event, action):
        plan = ActionPlan(_engine.ACTION_RECORD, action, at_return)
    elif type(action) is Stacks:
        plan = ActionPlan(_engine.ACTION_COUNT, action, at_return, "count", (stack_field(action.depth),))
    if plan is not None and action.when is not None:
        from uprobe_core.events.filters import parse_filter  # most have no condition

        packed = pack_filter(parse_filter(action.when, event).ops)
        if packed is None:
            return None
        plan.tests, plan.texts = packed
    return plan


def _names_are_known(event: Event, action: Record) -> bool:
    return all(name in event.names or common_field(name) is not None for name in action.args)


def _plan_sum(event: Event, action: Sum, at_return: bool, keys: tuple[FieldRef, ...]) -> ActionPlan | None:
    value = _field(event, action.arg)
    if value is None or value.kind in "tk":
        return None
    result = "fsum" if value.kind == "f" else "sum"
    return ActionPlan(_engine.ACTION_SUM, action, at_return, result, keys, value)


def _plan_hist(event: Event, action: Hist, at_return: bool, keys: tuple[FieldRef, ...]) -> ActionPlan | None:
    value = _field(event, action.arg)
    if value is None or value.kind in "ftk":
        return None
    kind = _HISTS[action.kind]
    parameter = action.step if action.kind == "linear" else action.bits
    if parameter >= 1 << 64:
        return None
    result = "shist" if value.kind == "s" else "hist"
    return ActionPlan(_engine.ACTION_HIST, action, at_return, result, keys, value, kind, parameter)


def _plan_latency(action: Latency, keys: tuple[FieldRef, ...]) -> ActionPlan | None:
    value = common_field("latency")
    assert value is not None
    exact = action.kind == "linear"
    kind, parameter = (_engine.HIST_LINEAR, 1) if exact else (_engine.HIST_SUB, SKETCH_BITS)
    if action.stack > _engine.MAX_STACK:
        return None
    return ActionPlan(_engine.ACTION_HIST, action, True, "latency", keys, value, kind, parameter)


def _plan_latency_of_all(action: Summary | CallGraph, kind: int) -> ActionPlan:
    value = common_field("latency")
    assert value is not None
    return ActionPlan(kind, action, True, action.name, (), value, _engine.HIST_SUB, SKETCH_BITS)


def _fields(event: Event, names: Sequence[str]) -> tuple[FieldRef, ...] | None:
    found = [_field(event, name) for name in names]
    return None if None in found else tuple(ref for ref in found if ref is not None)


def _field(event: Event, name: str) -> FieldRef | None:
    """The field that an action calls *name*: an argument before what every hit has."""
    names = list(event.names)
    if name in names:
        index = names.index(name)
        return field_of(len(leaves(event.spec.args[:index])), event.spec.args[index])
    return common_field(name) if name != "latency" else None
