"""What every consumer plugin must do; hits come from scripted tasks."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from uprobe_core.actions.kinds import Action
from uprobe_core.consumer import ConsumerPlugin, Hit
from uprobe_core.discovery.load import load_arch
from uprobe_core.errors import UsageError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.files import FileStatus
from uprobe_core.events.parse import Language
from uprobe_core.events.table import EventTable
from uprobe_core.probes.arch_ops import bind_arch
from uprobe_core.probes.dispatch import Dispatcher
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.run_setup import DEFAULT_ARCH
from uprobe_core.testing.compliance.manners import Manners
from uprobe_core.testing.fake_backend import FakeMachine
from uprobe_core.testing.toy_arch import Op, ToyArch, encode
from uprobe_core.tracing.event import Event, EventProbe
from uprobe_core.types import Mode, Policy, Returns

__all__ = ("ConsumerCompliance", "Stage")

FUNCTION, CALLER, _PAGE = 0x1000, 0x3000, 0x1000
REGISTERS = bind_arch(load_arch(DEFAULT_ARCH)).info.registers
"""A consumer may name registers: those of the programs that it will mostly see."""
NAMES = {number: name for name, number in reversed(tuple(REGISTERS.names.items()))}


LIFE: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("start", ()),
    ("missed", (FUNCTION, "longjmp")),
    ("finish", ()),
)
"""Optional methods with what they are called with."""


class Stage:
    """One event on a scripted function, and a ConsumerContext that remembers what it was given."""

    def __init__(self, line: str) -> None:
        self.lines: list[str] = []
        self.records: list[tuple[str, tuple[Any, ...]]] = []
        self.errors: list[Exception] = []
        toy = ToyArch(REGISTERS)
        arch = bind_arch(toy)
        registry = UprobeRegistry(arch, Policy(), Mode.TRAP)
        dispatcher = Dispatcher(arch, Policy(), registry, Returns.WATCH, on_error=self._failed)
        machine = FakeMachine(dispatcher, arch=toy)
        self.task = machine.start_process()
        file = machine.add_file("/bin/program", [encode(Op.NOP), encode(Op.RET)])
        self.task.space.map(file, FUNCTION)
        self.task.space.map(None, CALLER)
        language = Language(
            Policy(), arch.info.registers, file_check=lambda path: FileStatus("", True, 4096, (1, 1), path)
        )
        (spec,) = EventTable(language).write(line)
        assert isinstance(spec, EventSpec)
        self.event = Event(spec, self._sink_failed)
        self._probe = EventProbe(spec, self.event)
        self.event.probes.add(self._probe)
        self._registry, self._file = registry, file

    def _failed(self, _link: Any, error: Exception) -> None:
        self.errors.append(error)

    def _sink_failed(self, event: Event, sink: Any, error: Exception) -> None:
        self.errors.append(error)
        event.remove(sink)

    def attach(self, plugin: ConsumerPlugin) -> Any:
        """Attach *plugin* to the event, as a session does; returns what it made."""
        begin = getattr(plugin, "begin", None)
        if begin is not None:
            begin(self)
        made = plugin.attach(self.event, self)
        self.event.add(made.attach(self.event, self) if isinstance(made, Action) else made)
        self._probe.follow()
        self._registry.register(self._file.id, 0, self._probe, path="/bin/program")
        return made

    def sink(self, made: Any) -> Any:
        """What is called at hits, of what :meth:`attach` returned."""
        return made.attach(self.event, self) if isinstance(made, Action) else made

    def call(self, argument: int) -> None:
        """Call the function with *argument* and an unreadable address; it returns its argument."""
        self.task.args[0], self.task.args[1] = argument, 0xDEAD_0000
        self.task.call(FUNCTION, CALLER)
        self.task.arrive(CALLER)

    def emit(self, text: str) -> None:
        """Part of the ConsumerContext contract."""
        assert isinstance(text, str), f"a line of output is a text, not {text!r}"
        self.lines.append(text)

    def record(self, hit: Hit, event: Any) -> None:
        """Part of the ConsumerContext contract."""
        self.records.append((event.name, hit.values))

    def name_of(self, address: int) -> str:
        """Part of the ConsumerContext contract: only the probed function has a name."""
        return "function" if address == FUNCTION else ""

    def code(self, patterns: Sequence[str] = ()) -> tuple[()]:
        """Nothing was executed."""
        return ()


class ConsumerCompliance(Manners):
    """Required fixture: ``plugin_class``; override the others where something is required or refused."""

    stands = "uprobe_core.consumer (ConsumerPlugin, Consumer, Report), on one page in docs/contracts.md"

    @pytest.fixture
    def plugin_class(self) -> type:
        """The class that the entry point names."""
        raise NotImplementedError("override the fixture 'plugin_class'")

    @pytest.fixture
    def options(self) -> Mapping[str, str]:
        """Options with which it works on an event with a number ``a`` and a string ``s``."""
        return {}

    @pytest.fixture
    def plugin(self, plugin_class: Any, options: Mapping[str, str]) -> ConsumerPlugin:
        """The plugin, constructed as ``-C`` does."""
        plugin: ConsumerPlugin = plugin_class(options)
        return plugin

    @pytest.fixture
    def refused(self) -> Collection[str]:
        """Kinds of events, "p" or "r", that ``attach`` refuses with a UsageError; none by default."""
        return ()

    @pytest.fixture(params=["p", "r"])
    def stage(self, request: pytest.FixtureRequest, refused: Collection[str]) -> Stage:
        """An entry event, then a return event."""
        if request.param in refused:
            pytest.skip("it refuses such events")
        return stage_of(request.param)

    def test_an_event_that_it_refuses_is_a_usage_error(
        self, plugin: ConsumerPlugin, refused: Collection[str]
    ) -> None:
        """And what it refuses is not in its report."""
        for kind in refused:
            stage = stage_of(kind)
            with pytest.raises(UsageError):
                plugin.attach(stage.event, stage)
            assert report_text(plugin) is None

    def test_it_has_the_members_of_the_contract(self, plugin: ConsumerPlugin) -> None:
        assert isinstance(plugin, ConsumerPlugin)
        assert isinstance(plugin.name, str)
        assert plugin.name
        assert isinstance(getattr(plugin, "contract", "1.0"), str)
        assert isinstance(getattr(plugin, "reports_often", False), bool)
        lines = getattr(plugin, "event_lines", ())
        assert not isinstance(lines, str)
        assert all(isinstance(line, str) for line in lines)

    def test_an_unknown_option_is_a_usage_error_that_names_it(
        self, plugin_class: Any, options: Mapping[str, str]
    ) -> None:
        with pytest.raises(UsageError) as caught:
            plugin_class({**options, "no-such-option": "1"})
        assert "no-such-option" in str(caught.value)

    def test_what_it_attaches_can_be_called_at_hits(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        made = plugin.attach(stage.event, stage)
        bound = made.attach(stage.event, stage) if isinstance(made, Action) else made
        assert hasattr(bound, "handler") or hasattr(bound, "ret_handler")

    def test_hits_do_not_make_it_raise(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        """Not even with an argument that cannot be read."""
        stage.attach(plugin)
        for argument in (0, 1, 2**63, 2**64 - 1):
            stage.call(argument)
        assert stage.errors == []

    def test_the_program_goes_on_as_if_it_were_not_there(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        stage.attach(plugin)
        before = stage.task.process.read(FUNCTION, _PAGE)
        stage.call(5)
        assert stage.task.process.read(FUNCTION, _PAGE) == before
        assert (stage.task.args[0], stage.task.pc, stage.task.delivered) == (5, CALLER, [])

    def test_it_changes_no_register(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        kind = "r" if stage.event.is_return else "p"
        alone = stage_of(kind)
        alone.attach(_Nobody())  # type: ignore[arg-type]  # no plugin, but probed
        stage.attach(plugin)
        for each in (alone, stage):
            each.call(5)
        assert stage.task.regs == alone.task.regs

    def test_what_else_it_has_for_its_life_can_be_called(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        """Its start, a call that is missed, its end; its filter says yes or no."""
        sink = stage.sink(stage.attach(plugin))
        wants = getattr(sink, "filter", None)
        assert wants is None or isinstance(wants(stage.task.process), bool)
        for name, arguments in (("exec", (stage.task.process,)), *LIFE):
            method = getattr(sink, name, None)
            if callable(method):
                method(*arguments)
        check_report(plugin)

    def test_what_a_forked_process_found_is_added_once(
        self, plugin_class: Any, options: Mapping[str, str], stage: Stage
    ) -> None:
        """A consumer with ``merge``: two calls here and three in a forked process are five."""
        plugin = plugin_class(options)
        sink = stage.sink(stage.attach(plugin))
        if not callable(getattr(sink, "merge", None)):
            pytest.skip("it has no merge")
        stage.call(1)
        state = in_fork(lambda: forked_life(sink, stage))
        stage.call(1)
        sink.merge(state)
        together, alone = plugin_class(options), stage_of("r" if stage.event.is_return else "p")
        alone.attach(together)
        for _ in range(5):
            alone.call(1)
        assert report_data(plugin) == report_data(together)

    def test_it_reports_before_any_hit(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        stage.attach(plugin)
        check_report(plugin)

    def test_it_reports_after_hits(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        stage.attach(plugin)
        for argument in range(5):
            stage.call(argument)
        check_report(plugin)

    def test_what_it_does_with_hits_is_seen_somewhere(self, plugin: ConsumerPlugin, stage: Stage) -> None:
        """In its report, in a line, or in a record; a consumer of one kind of event may sit the other out."""
        made = stage.attach(plugin)
        bound = made.attach(stage.event, stage) if isinstance(made, Action) else made
        stage.call(3)
        wanted = "ret_handler" if stage.event.is_return else "handler"
        if hasattr(bound, wanted):
            assert plugin.report() is not None or stage.lines or stage.records

    def test_two_of_them_know_nothing_of_each_other(
        self, plugin_class: Any, options: Mapping[str, str], stage: Stage
    ) -> None:
        used, idle = plugin_class(options), plugin_class(options)
        idle.attach(stage.event, stage)
        before = report_text(idle)
        stage.attach(used)
        stage.call(1)
        assert report_text(idle) == before


def stage_of(kind: str) -> Stage:
    """An event of *kind* with a number ``a`` and a string ``s``, of the first two arguments."""
    first, second = (NAMES[number] for number in REGISTERS.arguments[:2])
    return Stage(f"{kind}:g/e /bin/program:0 a=%{first} s=+0(%{second}):string")


def report_text(plugin: ConsumerPlugin) -> str | None:
    """The report's text, None without one."""
    report = plugin.report()
    return None if report is None else report.as_text()


