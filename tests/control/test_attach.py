"""uprobe attach and uprobe events: a run's probes are changed from outside while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.programs import GUEST, either
from uprobe_core.control.wire import LONGEST, Hangup, Wire

PATIENCE = 60.0
UPROBE = (sys.executable, "-m", "uprobe_core.cli")


def asked(*words: str) -> subprocess.CompletedProcess[str]:
    """What a command answers."""
    return subprocess.run([*UPROBE, *words], capture_output=True, text=True, check=False)


def hear_ctrl_c() -> None:
    """Also where whoever started the tests ignores it, as a shell does for what it runs beside itself."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Run:
    """A program that answers each line that it is given, under ``uprobe run --control``."""

    def __init__(self, folder: Path, program: Path, *words: str) -> None:
        self.folder, self.program, self.path = folder, program, folder / "control"
        inside = folder / "inside"
        inside.mkdir()
        self.records = inside / "records"
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        command = [*UPROBE, "run", "--control", str(self.path), "-o", str(self.records)]
        command += ["-e", f"p:own {program}:work n=%x0", *words, str(program)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=inside, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert self.says("first") == "2"

    def says(self, line: str) -> str:
        """What the program answers to *line*."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def ends(self) -> tuple[int, str]:
        """Its status and what was said on standard error."""
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err

    def events(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``uprobe events``."""
        return subprocess.run(
            [*UPROBE, "events", str(self.path), *words],
            capture_output=True,
            text=True,
            check=False,
            env=self.env,
        )

    @contextlib.contextmanager
    def attached(self, *words: str, to: str = "") -> Iterator[subprocess.Popen[str]]:
        """``uprobe attach`` once it is attached."""
        pipe = subprocess.PIPE
        command = [*UPROBE, "attach", to or str(self.path), *words]
        with subprocess.Popen(
            command,
            env=self.env,
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509  # this process has no threads
        ) as client:
            assert client.stderr is not None
            assert "attached: " in client.stderr.readline()
            try:
                yield client
            finally:
                client.kill()

    def close(self) -> None:
        """End what is still there."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def program() -> Path:
    return either(GUEST / "echoes.c")


@pytest.fixture
def run(program: Path, tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path, program)
    yield made
    made.close()


def line_of(client: subprocess.Popen[str]) -> str:
    assert client.stdout is not None
    return client.stdout.readline().strip()


def rest(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.read()


def test_records_of_added_probes_come_until_the_client_leaves(run: Run) -> None:
    words = [
        "-e",
        f"p:mine {run.program}:work t=+0(%x1):string",
        "-e",
        f"r {run.program}:work rv=$retval:s32",
    ]
    with run.attached(*words, "--filter", 'mine:t ~ "b*"') as client:
        run.says("a")
        assert line_of(client).endswith("rv=4")
        run.says("b")
        assert line_of(client).endswith('t="b"')
        assert line_of(client).endswith("rv=6")
        listed = {row["event"]: row for row in json.loads(run.events("--json").stdout)["events"]}
        assert listed["uprobes/own"]["hits"] == 3
        assert listed["attached1/mine"]["hits"] == 2
        client.send_signal(signal.SIGINT)
        assert client.wait(PATIENCE) == 0
    deadline = time.monotonic() + PATIENCE
    while "mine" in run.events().stdout and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [row["event"] for row in json.loads(run.events("--json").stdout)["events"]] == ["uprobes/own"]
    assert run.says("c") == "8"
    status, err = run.ends()
    assert (status, err) == (7, "")
    assert run.records.read_text().count("own: (") == 4
    assert not run.path.exists()
    assert list((run.folder / "uprobe").iterdir()) == []


def test_what_a_consumer_has_found_is_shown_at_ctrl_c_and_the_run_keeps_its_own(run: Run) -> None:
    words = ["-e", f"p:mine {run.program}:work n=%x0:u32", "-C", "count:by=n", "-C", "sum:arg=n"]
    with run.attached(*words) as client:
        for line in "ab":
            run.says(line)
        client.send_signal(signal.SIGINT)
        assert client.wait(PATIENCE) == 0
        assert " ".join(rest(client.stdout).split()) == (
            "attached1/mine: count by n 1 2 1 3 2 total"
            " attached1/mine: sum of n count sum min max avg 2 5 2 3 2.50"
        )
    run.ends()
    assert run.records.read_text().count("own: (") == 3


def test_what_forked_processes_have_found_comes_at_the_end_of_the_run(run: Run) -> None:
    with run.attached("-F", f"{run.program}:work", "-C", "count") as client:
        run.says("fork")
        assert run.ends()[0] == 7
        assert client.wait(PATIENCE) == 0
        assert rest(client.stdout).split()[1:] == ["count", "2"]
        assert "the run has ended with status 7" in rest(client.stderr)


def test_functions_are_added_by_a_pattern_in_a_group_of_the_clients(run: Run) -> None:
    with run.attached("-F", f"{run.program}:w*k", "--json") as client:
        run.says("a")
        found = [json.loads(line_of(client)) for _ in range(2)]
    library = run.program.name.replace("-", "_")
    assert [each["event"] for each in found] == [
        f"attached1_{library}/work",
        f"attached1_{library}/work__return",
    ]
    assert found[1]["args"]["took"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-C", "coverage"), "coverage is of a whole run"),
        (("-C", "count:event=own"), "event own is not one of those that are added"),
        (("--filter", "own:n > 1000"), "event own is not one of those that are added"),
        (("-C", "count:by=nothing"), "has no field 'nothing'"),
        (("-C", "cuont"), "did you mean 'count'?"),
        (("-F", "nothing"), "no function 'nothing'"),
    ],
)
def test_what_cannot_be_done_with_them_is_refused_and_changes_nothing(
    run: Run, words: tuple[str, ...], said: str
) -> None:
    done = asked("attach", str(run.path), "-e", f"p:mine {run.program}:work", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert [row["event"] for row in json.loads(run.events("--json").stdout)["events"]] == ["uprobes/own"]


def test_a_message_longer_than_a_packet_arrives_whole_with_others_between_its_parts() -> None:
    with contextlib.ExitStack() as stack:
        (run, raw), (relay, client) = (
            [stack.enter_context(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
            for _ in range(2)
        )
        names = [f'attached1/"function"_{number}\\' for number in range(4000)]
        Wire(run).send({"kind": "answer", "events": names})
        run.shutdown(socket.SHUT_WR)
        packets = list(iter(lambda: raw.recv(1 << 20), b""))
        assert len(packets) > 2
        assert max(map(len, packets)) <= LONGEST
        for packet in packets:
            Wire(relay).send({"kind": "lost", "count": 1})
            relay.send(packet)
        listening = Wire(client)
        received = [listening.receive() for _ in range(len(packets) + 1)]
        assert received[-1]["events"] == names
        assert {message["kind"] for message in received[:-1]} == {"lost"}


def test_a_run_is_found_by_its_process_id_and_told_of_when_it_ends(run: Run) -> None:
    words = ("-e", f"p:mine {run.program}:work n=%x0:u32", "--json")
    with run.attached(*words, to=str(run.process.pid)) as client, run.attached(*words) as other:
        run.says("a")
        for each in (client, other):
            assert json.loads(line_of(each))["args"] == {"n": 2}
        assert run.ends()[0] == 7
        for each in (client, other):
            assert each.wait(PATIENCE) == 0
            assert "the run has ended with status 7" in rest(each.stderr)


def test_events_are_switched_and_removed(run: Run) -> None:
    assert run.events("--disable", "own").returncode == 0
    run.says("unseen")
    assert run.events("--enable", "own").returncode == 0
    run.says("seen")
    assert run.events("--remove", "own").returncode == 0
    run.says("unseen")
    missing = run.events("--remove", "own")
    assert (missing.returncode, "no event is called 'own'" in missing.stderr) == (2, True)
    assert run.ends() == (7, "")
    assert [line.split("n=")[1] for line in run.records.read_text().splitlines()] == [
        "0x1",
        "0x3",
    ]


def test_a_wrong_event_changes_nothing(run: Run) -> None:
    words = ["-e", f"p:good {run.program}:work", "-e", f"p:bad {run.program}:nothing"]
    done = subprocess.run(
        [*UPROBE, "attach", str(run.path), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nothing" in done.stderr
    again = ["-e", f"p:uprobes/own {run.program}:work"]
    done = subprocess.run(
        [*UPROBE, "attach", str(run.path), *again], capture_output=True, text=True, check=False
    )
    assert "Argument type or name is different from existing probe" in done.stderr
    assert [row["event"] for row in json.loads(run.events("--json").stdout)["events"]] == ["uprobes/own"]


@pytest.mark.parametrize("line", ["s:openat", "i:1000"])
def test_what_a_run_has_from_its_start_alone_is_refused(run: Run, line: str) -> None:
    done = asked("attach", str(run.path), "-e", line)
    assert done.returncode == 2
    assert "can be added" in done.stderr


def test_forked_processes_send_their_records_too(run: Run) -> None:
    with run.attached("-e", f"p:mine {run.program}:work n=%x0:u32", "--json") as client:
        run.says("fork")
        found = [json.loads(line_of(client)) for _ in range(2)]
    assert sorted(each["args"]["n"] for each in found) == [2, 100]
    assert len({each["pid"] for each in found}) == 2


def test_a_record_says_what_its_thread_is_called(run: Run) -> None:
    """As the kernel cuts it: 15 bytes."""
    with run.attached("-e", f"p:mine {run.program}:work", "--json") as client:
        run.says("a")
        assert json.loads(line_of(client))["comm"] == run.program.name[:15]


def test_who_does_not_read_is_told_how_many_records_he_has_lost(run: Run) -> None:
    """Those that he was sent and those that were lost are all that there were."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(str(run.path))
        wire = Wire(client)
        wire.send({"do": "add", "events": [f"p:mine {run.program}:work n=%x0:u32"]})
        assert wire.receive()["events"] == ["attached1/mine"]
        begin, said = time.monotonic(), 0
        while said < 1000 or time.monotonic() - begin < 0.5:
            run.says("a")
            said += 1
        client.setblocking(False)
        sent = []
        with contextlib.suppress(Hangup):  # there is no more
            while True:
                sent.append(wire.receive()["args"]["n"])
        client.setblocking(True)
        run.says("b")
        assert wire.receive() == {"kind": "lost", "count": said - len(sent)}
        assert wire.receive()["args"]["n"] == said + 2
        assert sent == list(range(2, 2 + len(sent)))


def test_noise_on_the_socket_is_answered_and_the_run_goes_on(run: Run) -> None:
    for noise in (
        b"\xff\x00garbage",
        b"[]",
        b"[" * 5000,
        b'{"do": "add", "events": 5}',
        b'{"do": "sing"}',
        b"",
    ):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(run.path))
            client.send(noise)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(1 << 16)
            assert not answer or "not understood" in json.loads(answer)["text"]
    assert run.says("still") == "4"


