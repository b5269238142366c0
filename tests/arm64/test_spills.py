"""What a function's first instructions do with its parameters: words that Debian's assembler made."""

from __future__ import annotations

from uprobe_arm64.spills import spills

from uprobe_core.unwinding import Where


def code(*words: int) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


def test_stores_say_where_registers_were_put() -> None:
    # sub sp, sp, #48; stp x29, x30, [sp, #32]; add x29, sp, #32
    # stur w1, [x29, #-4]; str x2, [sp]; str d0, [sp, #8]
    found = spills(code(0xD100C3FF, 0xA9027BFD, 0x910083FD, 0xB81FC3A1, 0xF90003E2, 0xFD0007E0))
    assert dict(found.bases) == {31: -48, 29: -16}
    assert dict(found.found) == {
        -20: (Where.REGISTER, 1),
        -48: (Where.REGISTER, 2),
        -40: (Where.REGISTER, 64),
    }


def test_what_the_caller_left_on_the_stack_and_what_is_cut_is_followed() -> None:
    # sub sp, sp, #16; ldr w9, [sp, #24]; and w8, w3, #1; str w9, [sp, #12]; strb w8, [sp, #11]
    found = spills(code(0xD10043FF, 0xB9401BE9, 0x12000068, 0xB9000FE9, 0x39002FE8))
    assert dict(found.found) == {-4: (Where.MEMORY, 8), -5: (Where.REGISTER, 3)}


def test_nothing_is_told_behind_a_branch_or_of_a_register_that_was_written() -> None:
    # sub sp, sp, #16; add w0, w0, #1; str w0, [sp, #12]; str w1, [sp, #8]; bl .; str w2, [sp, #4]
    found = spills(code(0xD10043FF, 0x11000400, 0xB9000FE0, 0xB9000BE1, 0x94000000, 0xB90007E2))
    assert dict(found.found) == {-8: (Where.REGISTER, 1)}
