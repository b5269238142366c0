"""Look instructions up in the decode table: a word in, an :class:`Analysis` out.

``uprobe classify`` comes here a hundred thousand times, so rows are found
through the top eleven bits of the word, and what a ruling turns into is built
once per row and policy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_arm64.decode_table import KERNEL_VERSIONS, ROWS
from uprobe_arm64.registers import INSN_BYTES
from uprobe_arm64.simulate import BUILDERS
from uprobe_core.errors import ConfigError
from uprobe_core.types import Analysis, Policy, Simulator, Verdict

if TYPE_CHECKING:
    from uprobe_arm64.rows import Row, Ruling, Version

__all__ = ("analyze", "find_row", "kernel_version", "ruling_of")

_SHIFT = 21
_Template = tuple[Verdict, str, str, str, Callable[[int], Simulator] | None, str, str, str]


@functools.cache
def _rows_with_top(top: int) -> tuple[Row, ...]:
    """The rows that some word with bits 31:21 equal to *top* can match, in table order."""
    mask, value = 0x7FF << _SHIFT, top << _SHIFT
    return tuple(row for row in ROWS if not (row.value ^ value) & row.mask & mask)


def find_row(word: int) -> Row:
    """The row of the 32-bit encoding *word*; every word has one."""
    for row in _rows_with_top(word >> _SHIFT):
        if word & row.mask == row.value:
            return row
    raise AssertionError(f"the decode table does not cover {word:#010x}")


@functools.cache
def kernel_version(text: str) -> Version:
    """The version of the table that the release *text* ("6.12", "6.12.117-arm64") means.

    Raises ConfigError for a release whose rulings are not known.
    """
    parts = text.split("-", maxsplit=1)[0].split(".")
    if len(parts) >= 2 and all(part.isdigit() for part in parts):
        version = int(parts[0]), int(parts[1])
        if version in KERNEL_VERSIONS:
            return version
    known = ", ".join(f"{major}.{minor}" for major, minor in KERNEL_VERSIONS)
    raise ConfigError(
        f"the arm64 decode table knows no kernel version {text!r}",
        hint=f"known versions: {known}",
        slug="unknown-kernel-version",
    )


def ruling_of(row: Row, policy: Policy) -> Ruling:
    """What *policy* does with *row*; raises ConfigError for an unknown kernel version."""
    if not policy.is_kernel:
        return row.anywhere
    version = kernel_version(policy.version)
    return [ruling for since, ruling in row.kernel if since <= version][-1]


_templates: dict[tuple[str, str], dict[int, _Template]] = {}
"""Per policy (name, version): per row (by identity) all of an Analysis but the word and its simulator."""
_known: dict[tuple[str, str], dict[int, Analysis]] = {}
"""Per policy: of words that were asked for; a thousand functions begin with a few."""
_MOST_KNOWN = 1 << 12


def _template(row: Row, policy: Policy) -> _Template:
    ruling = ruling_of(row, policy)
    build = BUILDERS[ruling.simulator] if ruling.simulator else None
    source = f"Arm ARM C4.1: {row.source}"
    if policy.is_kernel:
        source = f"arch/arm64/kernel/probes/decode-insn.c; {source}"
    return (
        ruling.verdict,
        row.name,
        ruling.reason,
        ruling.errno_name,
        build,
        ruling.special,
        ruling.defect,
        source,
    )


def analyze(word: int, address: int, policy: Policy) -> Analysis:
    """The verdict on the encoding *word* at guest address *address* under *policy*.

    A misaligned address is rejected before anything is decoded, as
    arch_uprobe_analyze_insn does.  Raises ConfigError for an unknown kernel version.
    """
    if address & 3:
        return _misaligned(word, address)
    known = _known.setdefault((policy.name, policy.version), {})
    found = known.get(word)
    if found is None:
        found = _analyzed(word, policy)
        if len(known) < _MOST_KNOWN:
            known[word] = found
    return found


def _analyzed(word: int, policy: Policy) -> Analysis:
    row = find_row(word)
    templates = _templates.setdefault((policy.name, policy.version), {})
    template = templates.get(id(row))
    if template is None:
        template = templates[id(row)] = _template(row, policy)
    verdict, name, reason, errno_name, build, special, defect, source = template
    return Analysis(
        word,
        verdict,
        name,
        reason,
        errno_name,
        build(word) if build is not None else None,
        special,
        defect,
        source,
        INSN_BYTES,
    )


def _misaligned(word: int, address: int) -> Analysis:
    return Analysis(
        word=word,
        verdict=Verdict.REJECT,
        insn_class="misaligned",
        reason=f"address {address:#x} is not a multiple of 4, so no instruction starts there",
        errno_name="EINVAL",
        source="arch/arm64/kernel/probes/uprobes.c",
        size=INSN_BYTES,
    )
