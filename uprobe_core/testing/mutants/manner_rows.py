"""More ways to be wrong: what only shows in a fork, in a pipe, on standard output, or in a run with hooks."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from uprobe_core import arch_hooks
from uprobe_core.decoder import Decoded
from uprobe_core.testing.mutants.good_plugins import GoodConsumer, GoodSink, GoodWriter
from uprobe_core.testing.mutants.hook_rows import HOOKS
from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.types import Analysis

__all__ = ("manner_mutants",)

Row = tuple[str, str, Callable[[Any], Any]]

# --- consumers: what is attached is changed -----------------------------------------------------------------


def _sink(**members: Any) -> Callable[[Any], Any]:
    """The good consumer with another sink."""
    sink = type("BrokenSink", (GoodSink,), members)
    return lambda good: type("Broken", (good,), {"sink_class": sink})


def _also(act: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A sink whose handlers do *act* as well, and return what that returns."""

    def handler(self: Any, hit: Any) -> Any:
        GoodSink.handler(self, hit)
        return act(self, hit)

    return _sink(handler=handler, ret_handler=handler)


def _lingers(_self: Any, _hit: Any) -> None:
    threading.Thread(target=time.sleep, args=(1.5,)).start()


def _is_elsewhere(self: Any, hit: Any) -> None:
    hit.task.set_reg(3, 0x1234)


def _recurses(self: Any, hit: Any) -> None:
    _recurses(self, hit)


class _Nan:
    title = "hits"

    def as_text(self) -> str:
        return "hits\n"

    def as_json(self) -> Any:
        return {"mean": float("nan")}


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _counts_reports(self: Any) -> Any:
    self.hits = {name: number + 1 for name, number in self.hits.items()}
    return GoodConsumer.report(self)


