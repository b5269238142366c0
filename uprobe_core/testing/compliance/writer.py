"""What every writer must do; records are made up."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from uprobe_core.discovery.entries import Kind, names
from uprobe_core.event_model import EventSpec, FetchArg, FetchOp, FetchType, OpCode
from uprobe_core.testing.compliance.manners import Manners
from uprobe_core.writer import Record, RunHeader, Writer, escaped

__all__ = ("WriterCompliance",)

ReadBack = Callable[[bytes], Sequence[Mapping[str, Any]]]


def _arg(name: str, kind: str, size: int = 8) -> FetchArg:
    return FetchArg(
        name,
        name,
        FetchType("string" if kind == "string" else f"{kind}{8 * size}", size, kind),
        (FetchOp(OpCode.END),),
    )


ENTRY = EventSpec("p", "g", "enters", "/bin/program", 0x10, args=(_arg("a", "u"), _arg("s", "string")))
RETURN = EventSpec("r", "g", "leaves", "/bin/program", 0x10, args=(_arg("rv", "s"),))
BARE = EventSpec("p", "g", "bare", "/bin/program", 0x20)
MANY = EventSpec(
    "p",
    "g",
    "many",
    "/bin/program",
    0x30,
    args=(replace(_arg("l", "u"), count=3), _arg("f", "f"), _arg("n", "s", 4)),
)
VALUES = (0, 1, 2**63, 2**64 - 1)
TEXTS = (
    "",
    "plain",
    'quote" comma, back\\slash',
    "line\nbreak\ttab",
    "\u20ac \U0001f600",
    "not utf-8 \udcff\udc80",
)


def record(event: EventSpec, values: Sequence[Any], at: int = 0) -> Record:
    """A hit of *event*, *at* so many microseconds after the first."""
    function = None if event.kind == "p" else 0x40_0010
    return Record(
        event, 3_600_000_000_000 + 1000 * at, 1000, 1001, "program", 3, 0x40_0010, function, tuple(values), ()
    )


class OneWay(io.RawIOBase):
    """A stream that only takes bytes."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        """Part of a stream."""
        return True

    def write(self, data: Any) -> int:
        """Take *data*."""
        self.written += bytes(data)
        return len(data)


class WriterCompliance(Manners):
    """Required fixture: ``writer_class``.  With ``read_back`` what is written is compared."""

    stands = "uprobe_core.writer (Writer, RunHeader, Record), on one page in docs/contracts.md"

    @pytest.fixture
    def writer_class(self) -> Any:
        """The class that the entry point names."""
        raise NotImplementedError("override the fixture 'writer_class'")

    @pytest.fixture
    def read_back(self) -> ReadBack | None:
        """From what was written to the records in it, each a mapping: "event" to GROUP/NAME, and each
        argument's name to its value, as it is in a Record (a number is an int), None for what
        could not be read; None: the format does not hold them all."""
        return None

    @pytest.fixture
    def write(self, writer_class: Any) -> Callable[..., bytes]:
        """``write(records)``: the bytes of a run with them."""

        def run(records: Sequence[Record], *, lost: int = 0) -> bytes:
            stream = io.BytesIO()
            writer = writer_class(stream, RunHeader(["./program", "1"], [ENTRY, RETURN, BARE]))
            if lost and hasattr(writer, "lost"):
                writer.lost(lost)
            for each in records:
                writer.write(each)
            writer.close()
            assert not stream.closed, "the stream is closed by the caller"
            return stream.getvalue()

        return run

    def test_it_has_the_members_of_the_contract(self, writer_class: Any) -> None:
        assert isinstance(writer_class(io.BytesIO(), RunHeader(["./program"], [ENTRY])), Writer)
        for wish in ("wants_stacks", "wants_frames", "appends"):
            assert isinstance(getattr(writer_class, wish, False), bool)
        assert isinstance(getattr(writer_class, "options", {}), Mapping)
        assert getattr(writer_class, "until_closed", None) in {None, *names(Kind.WRITER)}

    def test_a_run_without_a_hit_can_be_written(self, write: Any, read_back: ReadBack | None) -> None:
        data = write([])
        if read_back is not None:
            assert list(read_back(data)) == []

    def test_every_record_is_there_in_order(self, write: Any, read_back: ReadBack | None) -> None:
        records = [record(ENTRY, (n, "x"), n) for n in range(5)] + [
            record(RETURN, (-1,), 5),
            record(BARE, (), 6),
        ]
        data = write(records)
        assert data, "nothing was written"
        if read_back is not None:
            events = [found["event"] for found in read_back(data)]
            assert events == [*["g/enters"] * 5, "g/leaves", "g/bare"]
            assert [found["a"] for found in read_back(data)[:5]] == list(range(5))

    def test_numbers_are_kept(self, write: Any, read_back: ReadBack | None) -> None:
        data = write([record(ENTRY, (number, "x")) for number in VALUES] + [record(RETURN, (-(2**63),))])
        if read_back is not None:
            *found, last = read_back(data)
            assert [each["a"] for each in found] == list(VALUES)
            assert last["rv"] == -(2**63)

    def test_no_text_of_a_program_makes_it_raise_or_lose_a_record(
        self, write: Any, read_back: ReadBack | None
    ) -> None:
        """Strings of a program may hold anything, as lone surrogates what is not UTF-8."""
        data = write([record(ENTRY, (n, text)) for n, text in enumerate(TEXTS)])
        if read_back is not None:
            found = read_back(data)
            assert [each["a"] for each in found] == list(range(len(TEXTS)))
            assert [each["s"] for each in found][:-1] == list(TEXTS[:-1])
            assert found[-1]["s"] in {TEXTS[-1], escaped(TEXTS[-1])}

    def test_lists_and_fractions_are_kept(self, write: Any, read_back: ReadBack | None) -> None:
        data = write([record(MANY, ((1, 2, 2**64 - 1), 0.5, -7))])
        if read_back is not None:
            (found,) = read_back(data)
            assert (list(found["l"]), found["f"], found["n"]) == ([1, 2, 2**64 - 1], 0.5, -7)

    def test_no_number_of_a_program_makes_it_raise(self, write: Any) -> None:
        strange = [record(MANY, ((0, 0, 0), value, 0)) for value in (math.nan, math.inf, -math.inf, -0.0)]
        assert write([*strange, record(MANY, (None, None, None))])

    def test_a_stream_that_can_only_be_written_is_enough(self, writer_class: Any) -> None:
        """What is written to may be a pipe."""
        stream = OneWay()
        writer = writer_class(stream, RunHeader(["./program"], [BARE]))
        writer.write(record(BARE, ()))
        writer.close()
        assert stream.written, "nothing was written"

    def test_what_appends_has_written_each_record_when_it_returns(self, writer_class: Any) -> None:
        """Then forked processes and killed runs have theirs."""
        if not getattr(writer_class, "appends", False):
            pytest.skip("it does not say that it appends")
        stream = io.BytesIO()
        writer = writer_class(stream, RunHeader(["./program"], [ENTRY]))
        sizes = []
        for number in range(3):
            writer.write(record(ENTRY, (number, "x"), number))
            sizes.append(len(stream.getvalue()))
        assert 0 < sizes[0] < sizes[1] < sizes[2]

    def test_what_it_writes_does_not_depend_on_when(self, write: Any) -> None:
        records = [record(ENTRY, (n, "x"), n) for n in range(3)]
        assert write(records) == write(records)

    def test_many_records_take_no_longer_each(self, write: Any) -> None:
        """Five thousand, within the time that a test has."""
        assert write([record(ENTRY, (n, "x"), n) for n in range(5000)])

    def test_what_could_not_be_read_is_no_value(self, write: Any, read_back: ReadBack | None) -> None:
        data = write([record(ENTRY, (None, None))])
        if read_back is not None:
            (found,) = read_back(data)
            assert found["a"] is None
            assert found["s"] is None

    def test_a_name_of_a_task_may_be_anything(self, write: Any) -> None:
        strange = [Record(BARE, 1, 1, 1, comm, 0, 0, None, (), ()) for comm in TEXTS]
        assert write(strange)

    def test_a_record_beyond_the_header_is_written(self, write: Any, read_back: ReadBack | None) -> None:
        """Of an event that a handler added while the program ran."""
        late = EventSpec("p", "g", "late", "/bin/program", 0x30)
        data = write([record(late, ())])
        if read_back is not None:
            assert [found["event"] for found in read_back(data)] == ["g/late"]

    def test_lost_records_can_be_told(self, write: Any, read_back: ReadBack | None) -> None:
        for lost in (1, 3, 10**12):
            data = write([record(BARE, ())], lost=lost)
            if read_back is not None:
                assert [found["event"] for found in read_back(data)] == ["g/bare"]

    def test_whatever_is_run_can_be_written(self, writer_class: Any) -> None:
        """Without an event, and with any text as an argument of the program."""
        for argv in (["./program"], ["./program", *TEXTS]):
            writer = writer_class(io.BytesIO(), RunHeader(argv, []))
            writer.write(record(BARE, ()))
            writer.close()

    def test_two_of_them_know_nothing_of_each_other(self, write: Any) -> None:
        alone = write([record(ENTRY, (1, "x"))])
        write([record(ENTRY, (2, "y"))])
        assert write([record(ENTRY, (1, "x"))]) == alone
