"""Ways in which a decoder, an architecture, a consumer or a writer can be wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.testing.mutants.good_plugins import GoodConsumer, GoodWriter
from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.types import Verdict

__all__ = ("arch_mutants", "consumer_mutants", "decoder_mutants", "writer_mutants")


# --- decoders -----------------------------------------------------------------------------------------------


class _Decoder:
    def __init__(self, good: Any, decode: Callable[[Any, bytes, int], Any]) -> None:
        self.name = good.name
        self._good, self._decode = good, decode

    def decode(self, code: bytes, address: int) -> Any:
        return self._decode(self._good, code, address)


def _changed(**fields: Callable[[Any], Any]) -> Callable[[Any, bytes, int], Any]:
    def decode(good: Any, code: bytes, address: int) -> Any:
        found = good.decode(code, address)
        return found and replace(found, **{name: change(found) for name, change in fields.items()})

    return decode


def _raises(good: Any, code: bytes, address: int) -> Any:
    found = good.decode(code, address)
    if found is None:
        raise ValueError(code)
    return found


DECODERS: tuple[tuple[str, str, Callable[[Any, bytes, int], Any]], ...] = (
    (
        "mnemonics in capitals",
        "test_mnemonics_are_the_manuals_in_lower_case",
        _changed(mnemonic=lambda found: found.mnemonic.upper()),
    ),
    ("sizes that are wrong", "test_the_size_is_the_instructions", _changed(size=lambda _found: 2)),
    (
        "branches that are none",
        "test_what_it_says_of_branches_and_pc_is_right_or_unknown",
        _changed(branches=lambda found: not found.branches),
    ),
    (
        "uses of PC that are none",
        "test_what_it_says_of_branches_and_pc_is_right_or_unknown",
        _changed(reads_pc=lambda found: not found.reads_pc),
    ),
    ("an error for what is undefined", "test_an_undefined_word_is_none_and_not_an_error", _raises),
    ("an error for too few bytes", "test_too_few_bytes_are_none_and_not_an_error", _raises),
    (
        "text of two lines",
        "test_text_is_one_line_of_mnemonic_and_operands",
        _changed(operands=lambda found: found.operands + "\n;"),
    ),
    (
        "text that depends on the place",
        "test_an_instruction_that_ignores_pc_reads_the_same_everywhere",
        lambda good, code, address: (
            (found := good.decode(code, address))
            and replace(found, operands=f"{found.operands} ; {address:#x}")
        ),
    ),
    (
        "what follows is decoded",
        "test_only_the_first_instruction_counts",
        lambda good, code, address: good.decode(code[-4:], address),
    ),
    (
        "an answer of another kind",
        "test_no_word_makes_it_raise",
        lambda good, code, address: str(good.decode(code, address)),
    ),
)


def decoder_mutants() -> Iterator[Mutant]:
    """All of them."""
    for what, caught_by, decode in DECODERS:
        yield Mutant("decoder", what, caught_by, lambda good, decode=decode: _Decoder(good, decode))  # type: ignore[misc]


# --- architectures ------------------------------------------------------------------------------------------


def _arch(**hooks: Callable[..., Any]) -> Callable[[Any], Any]:
    """The good architecture's class with other hooks."""

    def broken(good: Any) -> Any:
        made = {name: hookimpl(hook) for name, hook in hooks.items()}
        return type("Broken", (type(good),), made)()

    return broken


def _super(self: Any, name: str) -> Any:
    return getattr(super(type(self), self), name)


def _accepts_all(self: Any, insn: bytes, address: int, policy: Any) -> Any:
    return replace(_super(self, "analyze_insn")(insn, address, policy), verdict=Verdict.STEP)


def _steps_in_place(self: Any, task: Any, utask: Any) -> Any:
    done = _super(self, "pre_xol")(task, utask)
    task.set_reg(self.architecture().registers.pc, utask.vaddr)
    return done


def _stays_in_slot(self: Any, task: Any, utask: Any) -> Any:
    pc = self.architecture().registers.pc
    at = task.get_reg(pc)
    done = _super(self, "post_xol")(task, utask)
    task.set_reg(pc, at)
    return done


def _keeps_stepping(self: Any, task: Any, utask: Any) -> Any:
    done = _super(self, "post_xol")(task, utask)
    task.single_step(True)
    return done


def _takes_x1_too(self: Any, task: Any, trampoline: int) -> Any:
    task.set_reg(1, 0)
    task.set_reg(2, 0)
    return _super(self, "hijack_return_addr")(task, trampoline)


