"""Starters of what is told of hits: consumers, writers, hooks."""

from __future__ import annotations

from uprobe_core.kit.starter import Starter

__all__ = ("CONSUMER", "HOOKS", "WRITER")

CONSUMER = Starter(
    group="uprobe.consumers",
    what="A consumer for uprobe: who calls each probed function, and how often",
    example="uprobe run -C $name -e 'p:work ./loop:work' -- ./loop 3",
    module='''\
"""``-C $name[:top=N]``: who calls each probed function, and how often."""

from collections import Counter

from uprobe_core.errors import UsageError


class Callers:
    """Attached to one event."""

    name = "$name"

    def __init__(self):
        self.counts = Counter()

    def handler(self, hit):
        """At each hit: a microsecond of Python; an action of uprobe_core.actions costs nanoseconds."""
        self.counts[hit.reg("lr")] += 1

    def ret_handler(self, hit):
        """At each return of a return event."""
        self.counts[hit.return_address] += 1

    def fork(self):
        """In a new process of the program, which has a copy of this object."""
        self.counts = Counter()

    def finish(self):
        """In every process, when it ends: what a forked one found."""
        return self.counts

    def merge(self, counts):
        """In the session, for each process that was forked."""
        self.counts += counts


class Report:
    """What is printed at the end of the run."""

    title = "$name"

    def __init__(self, found, top, name_of):
        self.found, self.top, self.name_of = found, top, name_of

    def as_text(self):
        lines = []
        for event, callers in self.found.items():
            lines.append(f"{event}: callers\\n")
            for address, number in callers.counts.most_common(self.top):
                lines.append(f"  {number}  {self.name_of(address) or hex(address)}\\n")
        return "".join(lines)

    def as_json(self):
        return {
            event: {self.name_of(address) or hex(address): number for address, number in found.counts.items()}
            for event, found in self.found.items()
        }


class $class_name:
    """The plugin: constructed once, with the options of -C."""

    name = "$name"

    def __init__(self, options):
        unknown = set(options) - {"top"}
        if unknown:
            raise UsageError(f"consumer $name has no option {min(unknown)!r}", hint="options: top=N")
        self.top = int(options.get("top", 10))
        self.found = {}
        self.context = None

    def attach(self, event, context):
        """What is called at the hits of *event*."""
        self.context = context
        return self.found.setdefault(f"{event.group}/{event.name}", Callers())

    def report(self):
        """What was found, None if there was nothing to find."""
        return Report(self.found, self.top, self.context.name_of) if self.found else None
''',
    tests="""\
import pytest
from uprobe_$name import $class_name

from uprobe_core.testing.compliance import ConsumerCompliance


class Test$class_name(ConsumerCompliance):
    @pytest.fixture
    def plugin_class(self):
        return $class_name
""",
)

WRITER = Starter(
    group="uprobe.writers",
    what="An output format for uprobe: tab-separated lines",
    example="uprobe run --format $name -o hits.txt -e 'p:work ./loop:work a=%x0' -- ./loop 3",
    module='''\
"""``--format $name``: event, time and arguments, separated by tabs."""

import json

from uprobe_core.writer import escaped_value


class $class_name:
    """Made from the open stream and what is known of the run; given each record in order."""

    def __init__(self, stream, header):
        self.stream = stream

    def write(self, record):
        """One record, as one line."""
        names = [arg.name for arg in record.event.args]
        arguments = dict(zip(names, map(escaped_value, record.values), strict=True))
        # JSON keeps tabs and line breaks of a program's text out of ours.
        line = f"{record.event.full_name}\\t{record.timestamp_ns}\\t{json.dumps(arguments)}\\n"
        self.stream.write(line.encode())

    def close(self):
        """Nothing is left; the stream is closed by the caller."""
        self.stream.flush()
''',
    tests="""\
import json

import pytest
from uprobe_$name import $class_name

from uprobe_core.testing.compliance import WriterCompliance


class Test$class_name(WriterCompliance):
    @pytest.fixture
    def writer_class(self):
        return $class_name

    @pytest.fixture
    def read_back(self):
        def read(data):
            rows = [line.split("\\t") for line in data.decode().splitlines()]
            return [{"event": event, **json.loads(arguments)} for event, _time, arguments in rows]

        return read
""",
)

HOOKS = Starter(
    group="uprobe.plugins",
    what="A plugin of uprobe that is asked in every run: how long runs take",
    example="uprobe run -e 'p:work ./loop:work' -- ./loop 3",
    module='''\
"""Says after each run how long it took."""

import sys
import time

from uprobe_core.hookspecs import hookimpl


class $class_name:
    """Made once for each session."""

    def __init__(self):
        self.started = None

    @hookimpl
    def uprobe_session_start(self, session):
        self.started = time.monotonic()

    @hookimpl
    def uprobe_session_finish(self, session, status):
        if self.started is not None:
            seconds = time.monotonic() - self.started
            print(f"$name: {session.setup.argv[0]} took {seconds:.2f} s", file=sys.stderr)
''',
    tests="""\
import pytest
from uprobe_$name import $class_name

from uprobe_core.testing.compliance import HooksCompliance


class Test$class_name(HooksCompliance):
    @pytest.fixture
    def plugin(self):
        return $class_name()
""",
)
