"""A package of plugins that misbehave, each in one way: its module and its entry points."""

from __future__ import annotations

__all__ = ("POINTS", "SOURCE")

SOURCE = """
import os
import sys


class Raises:
    name = "raises"

    def __init__(self, options):
        self.after = int(options.get("after", 0))
        self.seen = 0

    def attach(self, event, context):
        return self

    def handler(self, hit):
        if self.seen >= self.after:
            raise ValueError("cannot cope")
        self.seen += 1

    def report(self):
        return None


class NoHandler(Raises):
    handler = None


class Leaves(Raises):
    name = "leaves"

    def handler(self, hit):
        raise SystemExit(3)


class Ends(Raises):
    def handler(self, hit):
        print("about to leave")
        os._exit(0)


class Forks(Raises):
    def handler(self, hit):
        os.fork()


class Odd(Raises):
    def handler(self, hit):
        raise GeneratorExit


class Maybe(Raises):
    def handler(self, hit):
        pass

    def filter(self, process):
        return "maybe"


class Renames(Raises):
    def attach(self, event, context):
        event.name = "mine"


class BadBegin(Raises):
    def begin(self, context):
        sys.exit(3)


class BadLines(Raises):
    event_lines = 5


class NoText:
    title = "no text"

    def as_text(self):
        return None

    def as_json(self):
        return {}


class ReportsNoText(Raises):
    def handler(self, hit):
        pass

    def report(self):
        return NoText()


class ExitsInReport(ReportsNoText):
    def report(self):
        sys.exit(0)


class Nothing(Raises):
    def attach(self, event, context):
        return None


class NoReport:
    name = "noreport"

    def __init__(self, options):
        pass

    def attach(self, event, context):
        return None


class BadOptions(Raises):
    def __init__(self, options):
        raise KeyError("nothing")


class BadWriter:
    def __init__(self, stream, header):
        pass

    def write(self, record):
        raise ValueError("cannot encode")

    def close(self):
        pass


class BadEnd(BadWriter):
    def write(self, record):
        pass

    def close(self):
        raise ValueError("cannot finish")


class LeavesWriter(BadWriter):
    def write(self, record):
        sys.exit(0)


class LazyWriter(BadWriter):
    def write(self, record):
        yield


class BadOptionsWriter(BadWriter):
    options = ["level"]


class StringDecoder:
    name = "other"

    def decode(self, code, address):
        return "nop"


class LinesDecoder(StringDecoder):
    def decode(self, code, address):
        from uprobe_core.decoder import Decoded

        return Decoded(4, "nop", "\\n;")


class BadDecoder:
    name = "baddecoder"

    def decode(self, code, address):
        raise ValueError("cannot read")


class BadBackend:
    name = "badbackend"

    def __init__(self):
        from uprobe_core.backend import Capabilities
        from uprobe_core.types import Mode, Returns

        self.capabilities = Capabilities(frozenset({Mode.TRAP}), frozenset({Returns.HIJACK}))

    def open(self, target, handler):
        raise RuntimeError("no board attached")


from uprobe_core import arch_hooks, hookspecs


def wrapping(**hooks):
    wrapper = type("Wrapper", (), {name: arch_hooks.hookimpl(wrapper=True)(hook)
                                  for name, hook in hooks.items()})

    class Plugin:
        @hookspecs.hookimpl
        def uprobe_arch_wrappers(self):
            return [wrapper()]

    return Plugin


def answers(value):
    def post_xol(self, task, utask):
        yield
        return value

    return post_xol


def raises(self, task, utask):
    yield
    raise ValueError("not like this")


def twice(self, task, utask):
    yield
    yield


def no_verdict(self, insn, address, policy):
    yield
    return None


WrongAnswer = wrapping(post_xol=answers("yes"))
RaisingWrapper = wrapping(post_xol=raises)
TwiceWrapper = wrapping(pre_xol=twice)
NoVerdict = wrapping(analyze_insn=no_verdict)


class WrapsText:
    @hookspecs.hookimpl
    def uprobe_arch_wrappers(self):
        return "text"


class WrapsNothing:
    @hookspecs.hookimpl
    def uprobe_arch_wrappers(self):
        return [object()]


class ExitsAtStart:
    @hookspecs.hookimpl
    def uprobe_session_start(self, session):
        sys.exit(0)


class BadPlugin:
    from uprobe_core.hookspecs import hookimpl

    @hookimpl
    def uprobe_session_start(self, session):
        raise RuntimeError("not today")
"""
POINTS = """[uprobe.consumers]
raises = bad_consumers:Raises
noreport = bad_consumers:NoReport
badoptions = bad_consumers:BadOptions
nohandler = bad_consumers:NoHandler
nothing = bad_consumers:Nothing
leaves = bad_consumers:Leaves
ends = bad_consumers:Ends
forks = bad_consumers:Forks
odd = bad_consumers:Odd
maybe = bad_consumers:Maybe
renames = bad_consumers:Renames
badbegin = bad_consumers:BadBegin
badlines = bad_consumers:BadLines
notext = bad_consumers:ReportsNoText
exits = bad_consumers:ExitsInReport
[uprobe.writers]
badwriter = bad_consumers:BadWriter
badend = bad_consumers:BadEnd
leaveswriter = bad_consumers:LeavesWriter
lazywriter = bad_consumers:LazyWriter
badoptions = bad_consumers:BadOptionsWriter
[uprobe.decoders]
baddecoder = bad_consumers:BadDecoder
stringdecoder = bad_consumers:StringDecoder
linesdecoder = bad_consumers:LinesDecoder
[uprobe.backends]
badbackend = bad_consumers:BadBackend
[uprobe.plugins]
badplugin = bad_consumers:BadPlugin
wronganswer = bad_consumers:WrongAnswer
raisingwrapper = bad_consumers:RaisingWrapper
twicewrapper = bad_consumers:TwiceWrapper
noverdict = bad_consumers:NoVerdict
wrapstext = bad_consumers:WrapsText
wrapsnothing = bad_consumers:WrapsNothing
exitsatstart = bad_consumers:ExitsAtStart
"""
