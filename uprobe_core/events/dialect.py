"""What kernels disagree about in event lines, by release; and what we do outside their policy.

Recorded on Debian's 6.1.192, 6.12.117, 6.18.15 and 7.3.4 (arm64); one between them is read as the older one.
"""

from __future__ import annotations

from dataclasses import dataclass

from uprobe_core.types import Policy

__all__ = ("OURS", "Dialect", "dialect_of")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one release reads lines.

    :param longest: characters of an argument's expression (MAX_ARGSTR_LEN)
    :param nested: dereferences within each other, None: as many as the operations have room for
    :param says_range: whether a number of ``$stackN`` and ``$argN`` beyond 64 bits is ERANGE
    :param casts: whether ``(`` begins a type cast, which a kernel without BTF cannot do
    :param counts: whether too many arguments are an error with a message
    :param cuts: whether arguments beyond the most are passed over
    :param prefixes: whether ``$retval`` may be followed by anything
    :param too_long: errno of a longer expression
    :param missing: types that came later
    :param identifiers: whether a bare word names an argument, and ``$argN`` is known
    :param says_string: whether a ``$comm`` that is no string is an error with a message
    :param drifts: whether the column of a type is counted from within dereferences before it, and the
        size of an event looked at behind them
    :param older: whether filters and triggers know no sets of CPUs, functions, stacks by their new names
    """

    longest: int = 63
    nested: int | None = None
    says_range: bool = False
    casts: bool = False
    counts: bool = False
    cuts: bool = False
    prefixes: bool = True
    too_long: str = "E2BIG"
    missing: frozenset[str] = frozenset()
    identifiers: bool = True
    says_string: bool = True
    drifts: bool = True
    older: bool = False


_SINCE_6_1 = Dialect(
    cuts=True,
    prefixes=False,
    too_long="EINVAL",
    missing=frozenset({"char"}),
    identifiers=False,
    says_string=False,
    drifts=False,
    older=True,
)
"""6.1 to 6.11."""
_SINCE_6_12 = Dialect()
_SINCE_6_18 = Dialect(counts=True)
_SINCE_7_3 = Dialect(longest=255, nested=8, says_range=True, casts=True, counts=True)
_KERNELS = (((7, 3), _SINCE_7_3), ((6, 18), _SINCE_6_18), ((6, 12), _SINCE_6_12))
OURS = Dialect(longest=255, prefixes=False)


def dialect_of(policy: Policy) -> Dialect:
    """How lines are read under *policy*."""
    if not policy.is_kernel:
        return OURS
    return next((dialect for since, dialect in _KERNELS if policy.release >= since), _SINCE_6_1)