ARCHS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("everything is stepped", "test_verdicts_are_what_the_fixtures_say", _arch(analyze_insn=_accepts_all)),
    (
        "a misaligned place is accepted",
        "test_a_misaligned_place_is_refused",
        _arch(analyze_insn=_accepts_all),
    ),
    (
        "the breakpoint is accepted",
        "test_the_breakpoint_itself_is_refused_as_the_kernel_refuses_it",
        _arch(analyze_insn=_accepts_all),
    ),
    (
        "a step begins in place",
        "test_a_step_begins_in_the_slot_with_single_step_on",
        _arch(pre_xol=_steps_in_place),
    ),
    (
        "a step is not single",
        "test_a_step_begins_in_the_slot_with_single_step_on",
        _arch(
            pre_xol=lambda self, task, utask: (_super(self, "pre_xol")(task, utask), task.single_step(False))[
                0
            ]
        ),
    ),
    (
        "a completed step stays in its slot",
        "test_a_completed_step_goes_on_behind_the_probed_instruction",
        _arch(post_xol=_stays_in_slot),
    ),
    (
        "a completed step goes on stepping",
        "test_a_completed_step_goes_on_behind_the_probed_instruction",
        _arch(post_xol=_keeps_stepping),
    ),
    (
        "an aborted step stays in its slot",
        "test_an_aborted_step_leaves_no_trace",
        _arch(abort_xol=lambda self, task, utask: True),
    ),
    (
        "a trap in a step is not noticed",
        "test_a_changed_fault_code_means_trapped",
        _arch(xol_was_trapped=lambda self, utask: False),
    ),
    (
        "slots are always written",
        "test_a_slot_is_written_once_and_flushed",
        _arch(
            xol_copy=lambda self, process, slot, analysis: (
                _super(self, "xol_copy")(process, slot, analysis),
                True,
            )[1]
        ),
    ),
    (
        "slots are not flushed",
        "test_a_slot_is_written_once_and_flushed",
        _arch(xol_flush=lambda self, process, slot: True),
    ),
    (
        "nothing is simulated",
        "test_a_simulated_instruction_needs_no_step",
        _arch(skip_sstep=lambda self, task, utask, analysis: False),
    ),
    (
        "everything is simulated",
        "test_a_stepped_instruction_is_left_to_the_step",
        _arch(skip_sstep=lambda self, task, utask, analysis: True),
    ),
    (
        "a hijacked return changes arguments",
        "test_hijacking_swaps_the_return_address_and_nothing_else",
        _arch(hijack_return_addr=_takes_x1_too),
    ),
    (
        "a return is not hijacked",
        "test_hijacking_swaps_the_return_address_and_nothing_else",
        _arch(hijack_return_addr=lambda self, task, trampoline: self.return_address(task)),
    ),
    (
        "every frame is alive",
        "test_a_frame_is_alive_below_its_caller_and_dead_above",
        _arch(is_alive=lambda self, instance, sp, chained_call: True),
    ),
    (
        "no tail call is known",
        "test_at_its_own_entry_a_frame_is_alive_only_for_a_chained_call",
        _arch(is_alive=lambda self, instance, sp, chained_call: sp < instance.stack),
    ),
)


def arch_mutants() -> Iterator[Mutant]:
    """All of them."""
    yield from (Mutant("arch", *row) for row in ARCHS)


# --- consumers ----------------------------------------------------------------------------------------------


def _consumer(**members: Any) -> Callable[[Any], Any]:
    return lambda good: type("Broken", (good,), members)


class _Report:
    title = "hits"

    def __init__(self, text: str, data: Any) -> None:
        self._text, self._data = text, data

    def as_text(self) -> str:
        return self._text

    def as_json(self) -> Any:
        return self._data


def _ignores_options(self: Any, options: Any) -> None:
    GoodConsumer.__init__(self, {})


def _adds(self: Any, event: str, hit: Any) -> None:
    self.hits[event] += hit.args["a"] + len(hit.args["s"])


def _writes_a_register(self: Any, event: str, hit: Any) -> None:
    self.hits[event] += 1
    hit.task.set_reg(0, 0)


_EVERYBODYS: dict[str, int] = {}


def _shares(self: Any, options: Any) -> None:
    GoodConsumer.__init__(self, options)
    self.hits = _EVERYBODYS


CONSUMERS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    (
        "options are ignored",
        "test_an_unknown_option_is_a_usage_error_that_names_it",
        _consumer(__init__=_ignores_options),
    ),
    ("what could not be read makes it raise", "test_hits_do_not_make_it_raise", _consumer(saw=_adds)),
    (
        "a register of the program is changed",
        "test_the_program_goes_on_as_if_it_were_not_there",
        _consumer(saw=_writes_a_register),
    ),
    (
        "nothing comes of hits",
        "test_what_it_does_with_hits_is_seen_somewhere",
        _consumer(report=lambda self: None),
    ),
    (
        "it cannot report before a hit",
        "test_it_reports_before_any_hit",
        _consumer(report=lambda self: _Report(f"{1 // sum(self.hits.values())}\n", {})),
    ),
    (
        "its report is not of whole lines",
        "test_it_reports_after_hits",
        _consumer(report=lambda self: _Report("hits", {})),
    ),
    (
        "its report is no plain data",
        "test_it_reports_after_hits",
        _consumer(report=lambda self: _Report("hits\n", {"hits": {1, 2}})),
    ),
    (
        "all of its kind share what they found",
        "test_two_of_them_know_nothing_of_each_other",
        _consumer(__init__=_shares),
    ),
    (
        "it attaches nothing",
        "test_what_it_attaches_can_be_called_at_hits",
        _consumer(attach=lambda self, event, context: object()),
    ),
    ("it has no name", "test_it_has_the_members_of_the_contract", _consumer(name=None)),
)


