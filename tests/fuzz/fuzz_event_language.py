"""Coverage-guided fuzzing of the event language, for longer runs than the suite's.

    pip install atheris
    python tests/fuzz/fuzz_event_language.py -max_total_time=600

Whatever the text, a line, a filter and a trigger are either accepted or refused
with a SpecError; and what is accepted prints as a line that means the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

from uprobe_core.events.listing import listing_of

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import atheris  # noqa: E402  # the path comes first

with atheris.instrument_imports(include=["uprobe_core"]):
    from uprobe_arm64.registers import REGISTERS

    from uprobe_core.errors import SpecError
    from uprobe_core.event_model import EventSpec
    from uprobe_core.events.files import FileStatus
    from uprobe_core.events.filters import parse_filter
    from uprobe_core.events.parse import Language
    from uprobe_core.events.triggers import parse_trigger
    from uprobe_core.types import Policy


def anything(path: str) -> FileStatus:
    """Every file exists."""
    return FileStatus("", True, 1 << 20, (1, hash(path)), path)


LANGUAGES = [Language(Policy(name), REGISTERS, file_check=anything) for name in ("kernel", "anywhere")]
(EVENT,) = LANGUAGES[0].parse("p:ev /bin/x:0x10 a=%x0:s64 s=+0(%x1):string b=+0(%x1):u8[4]")


def one_input(data: bytes) -> None:
    """Try *data* as each kind of text; its first byte chooses."""
    provider = atheris.FuzzedDataProvider(data)
    kind = provider.ConsumeIntInRange(0, 3)
    text = provider.ConsumeUnicode(400)
    try:
        if kind == 2:
            parse_filter(text, EVENT)
        elif kind == 3:
            parse_trigger(text, EVENT, {"uprobes/ev"}.__contains__)
        else:
            check_line(LANGUAGES[kind], text)
    except SpecError:
        pass


def check_line(language: Language, text: str) -> None:
    """What is accepted prints as a line that parses to the same."""
    for command in language.parse(text):
        if isinstance(command, EventSpec):
            (again,) = language.parse(listing_of(command))
            assert isinstance(again, EventSpec)
            assert listing_of(again) == listing_of(command), text
            assert [a.ops for a in again.args] == [a.ops for a in command.args], text


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
