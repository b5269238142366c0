"""What triggers do at a hit: the acting side of :mod:`uprobe_core.events.triggers`.

Order and conditions are the kernel's (include/trace/events: trace_trigger_soft_disabled,
__event_trigger_test_discard, event_triggers_post_call; 6.12): triggers act on
every hit, whatever the event's filter says.  Recorded runs settle what becomes
of the hit itself: ``traceoff`` lets its own hit be recorded, ``traceon`` only if
it has no condition; ``stacktrace`` comes after the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, cast

from uprobe_core.consumer import Hit
from uprobe_core.events.hist_parse import HistSpec
from uprobe_core.events.histogram import Histogram
from uprobe_core.events.kernel_self import KernelSelf
from uprobe_core.events.trace_text import line_prefix
from uprobe_core.events.triggers import UNLIMITED, Trigger, TriggerList
from uprobe_core.records.two_buffers import SNAPSHOT
from uprobe_core.tracing.context import TriggerContext
from uprobe_core.tracing.event import Event
from uprobe_core.tracing.state import TracingState

__all__ = ("EventTriggers", "attach_trigger")

_SWITCHES = {"enable_event": True, "disable_event": False, "enable_hist": True, "disable_hist": False}


class TriggerEvents(Protocol):
    """The events that triggers may speak of (an EventSet)."""

    @property
    def events(self) -> Iterable[Event]:
        """All that are defined, in order."""
        ...

    def named(self, full_name: str) -> Event | None:
        """The event ``GROUP/NAME``, None if there is none."""
        ...

    @property
    def tracing(self) -> TracingState:
        """What the triggers of all of them share."""
        ...

    @property
    def kernel(self) -> KernelSelf | None:
        """What is known of the kernel itself, None outside of policy=kernel."""
        ...


class _Active:
    """A trigger with how often it may still act."""

    def __init__(
        self, trigger: Trigger, histogram: Histogram | None, test: Callable[[Hit], bool] | None
    ) -> None:
        self.trigger, self.test = trigger, test
        self.left = trigger.count
        self.histogram = histogram

    def spend(self) -> bool:
        """Take one of the times that are left; False when there is none."""
        if self.left == 0:
            return False
        if self.left != UNLIMITED:
            self.left -= 1
        return True


class EventTriggers:
    """The triggers of one event, acting.

    :ivar soft_disabled: hits are not recorded, but triggers act (a target of ``enable_event``)
    """

    def __init__(self, event: Event, events: TriggerEvents, session: TriggerContext) -> None:
        self.list = TriggerList()
        self.soft_disabled = False
        self._event, self._events, self._session = event, events, session
        self._state = events.tracing
        self._active: dict[Trigger, _Active] = {}
        self._snaps = False
        """Whether the hit under way takes a snapshot that is not yet said."""

    # --- set up -------------------------------------------------------------------------------------

    def write(self, text: str) -> list[Event]:
        """Do what one line of the ``trigger`` file says; returns the events that a kernel enables for it.

        Raises SpecError.
        """
        trigger = self.list.write(text, self._event, lambda name: self._events.named(name) is not None)
        command = trigger.hist.command if trigger.hist is not None else ""
        if command in {"pause", "continue", "clear"} and self._command(trigger, command):
            return []
        active = {each: self._active.get(each) or self._activate(each) for each in self.list}
        for each, gone in self._active.items():
            if each not in active and gone.histogram is not None and not gone.histogram.spec.name:
                self._state.remove(gone.histogram)
        self._active = active
        if trigger.command == "snapshot" and trigger in active and self._events.kernel is not None:
            self._session.takes_snapshots()
        if trigger.command in {"traceon", "traceoff", "snapshot"}:
            for event in self._events.events:  # records that a native engine writes would not see the switch
                triggers_of(event, self._events, self._session)
        if trigger.command in {"enable_event", "disable_event"} and trigger in active:
            # Made here, since records that a native engine writes would not see the switch.
            target = triggers_of(self._target(trigger.target), self._events, self._session)
            # It is not enabled by itself; under policy=kernel all groups are, when the triggers are written.
            if trigger.command == "enable_event" and self._events.kernel is None:
                target.soft_disabled = True
        switched = [self._target(trigger.target)] if trigger.target else []
        return list(dict.fromkeys([*switched, self._event])) if trigger in active else []

    def _command(self, trigger: Trigger, command: str) -> bool:
        """``pause``, ``continue`` or ``clear`` of a histogram that is there."""
        for active in self._active.values():
            if active.histogram is not None and trigger.replaces(active.trigger):
                if command == "clear":
                    active.histogram.clear()
                else:
                    active.histogram.paused = command == "pause"
                return True
        return False

    def _activate(self, trigger: Trigger) -> _Active:
        spec = trigger.hist
        test = None if trigger.test is None else self._event.condition(trigger.test)
        if spec is None:
            return _Active(trigger, None, test)
        histogram = self._state.named.get(spec.name) if spec.name else None
        if histogram is None:
            histogram = self._histogram(spec)
            self._state.histograms.append((self._event.full_name, histogram))
            if spec.name:
                self._state.named[spec.name] = histogram
        return _Active(trigger, histogram, test)

    def _histogram(self, spec: HistSpec) -> Histogram:
        """An empty one, whose stacks are the user's, or under policy=kernel the kernel's own."""
        kernel = self._events.kernel
        if kernel is None:
            return Histogram(spec, stack=lambda hit: hit.stack(), symbol=self._symbol)
        frames = kernel.frames(is_return=self._event.is_return)
        return Histogram(spec, stack=lambda _hit: frames, symbol=kernel.symbol)

    def _stack_lines(self, hit: Hit, *, counted: bool) -> Iterator[str]:
        """The stack of the kernel under policy=kernel, else that of the program."""
        task, kernel = hit.task, self._events.kernel
        yield f"{line_prefix(task.comm, task.tid, task.cpu(), task.clock())}<stack trace>"
        is_return = self._event.is_return
        names = hit.stack() if kernel is None else kernel.stack(is_return=is_return, counted=counted)
        for name in names:
            yield f" => {name if isinstance(name, str) else name.label}"

    def _symbol(self, address: int) -> str:
        return self._state.symbols.get(address, f"{address:#x}")

    def _target(self, name: str) -> Event:
        found = self._events.named(name)
        assert found is not None, name  # it was there when the trigger was written
        return found

    # --- a hit --------------------------------------------------------------------------------------

    def around(self, hit: Hit, record: Callable[[], Any]) -> Any:
        """Let the triggers act around *record*, which records the hit; returns what it returns."""
        state, before = self._state, self._state.on
        conditional = any(map(_needs_record, self._active))
        if conditional and not self._has_room(hit):
            return None if self.soft_disabled else record()
        self._act(hit, post=False)
        if not conditional:
            self._snap()
        state.recording = before or (state.on and not conditional)
        result = None if self.soft_disabled else record()
        self._snap()
        self._act(hit, post=True)
        state.recording = state.on
        return result

    def _has_room(self, hit: Hit) -> bool:
        """Whether there is a record for triggers to look at: a kernel's is not made if it is too long."""
        buffer, event = self._event.buffer, self._event
        in_page = event.filter is not None or self.soft_disabled
        return buffer is None or not hit.values or buffer.has_room(in_page=in_page)

    def _snap(self) -> None:
        """Say that a snapshot was taken: of a record that triggers look at after it, else before it."""
        if self._snaps:
            self._snaps = False
            self._session.emit(SNAPSHOT)

    def _act(self, hit: Hit, *, post: bool) -> None:
        for active in list(self._active.values()):
            trigger = active.trigger
            if (trigger.command == "stacktrace") is not post:
                continue
            if active.test is None or active.test(hit):
                self._do(active, hit)

    def _do(self, active: _Active, hit: Hit) -> None:
        command, state = active.trigger.command, self._state
        if active.histogram is not None:
            self._count(active.histogram, hit)
        elif command in {"traceon", "traceoff"}:
            wanted = command == "traceon"
            if state.on is not wanted and active.spend():
                state.on = wanted
        elif command in _SWITCHES:
            self._switch(active)
        elif command == "snapshot" and active.spend():
            self._snaps = True
        elif command == "stacktrace" and active.spend() and state.recording and not self.soft_disabled:
            for line in self._stack_lines(hit, counted=active.trigger.count != UNLIMITED):
                self._session.emit(line)

    def _switch(self, active: _Active) -> None:
        command, on = active.trigger.command, _SWITCHES[active.trigger.command]
        target = triggers_of(self._target(active.trigger.target), self._events, self._session)
        if command.endswith("_hist"):
            if active.spend():
                for each in target._active.values():
                    if each.histogram is not None:
                        each.histogram.paused = not on
        elif target.soft_disabled is on and active.spend():
            target.soft_disabled = not on

    def _count(self, histogram: Histogram, hit: Hit) -> None:
        measurement = histogram.measure(hit)
        names = self._names(histogram, measurement, hit)
        self._state.symbols.update(names)
        spool = self._session.spool
        if spool.is_root:
            histogram.add(measurement)
        else:
            number = [each for _, each in self._state.histograms].index(histogram)
            spool.put(("hist", number, measurement, names))

    def _names(self, histogram: Histogram, measurement: Any, hit: Hit) -> dict[int, str]:
        """Symbols of the addresses in *measurement*, found while their mappings are there."""
        found: dict[int, str] = {}
        if self._events.kernel is not None:
            return found  # which has its own names
        for part, value in zip(histogram.spec.keys, measurement[0], strict=True):
            symbolic = part.modifier in {"sym", "sym-offset", "stacktrace"} or isinstance(value, tuple)
            for address in value if isinstance(value, tuple) else (value,):
                if symbolic and isinstance(address, int) and address not in self._state.symbols:
                    found[address] = self._session.stacks.space(hit.process).sized_name(address)
        return found


def _needs_record(trigger: Trigger) -> bool:
    """Whether a kernel makes the record before it acts (update_cond_flag, 6.12)."""
    return trigger.test is not None or trigger.hist is not None or trigger.command == "stacktrace"


def triggers_of(event: Event, events: TriggerEvents, session: TriggerContext) -> EventTriggers:
    """The triggers of *event*, made on first use."""
    if event.triggers is None:
        event.triggers = EventTriggers(event, events, session)
        event.changed()
    return cast("EventTriggers", event.triggers)  # nothing else is ever put there


def attach_trigger(events: TriggerEvents, event: Event, text: str, session: TriggerContext) -> list[Event]:
    """Do what *text*, a line of the ``trigger`` file, says for *event*; raises SpecError.

    Returns the events that a kernel enables for it: the one that it switches, and *event*.
    """
    return triggers_of(event, events, session).write(text)
