"""gdbserver 13.1 on an arm64 kernel, as it was recorded: all registers at once, forks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.gdbremote.conftest import needs_qemu
from tests.gdbremote.recorded import Replay
from tests.programs import ROOT, debian
from uprobe_core.backend import Bind
from uprobe_core.cli import main
from uprobe_core.errors import BackendError

RECORDINGS = ROOT / "tests" / "data" / "gdbremote"
LOOP = str(ROOT / "examples" / "loop")
FORKS = "aarch64-linux-gnu-gcc -O1 -g0 -static -no-pie -pthread -o forks cases/forks.c"


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Callable[[str], Replay]]:
    """A stub that says what was recorded; at the end of the test nothing else has been asked."""
    made: list[Replay] = []

    def make(name: str) -> Replay:
        made.append(Replay(RECORDINGS / name, str(tmp_path / "gdb")))
        return made[-1]

    yield make
    for each in made:
        each.join()
        assert each.wrong == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [("loop-inline", {}), ("loop-trap", {"mode": "trap", "returns": "hijack"})],
)
def test_a_program_on_a_real_kernel_is_probed(
    replay: Any, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    replay(name)
    trace = tmp_path / "trace"
    address = f"unix:{tmp_path / 'gdb'}"
    run = up.Session(
        [LOOP], backend="gdbremote", address=address, output=str(trace), consumers=("trace",), **options
    )
    with run:
        run.probe(f"p:work {LOOP}:work a=%x0", *())
        run.probe(f"r:ret {LOOP}:work rv=$retval", *())
        assert run.run().code == 0
    lines = [re.sub(r".*: (work|ret): \(.*\) ", r"\1 ", line) for line in trace.read_text().splitlines()]
    assert lines == ["work a=0x0", "ret rv=0x1", "work a=0x1", "ret rv=0x2"]
    assert "            loop-" in trace.read_text()


def test_hits_that_a_filter_rejects_are_counted_and_not_told_of(replay: Any, tmp_path: Path) -> None:
    """gdbserver told of two hits of twelve; a question about another one would not be in the recording."""
    replay("loop-filtered")
    trace, profile = tmp_path / "trace", tmp_path / "profile"
    words = ["--backend", "gdbremote", "--target", f"unix:{tmp_path / 'gdb'}", "--map", f"{LOOP}:/root/loop"]
    words += ["-e", "p:work /root/loop:work a=%x0 b=%x1:u64", "--filter", "work:a == 5 && b != 0 || a > 10"]
    words += ["-o", str(trace), "--profile", str(profile), "--", "/root/loop", "12"]
    assert main(["run", *words]) == 0
    assert re.findall(r" a=(\S+)", trace.read_text()) == ["0x5", "0xb"]
    assert profile.read_text().split() == ["/root/loop", "work", "12"]


class _Seen(list[str]):
    """Looks at no argument that points to something: what is there is not in the recording."""

    name = "seen"
    reads_only: frozenset[str] = frozenset()

    def handler(self, hit: up.Hit) -> None:
        """Keep what was called with what."""
        assert hit.event is not None
        assert hit.comm == "loop"
        values = (f"{name}={value}" for name, value in hit.args.items() if name != "took")
        self.append(f"{hit.event.name} {' '.join(values)}")


def test_system_calls_are_events(replay: Any, tmp_path: Path) -> None:
    """As the kernel answered them; gdbserver took entries for returns, for it began behind an execve."""
    replay("loop-syscalls")
    seen = _Seen()
    run = up.Session(
        ["/root/loop", "3"],
        backend="gdbremote",
        address=f"unix:{tmp_path / 'gdb'}",
        maps=(Bind(LOOP, "/root/loop"),),
        syscalls=True,
        consumers=("count",),
        output=str(tmp_path / "out"),
    )
    with run:
        for event in run.events.events:
            event.add(seen)
        assert run.run().code == 0
    assert seen == [
        f"set_tid_address tidptr={0x1036788} rv=215 error=",
        f"ioctl fd=1 request={0x5413} argp={0xFFFFFFFFDB38} rv=0 error=",
        "writev fd=1 iov=0xffffffffdac0 iovcnt=2 rv=6 error=",
        "exit_group status=0 rv=0 error=",
    ]


@needs_qemu
def test_a_stub_that_does_not_tell_of_system_calls_is_no_silent_one(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        up.Session([LOOP], backend="gdbremote", syscalls=True) as run,
        pytest.raises(BackendError, match="does not tell of system calls"),
    ):
        run.open()
    assert capfd.readouterr().out == ""  # the program has not run


def test_what_the_process_executes_is_probed(replay: Any, tmp_path: Path) -> None:
    replay("execs")
    trace = tmp_path / "trace"
    maps = (Bind(str(debian(FORKS.replace("forks", "execs"))), "/root/execs"),)
    address, options = f"unix:{tmp_path / 'gdb'}", {"output": str(trace), "consumers": ("trace",)}
    with up.Session(["/root/execs"], backend="gdbremote", address=address, maps=maps, **options) as run:
        run.probe("p:m /root/execs:main a=%x0")
        assert run.run().code == 0
    assert re.findall(r" m: .* a=(\S+)", trace.read_text()) == ["0x1", "0x2", "0x2"]


def test_children_are_probed(replay: Any, tmp_path: Path) -> None:
    """One is forked, one borrows the memory and executes the program; as in the kernel's case "forks"."""
    replay("forks-followed")
    trace = tmp_path / "trace"
    maps = (Bind(str(debian(FORKS)), "/root/forks"),)
    address, options = f"unix:{tmp_path / 'gdb'}", {"output": str(trace), "consumers": ("trace",)}
    with up.Session(["/root/forks"], backend="gdbremote", address=address, maps=maps, **options) as run:
        run.probe("p:ff /root/forks:ff x=%x0:s32")
        assert run.run().code == 0
    lines = trace.read_text().splitlines()
    assert [re.sub(r".*x=", "", line) for line in lines] == ["1", "105", "300", "205", "400", "900"]
    assert [len({line[:22] for line in lines[n:m]}) for n, m in ((0, 1), (1, 3), (4, 6), (0, 6))] == [
        1,
        1,
        1,
        3,
    ]


def test_children_run_on_without_breakpoints_and_the_user_is_told(
    replay: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recorded kernel ended with the children's own statuses; else the parent had gone another way."""
    program = debian(FORKS)
    replay("forks")
    address = f"unix:{tmp_path / 'gdb'}"
    with up.Session([str(program)], backend="gdbremote", address=address, follow=False) as run:
        calls = run.probe(f"p:ff {program}:ff", up.Count())
        assert run.run().code == 0
    assert calls.result() == 2
    told = capsys.readouterr().err
    assert re.search(r"warning: at least [1-9] forked or executed process\(es\) ran on without probes", told)
