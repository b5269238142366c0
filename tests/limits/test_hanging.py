"""A consumer that does not come back: who ends it, what is written then, and who is named."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, installed
from tests.programs import zig

pytestmark = pytest.mark.thorough

CONSUMER = """
import os
import time

class C:
    name = "third"

    def __init__(self, options): pass
    def attach(self, event, context): return self
    def report(self): return None

    def METHOD(self, hit):
        os.write(2, b"in it\\n")
        HANG
"""
HANGS = {
    "loops": "while True: pass",
    "sleeps": "time.sleep(1000)",
    "loops in another function": "self.help()\n\n    def help(self):\n        while True: pass",
    "catches everything": "while True:\n            try: time.sleep(1000)\n            except: pass",
}
ENGINES = pytest.mark.parametrize("engine", ["c", "py"])
STOPPED = "consumer 'third' of uprobes/work did not come back and was stopped"
COUNT = ["-C", "count", "-e", "p:work ./loop:work a=%x0"]


def start(
    folder: Path, engine: str, hang: str, *options: str, method: str = "handler"
) -> subprocess.Popen[str]:
    """A run with a consumer that hangs, and with one that counts; returns once it hangs."""
    source = CONSUMER.replace("HANG", hang).replace("METHOD", method)
    env = installed(folder, "uprobe.consumers", "third_consumer:C", source)
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--engine", engine, *options]
    run = subprocess.Popen(
        [*command, *COUNT, "-C", "third", "--", "./loop", "5"],
        cwd=EXAMPLES,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    assert run.stderr.readline() == "in it\n"
    time.sleep(0.2)
    return run


@ENGINES
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_time_limit_ends_a_consumer_that_hangs(tmp_path: Path, engine: str, hang: str) -> None:
    run = start(tmp_path, engine, hang, "--timeout", "1")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 124
    assert f"{STOPPED}: the time of the run was" in err
    assert "uprobes/work: count\n" in err


@ENGINES
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_sigterm_ends_a_consumer_that_hangs(tmp_path: Path, engine: str, hang: str) -> None:
    run = start(tmp_path, engine, hang)
    run.terminate()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 143
    assert f"{STOPPED}: SIGTERM came" in err
    assert "uprobes/work: count\n" in err


@ENGINES
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_the_first_ctrl_c_asks_and_the_second_ends_a_consumer_that_hangs(
    tmp_path: Path, engine: str, hang: str
) -> None:
    run = start(tmp_path, engine, hang)
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    assert "waiting for consumer 'third' of uprobes/work; Ctrl-C once more" in run.stderr.readline()
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert f"{STOPPED}: Ctrl-C came twice" in err
    assert "uprobes/work: count\n" in err


@ENGINES
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
@pytest.mark.parametrize("method", ["handler", "ret_handler"])
def test_a_handler_timeout_disables_the_consumer_and_the_run_goes_on(
    tmp_path: Path, engine: str, hang: str, method: str
) -> None:
    run = start(tmp_path, engine, hang, "--handler-timeout", "0.5", method=method)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (0, "sum 22\n")
    assert f"{STOPPED}: it took more than 0.5 s" in err
    assert re.search(r"^uprobes/work: count\n +5$", err, re.MULTILINE)


@ENGINES
def test_many_short_calls_are_no_long_one(tmp_path: Path, engine: str) -> None:
    run = start(tmp_path, engine, "time.sleep(0.3)", "--handler-timeout", "0.6")
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (0, "sum 22\n")
    assert "stopped" not in err


@ENGINES
def test_after_ctrl_c_python_says_what_the_command_line_says(tmp_path: Path, engine: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import uprobe_core as up\n"
        "class Told:\n"
        "    def handler(self, hit):\n"
        "        print('in it', flush=True)\n"
        "        Told.handler = lambda self, hit: None\n"
        f"with up.Session(['./loop', '2000000000'], engine={engine!r}) as s:\n"
        "    s.probe('p:work ./loop:work', Told())\n"
        "    status = s.run()\n"
        "print(status.shell_status, status.reason)\n"
    )
    run = subprocess.Popen(
        [sys.executable, str(script)], cwd=EXAMPLES, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "in it\n"
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert out.splitlines()[-1] == "130 interrupt"
    assert run.returncode == 0


@ENGINES
@pytest.mark.parametrize("method", ["handler", "fork"])
def test_a_consumer_that_hangs_in_a_forked_process_is_ended_there(
    tmp_path: Path, engine: str, method: str
) -> None:
    program = zig("../native/programs/family.c")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "import uprobe_core as up\n"
        "class Hangs:\n"
        "    name = 'hangs'\n"
        "    home = os.getpid()\n"
        "    def handler(self, hit): self.hang('handler')\n"
        "    def fork(self): self.hang('fork')\n"
        "    def hang(self, where):\n"
        f"        if where == {method!r} and os.getpid() != self.home: time.sleep(1000)\n"
        f"with up.Session([{str(program)!r}], engine={engine!r}, handler_timeout=0.5) as s:\n"
        f"    s.probe('p:g/work {program}:work', Hangs())\n"
        "    print(s.run().shell_status)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["123", "12", "0"]
    assert f"{STOPPED.replace('third', 'hangs').replace('uprobes', 'g')}: it took more" in done.stderr


def test_an_alarm_of_the_callers_is_the_callers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import signal\n"
        "import uprobe_core as up\n"
        "seen = []\n"
        "signal.signal(signal.SIGALRM, lambda *_: seen.append(1))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
        "with up.Session(['./loop', '20000000']) as s:\n"
        "    s.probe('p:work ./loop:main', up.Count())\n"
        "    s.run()\n"
        "print(len(seen))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=EXAMPLES, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "1"


C_CODE = "import itertools; sum(itertools.repeat(0))"
"""It keeps the interpreter's lock, and asks for no signals."""


@ENGINES
def test_a_time_limit_ends_a_consumer_that_hangs_in_c_code(tmp_path: Path, engine: str) -> None:
    run = start(tmp_path, engine, C_CODE, "--timeout", "1")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 124
    assert "hangs in code that is not Python's" in err


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)], ids=["TERM", "two INT"]
)
def test_signals_end_a_consumer_that_hangs_in_c_code(
    tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    run = start(tmp_path, "c", C_CODE)
    for number in signals:
        run.send_signal(number)
        time.sleep(0.2)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 125
    assert "hangs in code that is not Python's" in err


def test_a_report_that_hangs_is_stopped_and_the_others_are_written(tmp_path: Path) -> None:
    source = CONSUMER.replace("METHOD", "handler").replace("HANG", "pass")
    source = source.replace("def report(self): return None", "def report(self):\n        while True: pass")
    env = installed(tmp_path, "uprobe.consumers", "third_consumer:C", source)
    command = [
        sys.executable,
        "-m",
        "uprobe_core.cli",
        "run",
        "--timeout",
        "3",
        "-C",
        "third",
        *COUNT,
        "./loop",
        "5",
    ]
    done = subprocess.run(
        command, cwd=EXAMPLES, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 125
    assert "the report of a consumer did not come back" in done.stderr
    assert "uprobes/work: count\n" in done.stderr


def test_a_reader_that_never_reads_does_not_hold_a_run_for_ever() -> None:
    words = ["--timeout", "2", "-o", "/dev/stdout", "-e", "p:work ./loop:work a=%x0", "--", "./loop"]
    with subprocess.Popen(
        [sys.executable, "-m", "uprobe_core.cli", "run", *words, "2000000000"],
        cwd=EXAMPLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        err = run.stderr.read()
        assert run.wait(60) in (124, 125)
    assert "lost" in err
