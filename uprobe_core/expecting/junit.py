"""Outcomes as JUnit XML, as CI systems read it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from uprobe_core.expecting.outcome import Outcome
from uprobe_core.writer import escaped

__all__ = ("junit_xml",)


def junit_xml(program: Sequence[str], outcomes: Sequence[Outcome], ended: str) -> str:
    """A document with one suite: a case for how the program ended, then one for each expectation.

    :param program: its argument vector
    :param ended: how it ended, "" if well
    """
    failed = sum(not each.held for each in outcomes) + bool(ended)
    name = _text(" ".join(program))
    counts = {"tests": str(len(outcomes) + 1), "failures": str(failed), "errors": "0", "skipped": "0"}
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", {"name": name, **counts})
    _case(suite, name, "the program ends well", ended)
    for each in outcomes:
        _case(suite, name, each.text, "" if each.held else str(each))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, program: str, name: str, failure: str) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": program, "name": _text(name)})
    if failure:
        ET.SubElement(case, "failure", {"message": _text(failure)}).text = _text(failure)


def _text(text: str) -> str:
    """What XML 1.0 can hold of *text*: other characters as ``\\xNN``, as in every format of ours."""
    return "".join(c if c in "\t\n\r" or c >= " " else f"\\x{ord(c):02x}" for c in escaped(text)).replace(
        "\x7f", "\\x7f"
    )
