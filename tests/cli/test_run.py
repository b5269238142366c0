"""``uprobe run`` on the example program: trace lines, streams, exit statuses, failures."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, LOOP, uprobe
from tests.programs import either, symbols

ENTRY = "p:g/work ./loop:work a=%x0 name=+0(+8(%x1)):string"
RETURN = "r:g/ret ./loop:work rv=$retval"
MODES = ["trap", "inline"]


def events(text: str) -> list[str]:
    """Trace lines from the event's name on."""
    return [line.split(": ", 1)[1] for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("mode", MODES)
def test_entries_and_returns_are_printed_as_a_kernel_prints_them(mode: str) -> None:
    done = uprobe("run", "--mode", mode, "-e", ENTRY, "-e", RETURN, "--", "./loop", "3")
    work = symbols(LOOP)["work"][0]
    lines = events(done.stderr)
    assert lines[::2] == [
        f'work: ({work:#x}) a={i:#x} name="{name}"' for i, name in enumerate(["zero", "one", "two"])
    ]
    (back,) = {re.match(r"ret: \((0x[0-9a-f]+) <- ", line)[1] for line in lines[1::2]}  # type: ignore[index]
    # work(i) is 2 * i, plus 1 for "zero" (examples/loop.c)
    assert lines[1::2] == [f"ret: ({back} <- {work:#x}) rv={value:#x}" for value in (1, 2, 4)]
    assert symbols(LOOP)["main"][0] < int(back, 16)


def test_each_line_has_the_kernels_prefix() -> None:
    done = uprobe("run", "-e", ENTRY, "--", "./loop", "1")
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("#")]
    assert re.match(r"^ +loop-[0-9]+ +\[[0-9]{3}\] [^ ]{5} +[0-9]+\.[0-9]{6}: work: ", line)


@pytest.mark.parametrize("mode", MODES)
def test_the_program_keeps_its_own_output_and_status(mode: str) -> None:
    done = uprobe("run", "--mode", mode, "-e", ENTRY, "--", "./loop", "101")
    assert (done.stdout, done.returncode) == (f"sum {sum(2 * i for i in range(101)) + 26}\n", 1)


def test_a_program_without_probes_just_runs() -> None:
    done = uprobe("run", "./loop", "2")
    assert (done.stdout, done.stderr, done.returncode) == ("sum 3\n", "", 0)


def test_everything_after_the_program_belongs_to_it() -> None:
    assert uprobe("run", "./loop", "0", "--mode", "nonsense", "-e", "x").returncode == 0


def test_a_line_that_removes_an_event_may_follow_its_option() -> None:
    lines = ["-e", "p:work ./loop:work", "-e", "-:work"]
    assert uprobe("run", *lines, "./loop", "1").stderr == ""
    assert uprobe("check", *lines).stdout == "ok: 0 locations\n"


def test_the_programs_arguments_stay_as_they_are() -> None:
    done = uprobe("run", "-e", "p:work ./loop:work", "./loop", "-e", "-:work")
    assert (done.returncode, done.stdout) == (0, "sum 0\n")


def test_a_named_event_of_a_glob_has_a_place_once_however_many_names_it_has() -> None:
    done = uprobe("check", "--list", "-e", "p:all ./loop:strto*")
    places = [line.split()[1] for line in done.stdout.splitlines()]
    assert places
    assert len(places) == len(set(places))