def test_a_killed_client_is_no_matter(run: Run) -> None:
    with run.attached("-e", f"p:mine {run.program}:work") as client:
        client.kill()
        client.wait(PATIENCE)
        assert [run.says("x") for _ in range(3)] == ["4", "6", "8"]
    assert run.ends()[0] == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_another_user_is_turned_away(run: Run, tmp_path: Path) -> None:
    """By the run itself: he can reach the socket, and is not answered."""
    os.chmod(run.path, 0o777)
    os.chmod(tmp_path, 0o755)
    said, saying = os.pipe()
    other = os.fork()
    if other == 0:
        try:
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.connect(str(run.path))
                os.write(saying, b"in")
                client.send(b'{"do": "list"}')
                os.write(saying, client.recv(99))
        finally:
            os._exit(0)
    os.waitpid(other, 0)
    os.close(saying)
    with open(said, "rb") as file:
        assert file.read() == b"in"
    assert run.says("still") == "4"


def test_a_socket_within_the_programs_reach_is_refused(program: Path, tmp_path: Path) -> None:
    command = [*UPROBE, "run", "--control", "here", str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, input="")
    assert done.returncode == 2
    assert "which the program may write" in done.stderr


def test_no_run_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for where in ("4194303", str(tmp_path / "nothing"), str(tmp_path / "file")):
        done = asked("events", where)
        assert done.returncode == 2
        assert done.stderr.startswith("uprobe: error: ")


def test_a_socket_is_found_before_its_run_listens(tmp_path: Path) -> None:
    from uprobe_core.control.client import RunControl

    path = str(tmp_path / "control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        later = threading.Timer(0.1, listener.listen)
        later.start()
        RunControl(path).close()
        later.join()
