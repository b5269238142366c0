"""Run cases bare, trap-probed and inline-probed, and compare everything that they leave behind.

A *case* is a word and a seed for its state.  The bench opens the harness's
program through a backend, with the real core (registry, dispatcher) and a real
arch plugin as its probe handler; words are written into its text as a
debugger would write them, and probes come and go through the registry.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from uprobe_core.backend import Backend, Machine, Target
from uprobe_core.errors import BackendError, PluginError
from uprobe_core.probes.arch_ops import bind_arch
from uprobe_core.probes.dispatch import Dispatcher
from uprobe_core.probes.registry import Link, UprobeRegistry
from uprobe_core.testing.conformance_driver import Driver, Encodings, Ending
from uprobe_core.testing.conformance_native import Way, native_probes, ways
from uprobe_core.testing.conformance_program import LAYOUT, PAGE, PRISTINE, TEXT_OFFSET, build
from uprobe_core.testing.conformance_state import PC, SIZE, StateMaker, register
from uprobe_core.types import FileId, Mode, Policy, Returns, Verdict

__all__ = ("PLACES", "STRIDE", "Bench", "Case", "Checked", "Difference", "Outcome")

STRIDE = 8
"""Bytes from one word under test to the next: the word, and the stop behind it."""
PLACES = PAGE // STRIDE
_DATA, _DATA_END = LAYOUT.data
_WRITTEN = LAYOUT.writable[1] - LAYOUT.writable[0]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to execute.

    :param seed: of the state
    :param place: which of the PLACES in the page it lies at
    """

    word: int
    seed: int
    place: int

    @property
    def address(self) -> int:
        """Guest address of the word."""
        return LAYOUT.cases[0] + STRIDE * self.place


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one execution left behind.

    :param memory: the data, None if it is as it was before
    :param hits: the PC that the handler saw at each hit; the native engine only counts them
    """

    state: bytes
    ending: Ending
    memory: bytes | None
    hits: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A case that did not end as it does bare.

    :param hits: what is wrong with the reports of the probe, "" if nothing is
    """

    case: Case
    way: Way
    before: bytes
    bare: Outcome
    probed: Outcome
    hits: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A case that was run in every mode.

    :param ending: of the bare run
    """

    case: Case
    ending: Ending
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """A case under way: what it started from, what it does bare, what was found so far."""

    case: Case
    before: bytes
    bare: Outcome
    differences: list[Difference] = field(default_factory=list)


class _Recorder:
    """The consumer of every probe: notes where it was hit."""

    def __init__(self) -> None:
        self.hits: list[int] = []

    def handler(self, hit: Any) -> None:
        """Note the PC of the task, which must be the probed address."""
        self.hits.append(hit.task.get_reg(32))


def _raise(link: Link, error: Exception) -> None:
    raise error


class Bench:
    """One machine on which cases are run.

    :param backend: with a method ``conformance_driver``; raises PluginError if it has none
    :param arch: an arch plugin with a method ``encodings``
    :param native: whether the native engine's probes take part where there are any

    *registry* is the real one, in which a test may look around.
    """

    def __init__(
        self, backend: Backend, arch: Any, policy: Policy | None = None, *, native: bool = True
    ) -> None:
        self.encodings: Encodings = arch.encodings()
        self.policy = policy or Policy("anywhere")
        self.states = StateMaker(LAYOUT, self.encodings)
        self._stop = self.encodings.stop.to_bytes(4, "little")
        self._recorder = _Recorder()
        self._arch = bind_arch(arch)
        inline = Mode.INLINE in backend.capabilities.modes
        self.registry = UprobeRegistry(self._arch, self.policy, Mode.TRAP, inline_available=inline)
        dispatcher = Dispatcher(self._arch, self.policy, self.registry, Returns.WATCH, on_error=_raise)
        self._folder = tempfile.TemporaryDirectory(prefix="uprobe-conformance-")
        try:
            self.machine, self.driver = self._open(backend, dispatcher)
        except BaseException:
            self._folder.cleanup()
            raise
        self._file = self._text_file()
        # The engine takes no site under the kernel's policy: its traps have to be visible.
        wanted = native and not self.policy.is_kernel
        self._native = native_probes(self.machine, self._arch.info) if wanted else None
        self.registry.native = self._native
        self.ways = ways(backend.capabilities.modes, native=self._native is not None)
        """What each case is run in, beside bare."""

    def _open(self, backend: Backend, dispatcher: Dispatcher) -> tuple[Machine, Driver]:
        make = getattr(backend, "conformance_driver", None)
        if make is None:
            raise PluginError(
                f"backend {backend.name!r} has no conformance_driver",
                plugin=backend.name,
                hint="see uprobe_core.testing.conformance_driver for what the method must return",
            )
        path = os.path.join(self._folder.name, "program")
        with open(path, "wb") as file:
            file.write(build(self.encodings.stop, self._arch.info.elf_machine or 0))
        os.chmod(path, 0o700)
        machine = backend.open(Target([path]), dispatcher)
        return machine, make(machine)

    def _text_file(self) -> FileId:
        for mapping in self.driver.process.mappings():
            if mapping.start == LAYOUT.text[0] and mapping.file is not None:
                return mapping.file
        raise BackendError("the harness's program is not mapped where its ELF header says")

    def close(self) -> None:
        """Give the machine and the program's file back; idempotent."""
        self.machine.close()
        self._folder.cleanup()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- which words can lie where ------------------------------------------------------------------

    def loops(self, case: Case) -> bool:
        """Whether the word branches to itself: nothing would ever end it."""
        return self.encodings.direct_target(case.word, case.address) == case.address

    def meets_others(self, case: Case) -> bool:
        """Whether the word branches to another place under test, so that it has to lie there alone."""
        target = self.encodings.direct_target(case.word, case.address)
        return target is not None and LAYOUT.cases[0] <= target < LAYOUT.cases[1]

    def rejects(self, case: Case) -> bool:
        """Whether the policy refuses to probe the word."""
        analysis = self._arch.analyze_insn(case.word.to_bytes(4, "little"), case.address, self.policy)
        return analysis.verdict is Verdict.REJECT

    # --- running -----------------------------------------------------------------------------------

    def run(self, cases: Sequence[Case]) -> list[Checked]:
        """Execute *cases*, whose places hold one word each, in every mode.

        A word that turns out to be undefined is run from its first state only.
        """
        words = {case.place: case.word for case in cases}
        self._write(words)
        runs = self._run_bare(cases)
        for way in self.ways:
            self._probe(words, way)
            try:
                for run in runs:
                    difference = self._compare(run, way, self._execute(run.before))
                    if difference is not None:
                        run.differences.append(difference)
            finally:
                self._unprobe()
        return [Checked(run.case, run.bare.ending, tuple(run.differences)) for run in runs]

    def _run_bare(self, cases: Sequence[Case]) -> list[_Run]:
        runs: list[_Run] = []
        undefined: set[int] = set()
        for case in cases:
            if case.place in undefined:
                continue
            before = self.states.make(case.word, case.address, case.seed)
            outcome = self._execute(before)
            runs.append(_Run(case, before, outcome))
            if outcome.ending.what == "undefined" and outcome.ending.pc == case.address:
                undefined.add(case.place)
        return runs

    def _write(self, words: dict[int, int]) -> None:
        """Put *words* into their places, in one store where they are close together."""
        page = bytearray(self._stop * (PAGE // 4))
        for place, word in words.items():
            page[STRIDE * place : STRIDE * place + 4] = word.to_bytes(4, "little")
        low, high = STRIDE * min(words), STRIDE * (max(words) + 1)
        self.driver.process.poke(LAYOUT.cases[0] + low, bytes(page[low:high]))

    def _probe(self, words: Iterable[int], way: Way) -> None:
        self.registry.mode = way.mode
        if self._native is not None:
            self._native.mode = way.mode if way.native else None
            self._native.take_hits()
        self._installed = [
            self.registry.register(self._file, self._offset(place), self._recorder) for place in words
        ]

    def _unprobe(self) -> None:
        for uprobe in self._installed:
            self.registry.unregister(uprobe, self._recorder)

    @staticmethod
    def _offset(place: int) -> int:
        return TEXT_OFFSET + LAYOUT.cases[0] - LAYOUT.text[0] + STRIDE * place

    def _execute(self, state: bytes) -> Outcome:
        driver, hits = self.driver, self._recorder.hits
        hits.clear()
        driver.load(state)
        ending = driver.run()
        after = driver.save()
        memory: bytes | None = driver.process.read(_DATA, _DATA_END - _DATA)
        if memory == PRISTINE:
            memory = None
        else:
            driver.process.poke(_DATA, PRISTINE[:_WRITTEN])
        if self._native is not None:
            hits += self._native.take_hits() * [register(state, PC)]
        return Outcome(after, ending, memory, tuple(hits))

    def _compare(self, run: _Run, way: Way, probed: Outcome) -> Difference | None:
        case, bare = run.case, run.bare
        wrong = ""
        if probed.hits != (case.address,):
            wrong = f"hits at {', '.join(map(hex, probed.hits)) or 'no place'}, not once at {case.address:#x}"
        same = bare.state == probed.state and bare.ending == probed.ending and bare.memory == probed.memory
        if not wrong and (same or self._differs_by_nature(case, bare, probed)):
            return None
        return Difference(case, way, run.before, bare, probed, wrong)

    def _differs_by_nature(self, case: Case, bare: Outcome, probed: Outcome) -> bool:
        """Whether only the destination differs of an instruction that reads a clock or a random number."""
        index = self.encodings.volatile_register(case.word)
        if index is None or index == 31 or bare.ending != probed.ending or bare.memory != probed.memory:
            return False
        at = slice(8 * index, 8 * index + 8)
        return bare.state[: at.start] == probed.state[: at.start] and (
            bare.state[at.stop : SIZE] == probed.state[at.stop : SIZE]
        )