@pytest.mark.parametrize("name", ["jsonl", "csv", "chrome"])
def test_a_file_of_another_format_holds_no_reports(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out"
    options = ["--format", name, "-o", str(path), "-C", "trace", "-C", "count"]
    done = uprobe("run", *options, "-e", "p:work ./loop:work a=%x0", "./loop", "2")
    assert done.stderr == "uprobes/work: count\n  2\n"
    assert "count" not in path.read_text()
    assert path.read_text().count("uprobes/work") + path.read_text().count('"work"') >= 2


def test_a_profile_that_cannot_be_written_is_known_before_the_run(tmp_path: Path) -> None:
    done = uprobe("run", "--profile", str(tmp_path / "no" / "file"), "./loop", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot write the profile" in done.stderr
    assert "No such file or directory" in done.stderr


def test_records_go_to_the_file_of_o(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    done = uprobe("run", "-o", str(path), "-e", ENTRY, "--", "./loop", "2")
    assert done.stderr == ""
    assert len(events(path.read_text())) == 2


def test_a_filter_chooses_hits() -> None:
    done = uprobe("run", "--filter", "work:a > 1", "-e", ENTRY, "--", "./loop", "4")
    assert [line.split(" a=")[1].split()[0] for line in events(done.stderr)] == ["0x2", "0x3"]


def test_a_consumer_replaces_the_records_by_its_report() -> None:
    done = uprobe("run", "-C", "count", "-e", ENTRY, "--", "./loop", "5")
    assert done.stderr == "g/work: count\n  5\n"


def test_trace_can_stand_beside_another_consumer() -> None:
    done = uprobe("run", "-C", "count", "-C", "trace", "-e", ENTRY, "--", "./loop", "2")
    assert done.stderr.count(": work: (") == 2
    assert done.stderr.endswith("g/work: count\n  2\n")


def test_a_consumer_may_be_for_one_event() -> None:
    done = uprobe("run", "-C", "count:event=g/ret", "-e", ENTRY, "-e", RETURN, "--", "./loop", "5")
    assert done.stderr == "g/ret: count\n  5\n"


def test_a_set_up_file_means_what_the_options_mean(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"""
        [[events]]
        line = "{ENTRY}"
        [[events]]
        type = "r"
        group = "g"
        name = "ret"
        place = "./loop:work"
        args = ["rv=$retval"]
        [target]
        argv = ["./loop", "3"]
        [filters]
        work = "a > 0"
    """)
    options = ["-e", ENTRY, "-e", RETURN, "--filter", "work:a > 0", "--", "./loop", "3"]
    by_file, by_options = uprobe("run", "-c", str(path)), uprobe("run", *options)
    assert by_file.stderr == by_options.stderr
    assert len(events(by_file.stderr)) == 5


def test_options_come_on_top_of_a_set_up_file(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'events = ["{ENTRY}"]\n[target]\nargv = ["./loop", "3"]\n')
    done = uprobe("run", "-c", str(path), "-e", RETURN, "--", "./loop", "1")
    assert done.stdout == "sum 1\n"
    assert [line.split(":")[0] for line in events(done.stderr)] == ["work", "ret"]


def test_the_profile_has_the_kernels_columns(tmp_path: Path) -> None:
    path = tmp_path / "profile"
    uprobe(
        "run", "--policy", "kernel", "--profile", str(path), "-e", "p:w ./loop:0x1bf0", "--", "./loop", "3"
    )
    assert path.read_text() == "  {} {:<44} {:>15}\n".format("./loop", "w", 3)


# --- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["./missing"], 127, "./missing"),
        (["/dev/null"], 126, "/dev/null"),
        ([os.path.realpath(sys.executable)], 126, "x86-64"),
        (["-e", "p:w ./loop:wrok", "./loop"], 125, "did you mean work?"),
        (["-e", "p:w ./missing:0x10", "./loop"], 125, "trace_uprobe: error: Failed to find the given file"),
        (["-e", "p:w ./loop:0x1bf0 a=%zz", "./loop"], 125, "trace_uprobe: error: Invalid register name"),
        (["--backend", "unicron", "./loop"], 2, "no backend is called 'unicron'"),
        (["-C", "cuont", "-e", ENTRY, "./loop"], 2, "did you mean 'count'?"),
        (["-C", "count:buy=a", "-e", ENTRY, "./loop"], 2, "did you mean 'by'?"),
        (["--filter", "wrk:a > 1", "-e", ENTRY, "./loop"], 2, "no event is called 'wrk'"),
        (["--policy", "nobody", "./loop"], 2, "policy 'nobody' is not anywhere, kernel or kernel:VERSION"),
        (["-c", "/missing.toml", "./loop"], 125, "cannot read /missing.toml"),
        (["--env", "A", "./loop"], 2, "--env 'A' is not NAME=VALUE"),
        (["-o", "/missing/file", "-e", ENTRY, "./loop"], 2, "/missing/file"),
    ],
)
def test_each_failure_is_one_clear_error_with_its_status(
    arguments: list[str], status: int, complaint: str
) -> None:
    done = uprobe("run", *arguments)
    assert complaint in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert done.returncode == status


def test_a_malformed_line_of_a_file_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "probes"
    path.write_text("# one bad line\np:w  ./loop:0x1bf0   a=%zz # here\n")
    done = uprobe("run", "-f", str(path), "./loop")
    assert done.stderr.startswith(f"{path}:2:24: trace_uprobe: error: Invalid register name\n")


def test_debug_adds_the_traceback() -> None:
    done = uprobe("run", "--debug", "-e", "p:w ./loop:wrok", "./loop")
    assert "Traceback" in done.stderr
    assert done.returncode == 125


def test_a_truncated_elf_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(LOOP.read_bytes()[:3000])
    path.chmod(0o755)
    done = uprobe("run", str(path))
    assert done.returncode in {126, 128 + signal.SIGSEGV, 128 + signal.SIGBUS}
    assert "Traceback" not in done.stderr


def test_a_program_that_may_not_be_executed_is_126(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.write_bytes(LOOP.read_bytes())
    path.chmod(0o644)
    done = uprobe("run", str(path))
    assert done.returncode == 126
    assert str(path) in done.stderr


def test_a_limit_that_is_reached_is_124_and_the_results_are_written() -> None:
    done = uprobe("run", "--timeout", "0.5", "-C", "count", "-e", ENTRY, "--", "./loop", "1000000000")
    assert done.returncode == 124
    assert done.stderr.startswith("g/work: count\n")
    assert done.stderr.endswith("uprobe: the run was ended: timeout (after 0.5 s)\n")


@pytest.mark.parametrize(
    "number", [signal.SIGBUS, signal.SIGSYS, signal.SIGQUIT, signal.SIGXFSZ, signal.SIGTERM, signal.SIGKILL]
)
def test_a_signal_that_dumps_core_is_said(tmp_path: Path, number: signal.Signals) -> None:
    source = tmp_path / "dies.c"
    source.write_text(
        "#include <signal.h>\n#include <stdlib.h>\n"
        "int main(int count, char **words) { return raise(atoi(words[count - 1])); }\n"
    )
    done = uprobe("run", "--", str(either(source)), str(int(number)))
    assert done.returncode == 128 + number
    where = r"at 0x[0-9a-f]+ in \S+\nuprobe:   called from .+"
    named = rf"uprobe: the program was killed by {number.name} {where}\n"
    silent = number in (signal.SIGTERM, signal.SIGKILL)
    assert re.fullmatch("" if silent else named, done.stderr)


@pytest.mark.parametrize("engine", ["c", "py"])
def test_where_a_program_died_and_of_which_address_is_said(tmp_path: Path, engine: str) -> None:
    """The program knows both: it tells them in a handler, before it dies of the same access without one."""
    source = tmp_path / "faults.c"
    source.write_text(
        "#include <signal.h>\n#include <stdio.h>\n#include <ucontext.h>\n"
        "__attribute__((noinline)) int reads(int *at) { return at[2]; }\n"
        "static void tells(int number, siginfo_t *info, void *context) {\n"
        '    printf("%#llx %#lx\\n", (unsigned long long)((ucontext_t *)context)->uc_mcontext.pc,\n'
        "           (unsigned long)info->si_addr);\n"
        "    fflush(stdout); }\n"
        "int main(void) {\n"
        "    struct sigaction once = {.sa_sigaction = tells, .sa_flags = SA_SIGINFO | SA_RESETHAND};\n"
        "    sigaction(SIGSEGV, &once, NULL);\n"
        "    return reads((int *)0x10); }\n"
    )
    done = uprobe("run", "--engine", engine, "-F", "reads", "--", str(either(source)))
    pc, address = done.stdout.split()
    assert address == "0x18"
    *_, last, callers = done.stderr.splitlines()
    where = rf"at {pc} in reads(\+0x\w+)? \(fault address {address}\)"
    assert re.fullmatch(f"uprobe: the program was killed by SIGSEGV {where}", last), last
    assert callers.startswith("uprobe:   called from main+")


def test_a_limit_of_instructions_is_124() -> None:
    done = uprobe("run", "--max-insns", "50000", "-C", "count", "-e", ENTRY, "--", "./loop", "1000000000")
    assert done.returncode == 124
    assert done.stderr.endswith("uprobe: the run was ended: max-insns (after 50000 instructions)\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_the_run_and_the_results_are_written(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    trace = tmp_path / "trace"
    command = [
        sys.executable,
        "-m",
        "uprobe_core.cli",
        "run",
        "--timeout",
        "30",
        "-o",
        str(trace),
        "-e",
        ENTRY,
    ]
    with subprocess.Popen(
        [*command, "--", "./loop", "1000000000"],
        cwd=EXAMPLES,
        stderr=subprocess.PIPE,
        preexec_fn=small_files_only,  # noqa: PLW1509  # this process has no threads
    ) as process:
        try:
            wait_for_content(trace)
            process.send_signal(number)
            _, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == status
    assert b"Traceback" not in stderr
    assert trace.read_text().endswith("\n")
    assert ": work: (0x" in trace.read_text()


def small_files_only() -> None:
    """A run that does not stop must not fill the disk: 1 GiB is far more than a second's records."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def wait_for_content(path: Path) -> None:
    """Return as soon as something was written to *path*; fail after a while."""
    deadline = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < deadline, "nothing was recorded"
        time.sleep(0.02)


def test_a_closed_pipe_is_not_a_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "uprobe_core.cli", "list", "./loop"]
    done = subprocess.run(command, cwd=EXAMPLES, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""