def consumer_mutants() -> Iterator[Mutant]:
    """All of them."""
    yield from (Mutant("consumer", *row) for row in CONSUMERS)


# --- writers ------------------------------------------------------------------------------------------------


def _keeps_all(self: Any, record: Any) -> None:
    self.__dict__.setdefault("kept", []).append(record)


def _twice(self: Any, record: Any) -> None:
    GoodWriter.write(self, record)
    GoodWriter.write(self, record)


def _backwards(self: Any) -> None:
    for record in reversed(self.__dict__.get("kept", [])):
        GoodWriter.write(self, record)


def _all_but_the_last(self: Any) -> None:
    for record in self.__dict__.get("kept", [])[:-1]:
        GoodWriter.write(self, record)


def _row(change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    return _consumer(row=lambda self, record: change(record, GoodWriter.row(self, record)))


def _only_known(self: Any, stream: Any, header: Any) -> None:
    GoodWriter.__init__(self, stream, header)
    self.known = {event.full_name for event in header.events}


_COUNTER = itertools.count()

WRITERS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    (
        "the last record is lost",
        "test_every_record_is_there_in_order",
        _consumer(write=_keeps_all, close=_all_but_the_last),
    ),
    (
        "records are written backwards",
        "test_every_record_is_there_in_order",
        _consumer(write=_keeps_all, close=_backwards),
    ),
    ("nothing is written", "test_every_record_is_there_in_order", _consumer(write=lambda self, record: None)),
    (
        "a record is written twice",
        "test_every_record_is_there_in_order",
        _consumer(write=_twice),
    ),
    (
        "numbers have 32 bits",
        "test_numbers_are_kept",
        _row(
            lambda _record, row: {
                name: value & 0xFFFF_FFFF if isinstance(value, int) else value for name, value in row.items()
            }
        ),
    ),
    (
        "numbers are floats",
        "test_numbers_are_kept",
        _row(
            lambda _record, row: {
                name: float(value) if isinstance(value, int) else value for name, value in row.items()
            }
        ),
    ),
    (
        "text that is not UTF-8 makes it raise",
        "test_no_text_of_a_program_makes_it_raise_or_lose_a_record",
        _consumer(
            row=lambda self, record: {
                "event": record.event.full_name,
                "a": record.values[0],
                "s": record.values[1].encode().decode(),
            }
        ),
    ),
    (
        "a line break in a text breaks the line",
        "test_no_text_of_a_program_makes_it_raise_or_lose_a_record",
        _consumer(
            write=lambda self, record: self.stream.write(
                "".join(f"{value}\n" for value in record.values).encode("utf-8", "replace")
            )
        ),
    ),
    (
        "what could not be read is a text",
        "test_what_could_not_be_read_is_no_value",
        _row(
            lambda _record, row: {name: "(fault)" if value is None else value for name, value in row.items()}
        ),
    ),
    (
        "what could not be read is 0",
        "test_what_could_not_be_read_is_no_value",
        _row(lambda _record, row: {name: 0 if value is None else value for name, value in row.items()}),
    ),
    (
        "a strange name of a task makes it raise",
        "test_a_name_of_a_task_may_be_anything",
        _row(lambda record, row: {**row, "comm": str(record.comm.encode("ascii"))}),
    ),
    (
        "an event that came later makes it raise",
        "test_a_record_beyond_the_header_is_written",
        _consumer(
            __init__=_only_known,
            row=lambda self, record: (
                self.known.remove(record.event.full_name) or GoodWriter.row(self, record)
            ),
        ),
    ),
    (
        "the stream is closed",
        "test_a_run_without_a_hit_can_be_written",
        _consumer(close=lambda self: self.stream.close()),
    ),
    (
        "lost records make it raise",
        "test_lost_records_can_be_told",
        _consumer(lost=lambda self, count: self.stream.write(count)),
    ),
    (
        "all of its kind count together",
        "test_two_of_them_know_nothing_of_each_other",
        _row(lambda _record, row: {**row, "number": next(_COUNTER)}),
    ),
    (
        "it cannot be closed",
        "test_it_has_the_members_of_the_contract",
        lambda good: type("Broken", (), {"__init__": good.__init__, "write": good.write}),
    ),
)


def writer_mutants() -> Iterator[Mutant]:
    """All of them."""
    yield from (Mutant("writer", *row) for row in WRITERS)
