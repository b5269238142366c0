"""What numbers in system calls are called: the headers of Linux and of its C library say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from uprobe_core.call_words import CHOICES, FLAGS, in_words, signal_name

OF_LINUX = """
    linux/fcntl linux/mman linux/sched linux/futex linux/time linux/resource linux/wait linux/prctl
    asm/ioctls linux/fs linux/eventpoll linux/memfd linux/random linux/inotify linux/close_range
    asm/signal asm/poll
"""
OF_THE_C_LIBRARY = """
    fcntl sys/mman sys/socket sys/eventfd sys/signalfd sys/timerfd netinet/in netinet/tcp sys/epoll unistd
    signal
"""
TESTS = {"R_OK": 4, "W_OK": 2, "X_OK": 1, "F_OK": 0}
TYPES = {"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_RDM": 4, "SOCK_SEQPACKET": 5}
NOWHERE = {
    "O_LARGEFILE": "the C library for 64 bits has it as 0, and Linux for who was compiled for 32",
    "SOL_UDP": "linux/socket.h, which is not for programs",
    "SOL_NETLINK": "the same",
    "SHUT_RD": "an enumeration",
    "SHUT_WR": "an enumeration",
    "SHUT_RDWR": "an enumeration",
}


def names() -> dict[str, int]:
    tables = [*CHOICES.values(), *FLAGS.values(), {n: str(signal_name(n)) for n in range(1, 32)}]
    found = {name: number for table in tables for number, name in table.items()}
    return found | TESTS | TYPES


def compiler(headers: str, body: Iterable[str], *flags: str) -> subprocess.CompletedProcess[str]:
    source = "".join(f"#include <{name}.h>\n" for name in headers.split()) + "".join(body)
    words = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu", "-D_GNU_SOURCE"]
    return subprocess.run(
        [*words, *flags, "-x", "c", "-"], input=source, capture_output=True, text=True, check=False
    )


def known(headers: str) -> set[str]:
    """Those names that are macros there."""
    done = compiler(headers, (f"#ifdef {name}\nknown_{name}\n#endif\n" for name in names()), "-E")
    assert not done.returncode, done.stderr
    return set(re.findall(r"^known_(\w+)$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("headers", [OF_LINUX, OF_THE_C_LIBRARY], ids=["linux", "libc"])
def test_names_have_the_values_of_the_headers(headers: str, tmp_path: Path) -> None:
    checks = [
        f'_Static_assert((unsigned)({name}) == {names()[name] & 0xFFFFFFFF}u, "{name}");\n'
        for name in known(headers) - NOWHERE.keys()
    ]
    assert len(checks) > 100
    done = compiler(headers, checks, "-c", "-o", str(tmp_path / "checked.o"))
    assert not done.returncode, done.stderr


def test_all_are_in_one_of_them() -> None:
    assert names().keys() - known(OF_LINUX) - known(OF_THE_C_LIBRARY) <= NOWHERE.keys()


@pytest.mark.parametrize(
    ("call", "argument", "number", "words"),
    [
        ("clone", "flags", 0x1200011, "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"),
        ("clone", "flags", 0x10100, "CLONE_VM|CLONE_THREAD"),
        ("clone", "flags", 0, "0x0"),
        ("faccessat", "mode", 0, "F_OK"),
        ("faccessat", "mode", 5, "R_OK|X_OK"),
        ("fallocate", "mode", 3, None),
        ("fcntl", "cmd", 1030, "F_DUPFD_CLOEXEC"),
        ("futex", "futex_op", 0x189, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
        ("ioctl", "request", 0xDEAD, None),
        ("kill", "sig", 0, None),
        ("kill", "sig", 9, "SIGKILL"),
        ("kill", "sig", 32, "SIGRTMIN"),
        ("kill", "sig", 33, "SIGRT_1"),
        ("kill", "sig", 65, None),
        ("mkdirat", "mode", 0o755, "0755"),
        ("mmap", "flags", 0x22, "MAP_PRIVATE|MAP_ANONYMOUS"),
        ("mprotect", "prot", 0, "PROT_NONE"),
        ("openat", "dirfd", -100, "AT_FDCWD"),
        ("openat", "dirfd", 3, None),
        ("openat", "flags", 0o1102, "O_RDWR|O_CREAT|O_TRUNC"),
        ("socket", "type", 0x80002, "SOCK_DGRAM|SOCK_CLOEXEC"),
        ("wait4", "options", 0x1000000 | 1, "WNOHANG|WNOWAIT"),
        ("wait4", "options", 0x41, "WNOHANG|0x40"),
    ],
)
def test_they_are_written_as_strace_does(call: str, argument: str, number: int, words: str | None) -> None:
    assert in_words(call, argument, number) == words
