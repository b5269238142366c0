"""Event lines in the words of other tools are refused with what they are here."""

from __future__ import annotations

import pytest

from uprobe_core.events.other_tools import line_hint


@pytest.mark.parametrize(
    ("head", "hint"),
    [
        ("trace=openat,close", "system calls are events of their own: -e s:openat -e s:close"),
        ("trace=open", "system calls are events of their own: -e s:openat"),
        ("trace=file", "system calls are events of their own: -S, or -e s:NAME"),
        ("tracepoint:syscalls:sys_enter_openat", "system calls are s:NAME: -e s:openat"),
        ("syscalls:sys_exit_read", "system calls are s:NAME: -e s:read"),
        ("uprobe:libc:malloc", "-e 'p libc:malloc' probes it, -F libc:malloc shows its calls and returns"),
        ("uretprobe:./app:work", "-e 'r ./app:work' probes it, -F ./app:work shows its calls and returns"),
        ("libc:malloc", "-e 'p libc:malloc' probes it, -F libc:malloc shows its calls and returns"),
        ("main", "-e 'p FILE:main' probes it, -F main shows its calls and returns"),
        ("puts", "-e 'p FILE:puts' probes it, -F puts shows its calls and returns"),
        ("read", "a system call is s:read, a function of a library 'p LIBRARY:read'"),
        ("p:libc:malloc", "a space comes before the place: 'p libc:malloc'"),
        ("r:ret", "p[:[GROUP/]NAME] PATH:OFFSET [ARG...]"),
        ("profile:hz:99", "samples are -C profile:every=N, reports from time to time --interval SECONDS"),
        (
            "kprobe:do_sys_open",
            "there is no kernel below the program; system calls are s:NAME, such as -e s:openat",
        ),
        ("%$!", "a line starts with p, r or -"),
    ],
)
def test_what_others_write_is_answered_with_what_it_is_here(head: str, hint: str) -> None:
    assert line_hint(head) == hint