def check_report(plugin: ConsumerPlugin) -> None:
    """A report, if there is one, is text of whole lines and plain JSON data."""
    report = plugin.report()
    if report is None:
        return
    assert isinstance(report.title, str)
    assert report.title
    assert report.title.isprintable(), "a title is one line"
    text, data = report.as_text(), report.as_json()
    assert not text or text.endswith("\n")
    assert text.encode() is not None
    json.dumps(data, allow_nan=False)
    again = plugin.report()
    assert again is not None
    assert (again.title, again.as_text(), again.as_json()) == (report.title, text, data), "asking changes it"


def report_data(plugin: ConsumerPlugin) -> Any:
    """The report's data as JSON has them, None without one."""
    report = plugin.report()
    return None if report is None else json.loads(json.dumps(report.as_json()))


def forked_life(sink: Any, stage: Stage) -> Any:
    """In a forked process: three calls; returns what is found there."""
    sink.fork()
    for _ in range(3):
        stage.call(1)
    return sink.finish()


def in_fork(function: Callable[[], Any]) -> Any:
    """What *function* returns in a forked process, as a session hands it over."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            data = pickle.dumps(function())
        except BaseException as error:
            data = pickle.dumps(AssertionError(f"in a forked process: {error!r}"))
        try:
            with open(writer, "wb") as pipe:
                pipe.write(data)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        found = pickle.loads(pipe.read())  # noqa: S301  # of our own child
    os.waitpid(child, 0)
    if isinstance(found, AssertionError):
        raise found
    return found


class _Nobody:
    """A consumer that does nothing."""

    name = "nobody"

    def attach(self, _event: Any, _context: Any) -> _Nobody:
        """Itself."""
        return self

    def handler(self, _hit: Any) -> None:
        """Nothing."""

    ret_handler = handler