CONSUMERS: tuple[Row, ...] = (
    ("its filter says maybe", "test_hits_do_not_make_it_raise", _sink(filter=lambda self, process: "maybe")),
    ("its filter says nothing", "test_hits_do_not_make_it_raise", _sink(filter=lambda self, process: None)),
    ("its handler votes with a word", "test_hits_do_not_make_it_raise", _also(lambda self, hit: "no")),
    ("its handler leaves", "test_hits_do_not_make_it_raise", _also(lambda self, hit: sys.exit(0))),
    ("its handler recurses", "test_hits_do_not_make_it_raise", _also(_recurses)),
    (
        "it renames its event",
        "test_hits_do_not_make_it_raise",
        _also(lambda s, hit: setattr(hit.event, "name", "x")),
    ),
    ("it prints", "test_hits_do_not_make_it_raise", _also(lambda self, hit: print("a hit"))),
    ("its threads live on", "test_hits_do_not_make_it_raise", _also(_lingers)),
    ("another register is changed", "test_it_changes_no_register", _also(_is_elsewhere)),
    ("it goes to another folder", "test_hits_do_not_make_it_raise", _also(lambda self, hit: os.chdir("/"))),
    ("it takes Ctrl-C", "test_hits_do_not_make_it_raise", _also(lambda self, hit: _ignore_interrupts())),
    (
        "memory of the program is changed",
        "test_the_program_goes_on_as_if_it_were_not_there",
        _also(lambda self, hit: hit.process.poke(hit.address + 64, b"x")),
    ),
    (
        "an exec makes it raise",
        "test_what_else_it_has_for_its_life_can_be_called",
        _sink(exec=lambda self: None),
    ),
    (
        "its begin raises",
        "test_it_reports_before_any_hit",
        lambda good: type("B", (good,), {"begin": lambda self, context: 1 // 0}),
    ),
    (
        "asking for its report changes it",
        "test_it_reports_after_hits",
        lambda good: type("B", (good,), {"report": _counts_reports}),
    ),
    ("its end raises", "test_what_else_it_has_for_its_life_can_be_called", _sink(finish=lambda self: 1 // 0)),
    (
        "calls that are missed make it raise",
        "test_what_else_it_has_for_its_life_can_be_called",
        _sink(missed=lambda self, function, reason: function[reason]),
    ),
    (
        "what a fork finds is lost",
        "test_what_a_forked_process_found_is_added_once",
        _sink(merge=lambda self, n: None),
    ),
    (
        "what a fork finds counts twice",
        "test_what_a_forked_process_found_is_added_once",
        _sink(fork=lambda self: None),
    ),
    (
        "what a fork finds cannot be sent",
        "test_what_a_forked_process_found_is_added_once",
        _sink(finish=lambda self: lambda: self),
    ),
    (
        "its data are no JSON",
        "test_it_reports_after_hits",
        lambda good: type("B", (good,), {"report": lambda _s: _Nan()}),
    ),
)

# --- writers ------------------------------------------------------------------------------------------------


def _writer(**members: Any) -> Callable[[Any], Any]:
    return lambda good: type("Broken", (good,), members)


def _row(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    return _writer(row=lambda self, record: change(GoodWriter.row(self, record)))


def _rewinds(self: Any, record: Any) -> None:
    self.stream.seek(0)
    GoodWriter.write(self, record)


def _prints(self: Any, record: Any) -> None:
    print(record)
    GoodWriter.write(self, record)


def _at_the_end(self: Any) -> None:
    for record in self.__dict__.get("kept", []):
        GoodWriter.write(self, record)


def _keeps(self: Any, record: Any) -> None:
    self.__dict__.setdefault("kept", []).append(record)


def _again_and_again(self: Any, record: Any) -> None:
    _keeps(self, record)
    self.all_of_them = [repr(each) for each in self.kept]
    GoodWriter.write(self, record)


def _yields(self: Any, record: Any) -> Iterator[None]:
    GoodWriter.write(self, record)
    yield


def _looks(self: Any, stream: Any, header: Any) -> None:
    self.stream, self.first = stream, header.events[0]


WRITERS: tuple[Row, ...] = (
    (
        "quotes are lost",
        "test_no_text_of_a_program_makes_it_raise_or_lose_a_record",
        _row(lambda row: {k: v.replace('"', "") if isinstance(v, str) else v for k, v in row.items()}),
    ),
    (
        "lists have one number",
        "test_lists_and_fractions_are_kept",
        _row(lambda row: {k: v[0] if isinstance(v, tuple) and v else v for k, v in row.items()}),
    ),
    (
        "fractions are cut",
        "test_lists_and_fractions_are_kept",
        _row(lambda row: {k: int(v) if isinstance(v, float) else v for k, v in row.items()}),
    ),
    (
        "infinity makes it raise",
        "test_no_number_of_a_program_makes_it_raise",
        _row(lambda row: {k: int(v) if isinstance(v, float) else v for k, v in row.items()}),
    ),
    ("it needs a file", "test_a_stream_that_can_only_be_written_is_enough", _writer(write=_rewinds)),
    ("it prints", "test_every_record_is_there_in_order", _writer(write=_prints)),
    (
        "it says that it appends and does not",
        "test_what_appends_has_written_each_record_when_it_returns",
        _writer(write=_keeps, close=_at_the_end, appends=True),
    ),
    ("each record takes longer", "test_many_records_take_no_longer_each", _writer(write=_again_and_again)),
    ("writing is a generator", "test_every_record_is_there_in_order", _writer(write=_yields)),
    (
        "one lost record makes it raise",
        "test_lost_records_can_be_told",
        _writer(lost=lambda self, n: 1 // (n - 1)),
    ),
    (
        "a run without events makes it raise",
        "test_whatever_is_run_can_be_written",
        _writer(__init__=_looks),
    ),
    ("its options are a list", "test_it_has_the_members_of_the_contract", _writer(options=["level"])),
    ("it leaves", "test_every_record_is_there_in_order", _writer(write=lambda self, record: sys.exit(0))),
)

# --- decoders -----------------------------------------------------------------------------------------------


class _Decoder:
    def __init__(self, good: Any, decode: Callable[[Any, bytes, int], Any]) -> None:
        self.name = good.name
        self.good, self._decode = good, decode

    def decode(self, code: bytes, address: int) -> Any:
        return self._decode(self, code, address)


def _decoder(change: Callable[[Decoded], Any]) -> Callable[[Any], Any]:
    def decode(self: Any, code: bytes, address: int) -> Any:
        found = self.good.decode(code, address)
        return found and change(found)

    return lambda good: _Decoder(good, decode)


def _bytes(decoded: Any) -> Any:
    return replace(decoded, operands=b"")


def _remembers(self: Any, code: bytes, address: int) -> Any:
    before = self.__dict__.get("last")
    self.last = self.good.decode(code, address)
    return before if before is not None and self.last is not None and code[3:] == b"\x91" else self.last


def _aloud(self: Any, code: bytes, address: int) -> Any:
    print(code.hex())
    return self.good.decode(code, address)


OPERANDS = "test_operands_are_in_the_form_that_the_contract_says"
DECODERS: tuple[Row, ...] = (
    ("operands in capitals", OPERANDS, _decoder(lambda d: replace(d, operands=d.operands.upper()))),
    ("the wrong register", OPERANDS, _decoder(lambda d: replace(d, operands=d.operands.replace("x1", "x2")))),
    ("numbers without #", OPERANDS, _decoder(lambda d: replace(d, operands=d.operands.replace("#", "")))),
    ("no operands", OPERANDS, _decoder(lambda d: replace(d, operands=""))),
    ("it reads beyond the end", "test_no_word_makes_it_raise", _decoder(lambda d: replace(d, size=8))),
    ("no size", "test_no_word_makes_it_raise", _decoder(lambda d: replace(d, size=0))),
    ("bytes in place of text", "test_no_word_makes_it_raise", _decoder(_bytes)),
    (
        "what came before is told",
        "test_the_same_bytes_are_the_same_again",
        lambda good: _Decoder(good, _remembers),
    ),
    (
        "a high address makes it raise",
        "test_no_place_makes_it_raise",
        lambda good: _Decoder(
            good, lambda self, code, at: at.to_bytes(6, "little") and good.decode(code, at)
        ),
    ),
    ("it prints", "test_no_word_makes_it_raise", lambda good: _Decoder(good, _aloud)),
)

# --- architectures ------------------------------------------------------------------------------------------


def _arch(**hooks: Callable[..., Any]) -> Callable[[Any], Any]:
    def broken(good: Any) -> Any:
        made = {name: arch_hooks.hookimpl(hook) for name, hook in hooks.items()}
        return type("Broken", (type(good),), made)()

    return broken


def _super(self: Any, name: str) -> Any:
    return getattr(super(type(self), self), name)


def _clobbers_flags(self: Any, task: Any, utask: Any) -> Any:
    task.set_reg(self.architecture().registers.names["pstate"], 0)
    return _super(self, "post_xol")(task, utask)


def _says_none(self: Any, task: Any, utask: Any) -> None:
    _super(self, "post_xol")(task, utask)


def _raises_at_times(self: Any, insn: bytes, address: int, policy: Any) -> Analysis:
    if insn[0] == 0xFF:
        raise KeyError(insn)
    found: Analysis = _super(self, "analyze_insn")(insn, address, policy)
    return found


def _grows(self: Any, sizes: Any = itertools.count(8, 8)) -> Any:
    return replace(_super(self, "architecture")(), slot_bytes=next(sizes))


ARCHS: tuple[Row, ...] = (
    ("flags are lost", "test_a_completed_step_changes_no_other_register", _arch(post_xol=_clobbers_flags)),
    ("a step has no answer", "test_answers_are_yes_or_no_where_they_are_to_be", _arch(post_xol=_says_none)),
    ("it is another one each time", "test_it_is_always_the_same_architecture", _arch(architecture=_grows)),
    (
        "some words make it raise",
        "test_every_word_has_a_verdict_and_keeps_it",
        _arch(analyze_insn=_raises_at_times),
    ),
)

_KINDS = {"consumer": CONSUMERS, "writer": WRITERS, "decoder": DECODERS, "arch": ARCHS, "hooks": HOOKS}


def manner_mutants() -> Iterator[Mutant]:
    """All of them."""
    for kind, rows in _KINDS.items():
        yield from (Mutant(kind, *row) for row in rows)
