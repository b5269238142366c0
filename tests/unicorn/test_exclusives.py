"""A slice does not end between a load-exclusive and its store-exclusive."""

from __future__ import annotations

import pytest
from uprobe_linux.scheduling.exclusives import ends_exclusive_sequence

LDXR, STXR, LDAXR, STLXR = 0xC85F7C20, 0xC8027C20, 0xC85FFC20, 0xC802FC20
LDXP, STXP, LDXRB, STXRB = 0xC87F0820, 0xC8220C20, 0x085F7C20, 0x08027C20
ADD, CMP_BNE, CBNZ_BACK, B, RET, SVC = 0x91000400, 0x54000061, 0x35FFFFA2, 0x14000004, 0xD65F03C0, 0xD4000001
CAS, CASP, LDAR, STLR = 0xC8A07C41, 0x48207C82, 0xC8DFFC20, 0xC89FFC20


@pytest.mark.parametrize("store", [STXR, STLXR, STXP, STXRB])
def test_store_ahead_means_inside(store: int) -> None:
    """Also behind a comparison that may leave the sequence."""
    assert ends_exclusive_sequence([ADD, CMP_BNE, store, CBNZ_BACK])


@pytest.mark.parametrize(
    "words",
    [
        [LDXR, ADD, STXR],
        [LDAXR, STLXR],
        [LDXP, STXP],
        [LDXRB, STXRB],
        [ADD, B, STXR],
        [ADD, RET, STXR],
        [SVC, STXR],
        [ADD] * 12,
        [CAS, ADD],
        [CASP, ADD],
        [LDAR, STLR],
        [],
    ],
)
def test_nothing_or_a_new_beginning_ahead_means_outside(words: list[int]) -> None:
    """A load-exclusive begins anew; ordered and atomic accesses have no monitor."""
    assert not ends_exclusive_sequence(words)
