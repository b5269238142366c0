"""Where the engine's sites lie in the running program; see :class:`uprobe_core.native_backend.NativeBackend`.

Three ways: a code hook at the address, a breakpoint, or a branch to a slot
over the instruction; the latter two are seen by fetches only.  A return
address becomes a place of its own the first time that it is seen, and stays
one, since the next call from there will want it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.native_backend import Core
from uprobe_core.types import MemoryFault, Mode
from uprobe_unicorn.native.place import How, Place
from uprobe_unicorn.native.slot_areas import SlotAreas

if TYPE_CHECKING:
    from uprobe_linux.machine import LinuxMachine
    from uprobe_linux.memory.address_space import AddressSpace

    from uprobe_core.backend import Process
    from uprobe_unicorn.native.cpu import NativeCpu

__all__ = ("NativePlaces",)

INLINE_AT_MOST = 12
"""Code hooks up to which each is cheaper than a slot (docs/benchmarks.md); every further one slows all."""
INLINE_CALLS = 32
"""The same when handlers are in Python, which costs more than walking the list."""


def _untold(_block: int, _address: int) -> None:
    """Nobody in Python is told of a sample."""


def _nobody(_pid: int, _tid: int, _comm: str) -> int:
    return 0


def _branch_target(word: int, address: int) -> int | None:
    """Where the instruction *word*, B or BL, goes; None if it is neither (DDI 0487, C6.2.26 and C6.2.34)."""
    if word & 0x7C00_0000 != 0x1400_0000:
        return None
    return (address + ((word & 0x03FF_FFFF ^ 0x0200_0000) - 0x0200_0000) * 4) & (1 << 64) - 1


def _branch(address: int, target: int) -> bytes:
    """The instruction B from *address* to *target* (DDI 0487, C6.2.26)."""
    return (0x1400_0000 | ((target - address) >> 2 & 0x03FF_FFFF)).to_bytes(4, "little")


class NativePlaces:
    """The native part of one machine."""

    def __init__(self, machine: LinuxMachine, cpu: NativeCpu) -> None:
        self._machine = machine
        self._cpu = cpu
        self._glue = cpu.glue
        self._engine: Any = None
        self._who: Callable[[int, int, str], int] = _nobody
        self._places: dict[int, Place] = {}
        self._areas = SlotAreas(cpu.glue, machine.arena)
        self._movable = self._hooked = 0
        """How many may change how they are placed, and how many of those have hooks."""
        self._trap = b""
        self._tasks: dict[Any, int] = {}
        self._names: dict[Any, bytes] = {}
        """By which the engine knows them."""
        self._ended: list[int] = []
        """Numbers of tasks that are gone, for new ones."""
        self._task: Any = None
        self._name: Any = None
        self._visible = False
        self._crowd = (False, False)
        """Whether there are too many places for hooks, and too many for those of Python handlers."""
        self._removed = False
        """Whether a place was removed since guest code ran."""
        self._python_returns = False
        """Whether anything in Python is called at hits, and so perhaps at returns."""
        self.before_run: Callable[[], None] | None = None
        self.after_run: Callable[[], None] | None = None

    def connect(
        self, engine: Any, api: Any, who: Callable[[int, int, str], int], *, trap: bytes, visible: bool
    ) -> None:
        """Bring hits to *engine* from now on; *visible*: trapped places show their breakpoint, *trap*."""
        self._engine = engine
        self._who = who
        self._trap = trap
        self._visible = visible
        self._cpu.displaced = self._displaced
        self._glue.connect(engine, engine.pointer, api)
        engine.host_clock = not self._machine.clock.virtual
        self._cpu.before_run = self._start_run
        self._cpu.after_run = self._end_run
        self._cpu.engine_task, self._cpu.on_switch = self._known, self._switched

    # --- around each run ----------------------------------------------------------------------------

    def _start_run(self) -> None:
        self._show_time()
        task = self._machine.current
        if task is not None and (task is not self._task or task.name != self._name):
            self._switch(task)
        if task is not None:
            task.pc_written = False
            if self._removed:
                self._removed = False
                self._forget_returns()
            if self.before_run is not None and not self._engine.trampoline:
                self.before_run()

    def _end_run(self) -> None:
        self._show_time()
        for address in self._glue.take_wanted():
            self._watch(address)
        if self.after_run is not None:
            self.after_run()

    def _show_time(self) -> None:
        """Let the engine's clock show the machine's; the glue moves it at each hit."""
        clock = self._machine.clock
        self._glue.clock = clock.base
        self._engine.now, self._engine.work = clock.monotonic(), self._cpu.executed

    def _switch(self, task: Any) -> None:
        self._task, self._name = task, task.name
        number = self._tasks.get(task, -1)
        if number < 0 and self._ended:
            number = self._ended.pop()
        pid = task.process.pid
        who = self._who(pid, task.tid, task.comm)
        self._tasks[task] = self._engine.set_task(number, pid, task.tid, who, task.name)
        self._names[task] = task.name
        self._engine.run_task(self._tasks[task])

    def _known(self, task: Any) -> int | None:
        """The address of the engine's *task*, None if it has not run with its name yet."""
        number = self._tasks.get(task)
        if number is None or self._names.get(task) != task.name:
            return None
        return int(self._engine.task_pointer(number))

    def _switched(self, task: Any) -> None:
        self._task, self._name = task, task.name

    def end_task(self, task: Any, reason: str) -> None:
        """*task* will not return from anything any more."""
        number = self._tasks.pop(task, None)
        self._names.pop(task, None)
        if number is not None:
            self._engine.end_task(number, 1 if reason == "exec" else 2)
            self._ended.append(number)
        if task is self._task:
            self._task = None

    def inherit(self, task: Any, *, copies: bool) -> None:
        """*task* goes on where the task that ran last was; with *copies* that one does, too."""
        number = self._tasks.get(self._task, -1)
        if copies and number >= 0:
            self._tasks[task] = self._engine.set_task(-1, task.process.pid, task.tid, 0, task.name)
            self._engine.inherit(self._tasks[task], number)
        elif not copies:
            self._tasks = {task: number} if number >= 0 else {}
            self._task = None
            self._switch(task)

    def sample(self, site: int) -> None:
        """Have samples hit the engine's *site*."""
        watcher = self._machine.target.on_sample
        assert watcher is not None
        self._cpu.sample(watcher.every, _untold, self._engine.site_pointer(site))

    def stop(self) -> None:
        """End the run of guest code soon."""
        self._cpu.request_stop()

    # --- placing ---------------------------------------------------------------------------------------

    def place(
        self, process: Process, address: int, site: int, mode: Mode, *, calls_python: bool, core: Core
    ) -> bool:
        """Have *site* hit before each execution at *address*; False if *mode* cannot do it there."""
        memory: AddressSpace = process.memory  # type: ignore[attr-defined]  # a LinuxProcess
        visible = self._visible and mode is Mode.TRAP
        self._python_returns |= calls_python
        place = self._places.get(address)
        if place is not None:
            return self._take_over(
                place, process, site, calls_python=calls_python, core=core, visible=visible
            )
        place = self._new(memory, address, site, watched=False, automatic=mode is Mode.AUTO)
        place.calls_python, place.process = calls_python, process
        place.core, place.visible = core, visible
        if mode is Mode.AUTO:
            done = self._choose(place)
            self._rebalance()  # outside of guest code, where nobody is in a slot
        else:
            done = self._hook(place) if mode is Mode.INLINE else self._patch(place, trap=mode is Mode.TRAP)
        if not done:
            self._drop(place)
        return done

    def _take_over(
        self, place: Place, process: Process, site: int, *, calls_python: bool, core: Core, visible: bool
    ) -> bool:
        """Returns are watched there already, or it had another site: now it is *site*'s."""
        place.site, place.process, place.core = site, process, core
        if visible != place.visible or (calls_python and place.how is How.JUMP):
            self._unpatch(place)
            place.calls_python, place.visible = calls_python, visible
            self._renumber(place)
            return self._patch(place, trap=True) or self._hook(place)
        place.calls_python |= calls_python
        if self._glue.set_place(place.number, self._engine.site_pointer(site), place.watched):
            place.memory.forget_code(place.address)
        return True

    def _new(self, memory: AddressSpace, address: int, site: int, *, watched: bool, automatic: bool) -> Place:
        pointer = self._engine.site_pointer(site) if site >= 0 else 0
        number = self._glue.add_place(address, pointer, watched)
        place = self._places[address] = Place(number, address, memory, site, watched, automatic)
        self._movable += automatic
        return place

    def _set(self, place: Place, how: How) -> None:
        if place.automatic:
            self._hooked += (how is How.HOOK) - (place.how is How.HOOK)
        place.how = how

    def _displaced(self, address: int) -> int | None:
        """The instruction that a patch at *address* is over, None if there is no patch."""
        place = self._places.get(address)
        return place.word if place is not None and place.patched else None

    def _choose(self, place: Place) -> bool:
        """AUTO: a hook while there are few, else a slot, else a hook after all."""
        if self._is_hook_best(place):
            return self._hook(place)
        if self._patch(place, trap=place.calls_python, core=False):
            return True
        # A hook slows every hit a little, the core one a lot.
        return (self._hooked > INLINE_CALLS and self._patch(place, trap=True)) or self._hook(place)

    def _is_hook_best(self, place: Place) -> bool:
        return self._movable <= (INLINE_CALLS if place.calls_python else INLINE_AT_MOST)

    def _rebalance(self) -> None:
        """AUTO: if there have become too many for hooks, or few enough again, change over."""
        crowd = (self._movable > INLINE_AT_MOST, self._movable > INLINE_CALLS)
        if crowd == self._crowd:
            return
        self._crowd = crowd
        movable = [p for p in self._places.values() if p.automatic]
        for place in [p for p in movable if (p.how is How.HOOK) is not self._is_hook_best(p)]:
            self._unpatch(place)
            self._renumber(place)
            self._choose(place)

    def _forget_returns(self) -> None:
        """Probes are gone: return addresses that no call is to come back to are watched no more."""
        awaited = set(self._engine.awaited())
        for place in [p for p in self._places.values() if p.watched and p.address not in awaited]:
            if place.site < 0:
                self._drop(place)
        self._rebalance()

    def _hook(self, place: Place) -> bool:
        self._set(place, How.HOOK)
        if self._glue.hook(place.number, self._cpu.has_hook(place.address)):
            return False
        place.memory.forget_code(place.address)
        return True

    def _patch(self, place: Place, *, trap: bool, core: bool = True) -> bool:
        """A breakpoint or a branch; False if the instruction cannot be moved.

        :param core: then a breakpoint will do, if the core can do the instruction
        """
        memory, address = place.memory, place.address
        if address & 3 or memory.code.has(address):
            return False
        try:
            word = int.from_bytes(memory.read_any(address, 4), "little")
        except MemoryFault:
            return False
        entry = 0 if place.core is Core.ALONE else self._slot(place, word)
        if not entry and (place.core is Core.NOT or not core):
            return False
        memory.on_reserve = self._evict
        place.word = word
        self._set(place, How.TRAP if trap or not entry else How.JUMP)
        if place.visible or not entry:
            self._glue.trap(place.number, place.core is Core.STEPS and place.visible)
        if place.visible:
            place.process.insert_trap(address, self._trap, visible=True)
        else:
            memory.insert_trap(address, self._trap if place.how is How.TRAP else _branch(address, entry))
        return True

    def _slot(self, place: Place, word: int) -> int:
        """The entry of a slot for *word*; 0 if it cannot be moved, or branches to where the slots are."""
        target = _branch_target(word, place.address)
        if target is not None:
            self._evict(target, target + 4)
        entry = place.entry = self._areas.slot(place.memory, place.number, place.address, word)
        if entry and target is not None and self._areas.overlapping(target, target + 4):
            return 0
        return entry

    def _unpatch(self, place: Place) -> None:
        self._glue.forget(place.number)
        if place.how is How.HOOK:
            place.memory.forget_code(place.address)
        elif place.patched and place.visible:
            place.process.remove_trap(place.address)
        elif place.patched:
            place.memory.code.remove(place.address)
        place.entry = 0
        self._set(place, How.NOT)

    def _evict(self, start: int, end: int) -> None:
        """The program maps [start, end): slots that lie there move elsewhere."""
        for area in self._areas.overlapping(start, end):
            moved = [(p, p.how) for p in self._places.values() if area.holds(p.entry)]
            for place, _ in moved:
                self._unpatch(place)
            self._areas.remove(area)
            for place, how in moved:
                self._renumber(place)
                if not self._patch(place, trap=how is How.TRAP):
                    self._hook(place)

    def _renumber(self, place: Place) -> None:
        """The glue's old place is spent: make another for the same address."""
        site = self._engine.site_pointer(place.site) if place.site >= 0 else 0
        place.number = self._glue.add_place(place.address, site, place.watched)

    def _drop(self, place: Place) -> None:
        self._unpatch(place)
        self._lose(place)

    def _lose(self, place: Place) -> None:
        del self._places[place.address]
        self._movable -= place.automatic
        self._hooked -= place.automatic and place.how is How.HOOK

    def _watch(self, address: int) -> None:
        """The first return to *address* is pending."""
        place = self._places.get(address)
        if place is not None:
            place.watched = True
            self._glue.set_place(place.number, self._engine.site_pointer(place.site), True)
            return
        task = self._machine.current
        assert task is not None
        place = self._new(task.process.memory, address, -1, watched=True, automatic=True)
        place.calls_python = self._python_returns
        if not self._choose(place):
            self._drop(place)
        self._rebalance()

    def how(self, address: int) -> str:
        """How the place at *address* is reached."""
        place = self._places[address]
        if place.how is How.HOOK:
            return "a code hook"
        slot = " and a slot" if place.entry else ", the core does the instruction"
        return ("a breakpoint" if place.how is How.TRAP else "a branch") + slot

    # --- taking out --------------------------------------------------------------------------------------

    def remove(self, process: Process, address: int) -> None:
        """Undo place; a watched address stays watched."""
        place = self._places.get(address)
        if place is None:
            return
        if place.watched and not place.visible:
            place.site = -1
            self._glue.set_place(place.number, 0, True)
        else:
            self._drop(place)
        self._removed = True

    def forget(self, process: Process, start: int, end: int) -> None:
        """[start, end) lost its mapping."""
        for address in [a for a in self._places if start <= a < end]:
            place = self._places[address]
            self._lose(place)
            self._glue.forget(place.number)
            if place.how is How.HOOK:
                place.memory.forget_code(address)  # what is translated may outlive its mapping
            self._removed = True
        if end - start >= 1 << 56:
            self._areas.clear()
