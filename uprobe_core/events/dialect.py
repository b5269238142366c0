"""What kernels disagree about in event lines, by release; and what we do outside their policy.

Recorded on Debian's 6.12.117, 6.18.15 and 7.3.4 (arm64); a release between them is read as the older one.
"""

from __future__ import annotations

from dataclasses import dataclass

from uprobe_core.types import Policy

__all__ = ("OLDER", "Dialect", "dialect_of")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one release reads lines.

    :param longest: characters of an argument's expression (MAX_ARGSTR_LEN)
    :param nested: dereferences within each other, None: as many as the operations have room for
    :param says_range: whether a number of ``$stackN`` and ``$argN`` beyond 64 bits is ERANGE
    :param casts: whether ``(`` begins a type cast, which a kernel without BTF cannot do
    :param counts: whether too many arguments are an error with a message
    """

    longest: int = 63
    nested: int | None = None
    says_range: bool = False
    casts: bool = False
    counts: bool = False


OLDER = Dialect()
"""6.1 to 6.13."""
_SINCE_6_18 = Dialect(counts=True)
_SINCE_7_3 = Dialect(longest=255, nested=8, says_range=True, casts=True, counts=True)
_KERNELS = (((7, 3), _SINCE_7_3), ((6, 18), _SINCE_6_18))
_OURS = Dialect(longest=255)


def dialect_of(policy: Policy) -> Dialect:
    """How lines are read under *policy*."""
    if not policy.is_kernel:
        return _OURS
    return next((dialect for since, dialect in _KERNELS if policy.release >= since), OLDER)
