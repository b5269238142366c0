"""``uprobe check``: everything that is wrong, at once, with the kernel's words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import LOOP, installed, uprobe, uprobe_json

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "kernel" / "errors.json").read_text()
)
PLACES = [("0x1bf2", "cannot probe ./loop:0x1bf2: misaligned"), ("0x7000000", "is beyond the end of ./loop")]
HAVE = "p:have /root/loops:0x6d4 a=%x0"


@pytest.fixture(scope="module")
def sysroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in which /root/loops is a program, /dev/null a device and /proc/self/exe a file."""
    root = tmp_path_factory.mktemp("root")
    for folder in ("root", "dev", "proc/self"):
        (root / folder).mkdir(parents=True)
    shutil.copy(LOOP, root / "root" / "loops")
    shutil.copy(LOOP, root / "proc" / "self" / "exe")
    (root / "dev" / "null").symlink_to("../root")  # no regular file either, and needs no privilege to make
    return root


def recorded_lines() -> list[Any]:
    """Each recorded line by itself."""
    return [pytest.param(record, id=record["line"][:60]) for record in RECORDED]


@pytest.mark.parametrize("record", recorded_lines())
def test_each_recorded_line_gets_the_kernels_answer(sysroot: Path, record: dict[str, Any]) -> None:
    from uprobe_core.cli.check import _as_json
    from uprobe_core.run_setup import EventLine, RunSetup
    from uprobe_core.session.check import check_setup
    from uprobe_core.types import Policy

    events = (EventLine(HAVE), EventLine(record["line"]))
    result = check_setup(RunSetup(events=events, policy=Policy("kernel"), sysroot=str(sysroot)))
    ours = _as_json(result, explain=False)["lines"][1]
    wanted = {
        "line": record["line"],
        "errno": record["errno"],
        "errname": record["errname"],
        "message": record.get("message", ""),
        "caret": record.get("caret"),
    }
    assert {key: ours[key] for key in wanted} == wanted
    if not record["errno"]:
        assert ours["listing"] == record["events_after"]


def test_the_whole_recording_goes_through_the_command_line(sysroot: Path, tmp_path: Path) -> None:
    lines = [record["line"] for record in RECORDED if record["errno"]]
    path = tmp_path / "lines"
    path.write_text("\n".join([HAVE, *lines]) + "\n")
    found = uprobe_json("check", "--policy", "kernel", "--sysroot", str(sysroot), "-f", str(path))
    assert [line["line"] for line in found["lines"]] == [HAVE, *lines]
    assert [line["number"] for line in found["lines"]] == list(range(1, len(lines) + 2))
    assert found["lines"][0]["errno"] == 0
    assert all(line["errno"] for line in found["lines"][1:])
    assert not found["ok"]


def test_a_malformed_line_has_the_kernels_form_and_a_hint() -> None:
    done = uprobe("check", "-e", "p:w ./loop:0x1bf0 a=%zz")
    assert done.returncode == 125
    message, command, caret, hint = done.stderr.splitlines()
    assert message == "-e: trace_uprobe: error: Invalid register name"
    assert command == "  Command: p:w ./loop:0x1bf0 a=%zz"
    assert caret.index("^") == command.index("%zz")
    assert hint.startswith("hint: ")


def test_all_problems_are_reported_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "probes"
    path.write_text("p:good ./loop:work\n\np:bad1 ./loop:wrok\np:bad2 ./loop:work $x\n")
    done = uprobe("check", "-f", str(path), "--filter", "good:b > 1", "-C", "count:by=zz")
    assert [line for line in done.stderr.splitlines() if "error:" in line] == [
        f"{path}:3:8: uprobe: error: symbol 'wrok' is not in ./loop",
        f"{path}:4:20: trace_uprobe: error: Invalid $-variable specified",
        "consumer count: uprobe: error: event uprobes/good has no field 'zz'",
        "filter good:b > 1: trace_uprobe: error: Field not found",
    ]
    assert "did you mean work?" in done.stderr


def test_a_good_setup_is_0_and_says_how_many_places() -> None:
    done = uprobe("check", "-e", "p:a ./loop:work", "-e", "p:b ./loop:main")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok: 2 locations\n", "")


def test_list_prints_the_kernels_form() -> None:
    done = uprobe("check", "-e", "p:a ./loop:0x1bf0 %x0", "-e", "r ./loop:0x1bf0", "--list")
    assert done.stdout.splitlines() == [
        "p:uprobes/a ./loop:0x0000000000001bf0 arg1=%x0",
        "r:uprobes/p_loop_0x1bf0 ./loop:0x0000000000001bf0",
    ]


def test_an_instruction_that_the_policy_refuses_is_a_warning_not_an_error(tmp_path: Path) -> None:
    from uprobe_core.doctor.self_test import CODE_OFFSET, program

    path = tmp_path / "prog"
    path.write_bytes(program())
    line = f"p:svc {path}:{CODE_OFFSET + 8:#x}"  # the svc
    done = uprobe("check", "--policy", "kernel", "-e", line)
    assert done.returncode == 0
    assert f"-e: warning: cannot probe {path}:{CODE_OFFSET + 8:#x}: " in done.stderr
    assert done.stderr.endswith(" (kernel:6.12)\n")
    assert uprobe("check", "-e", line).stderr == ""


@pytest.mark.parametrize("policy", ["anywhere", "kernel"])
@pytest.mark.parametrize(("offset", "what"), PLACES, ids=[what for _, what in PLACES])
def test_a_place_that_run_does_not_start_with_is_an_error_of_the_line(
    offset: str, what: str, policy: str
) -> None:
    options = ["--policy", policy, "-e", f"p:x ./loop:{offset}"]
    check, run = uprobe("check", *options), uprobe("run", *options, "./loop", "1")
    assert check.returncode == run.returncode
    assert what in check.stderr
    assert what in run.stderr
    if run.returncode:
        assert check.stderr == f"-e: {run.stderr}"


def test_an_offset_outside_of_the_code_is_a_warning_of_both() -> None:
    check, run = (
        uprobe("check", "-e", "p:x ./loop:0x10"),
        uprobe("run", "-e", "p:x ./loop:0x10", "./loop", "1"),
    )
    warning = (
        "warning: file offset 0x10 is in no executable segment of ./loop: no hits, unless the program maps"
    )
    assert check.stderr.startswith(f"-e: {warning}")
    assert run.stderr.startswith(f"uprobe: {warning}")
    assert (check.returncode, run.returncode) == (0, 0)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_kernel_of_unknown_rulings_is_refused_without_any_probe(tmp_path: Path, command: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[run]\npolicy = "kernel:9.9"\n[target]\nargv = ["./loop", "1"]\n')
    done = uprobe(command, "-c", str(path))
    assert (done.returncode, done.stdout) == (125, "")
    assert "knows no kernel version '9.9'\nhint: known versions: 6.1, " in done.stderr


def test_an_entry_and_a_return_event_of_one_name_are_told_to_be_named() -> None:
    done = uprobe("check", "-e", "p ./loop:work", "-e", "r ./loop:work")
    assert done.returncode == 125
    assert "give this one a name of its own, such as r:uprobes/work_return" in done.stderr


def test_a_set_up_file_is_checked_and_all_its_mistakes_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[run]\nmode = "x"\n[limits]\nsecond = 1\n')
    done = uprobe("check", "-c", str(path))
    assert done.returncode == 125
    errors = [line for line in done.stderr.splitlines() if line.startswith("uprobe: error: ")]
    assert len(errors) == 2
    assert f"{path}: [run] mode: " in errors[0]
    assert "hint: did you mean 'seconds'?" in done.stderr


def test_an_unknown_format_in_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[output]\nformat = "jsnl"\n')
    done = uprobe("check", "-c", str(path))
    assert done.returncode == 2
    assert "no writer is called 'jsnl'" in done.stderr
    assert "did you mean 'jsonl'?" in done.stderr


def test_event_lines_may_come_from_standard_input() -> None:
    done = uprobe("check", "-f", "-", "--list", stdin="p:a ./loop:0x1bf0\n")
    assert done.stdout == "p:uprobes/a ./loop:0x0000000000001bf0\n"


def test_an_unknown_event_in_a_filter_gets_the_nearest() -> None:
    done = uprobe("check", "-e", "p:work ./loop:work a=%x0", "--filter", "wrk:a > 1")
    assert "no event is called 'wrk'" in done.stderr
    assert "did you mean 'work'?" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[run]\nbackend = "zz"', "no backend is called 'zz'"),
        ('[run]\ndecoder = "zz"', "no decoder is called 'zz'"),
        ('[output]\nfile = "/nowhere/x"', "No such file or directory"),
        ('[output]\nprofile = "/nowhere/x"', "No such file or directory"),
        ('[target]\nargv = ["./nowhere"]', "./nowhere: no such program"),
        ('[target]\nargv = ["./loop.c"]', "cannot run ./loop.c: not executable"),
        (
            'events = ["p:a ./loop:work"]\n[filters]\na = "b > 1"',
            "filter a:b > 1: trace_uprobe: error: ",
        ),
        ('events = ["p:a ./loop:work"]\n[triggers]\na = "b"', "trigger a:b: uprobe: error: no such trigger"),
        ('[[events]]\nplace = "./loop:wrok"', "[events[0]]: uprobe: error: symbol 'wrok'"),
    ],
)
def test_check_fails_as_run_would(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text if "argv" in text else f'{text}\n[target]\nargv = ["./loop", "1"]\n')
    check, run = uprobe("check", "-c", str(path)), uprobe("run", "-c", str(path))
    assert check.returncode == run.returncode != 0
    assert message in check.stderr
    assert message in run.stderr


@pytest.mark.parametrize(
    ("table", "key", "hint"),
    [("run", "seed", "'seed' of [target]"), ("limits", "timeout", "'seconds' of [limits]")],
)
def test_a_key_of_another_table_or_an_options_name_is_pointed_at(
    tmp_path: Path, table: str, key: str, hint: str
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"[{table}]\n{key} = 1\n")
    assert f"hint: that is {hint}\n" in uprobe("check", "-c", str(path)).stderr


def test_a_blank_event_is_an_unset_variable() -> None:
    done = uprobe("check", "-e", " ")
    assert (done.returncode, "names no event" in done.stderr) == (2, True)


@pytest.mark.parametrize("consumer", ["hist", "sum"])
@pytest.mark.parametrize(("argument", "what"), [("+0(%x1):string", "text"), ("+0(%x1):u8[4]", "an array")])
def test_a_number_is_wanted_where_there_is_none(consumer: str, argument: str, what: str) -> None:
    done = uprobe("check", "-e", f"p:w ./loop:work s={argument}", "-C", f"{consumer}:arg=s")
    assert done.returncode == 2
    assert f"{consumer} needs a number, but field 's' of uprobes/w is {what}" in done.stderr


# --- check is run -------------------------------------------------------------------------------------

REFUSES = """
from uprobe_core.errors import UsageError
from uprobe_core.hookspecs import hookimpl

class P:
    @hookimpl
    def uprobe_configure(self, setup):
        raise UsageError("seed 7 brings bad luck", hint="take another")
"""


def both(*words: str, env: dict[str, str] | None = None) -> tuple[Any, Any]:
    """What ``check`` and ``run`` say to the same words."""
    return uprobe("check", *words, env=env), uprobe("run", *words, env=env)


def test_a_set_up_file_without_a_program_fails_as_run_does(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('events = ["p:a ./loop:work"]\n')
    check, run = both("-c", str(path))
    assert (check.returncode, run.returncode) == (2, 2)
    assert "program: uprobe: error: no program to run" in check.stderr
    assert "PROGRAM" in run.stderr
    assert uprobe("check", "-c", str(path), "--", "./loop", "1").returncode == 0


def test_event_lines_by_themselves_need_no_program() -> None:
    assert uprobe("check", "-e", "p:a ./loop:work").returncode == 0


def test_check_takes_every_word_that_run_takes() -> None:
    words = ["-e", "p:a ./loop:work a=%x0", "--mode", "trap", "--seed", "3", "-C", "count", "--timeout", "5"]
    check, run = both(*words, "--", "./loop", "1")
    assert (check.returncode, run.returncode) == (0, 0)
    assert check.stdout == "ok: 1 location\n"


@pytest.mark.parametrize(
    ("program", "status"), [(["./nowhere"], 127), (["./loop.c"], 126), (["nosuchprogram"], 127)]
)
def test_a_program_that_cannot_be_run_is_the_same_error(program: list[str], status: int) -> None:
    check, run = both("-e", "p:a ./loop:work", "--", *program)
    assert (check.returncode, run.returncode) == (status, status)
    assert check.stderr == f"program {program[0]}: {run.stderr}"


def test_a_missing_interpreter_is_the_same_error(tmp_path: Path) -> None:
    program = tmp_path / "dynamic"
    program.write_bytes(with_interpreter("/nowhere/ld-linux-aarch64.so.1"))
    program.chmod(0o755)
    check, run = both("-e", "p:a ./loop:work", "--", str(program))
    assert check.returncode == run.returncode != 0
    assert check.stderr == f"program {program}: {run.stderr}"


def with_interpreter(path: str) -> bytes:
    """An arm64 program that asks for the interpreter *path* (ELF-64: a PT_INTERP before the PT_LOAD)."""
    import struct

    name = path.encode() + b"\0"
    at, base = 64 + 2 * 56, 0x400000
    size = at + len(name)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 183, 1, base + at, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    interp = struct.pack("<IIQQQQQQ", 3, 4, at, base + at, base + at, len(name), len(name), 1)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + interp + load + name


def test_a_plugin_that_refuses_the_set_up_is_the_same_error(tmp_path: Path) -> None:
    env = installed(tmp_path, "uprobe.plugins", "third_plugin:P", REFUSES)
    check, run = both("-e", "p:a ./loop:work", "--seed", "7", "--", "./loop", "1", env=env)
    assert (check.returncode, run.returncode) == (2, 2)
    assert run.stderr == "uprobe: error: seed 7 brings bad luck\nhint: take another\n"
    assert check.stderr == f"plugins: {run.stderr}"


def test_a_second_set_up_file_does_not_vanish(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text('events = ["p:one ./loop:work"]\n[target]\nargv = ["./loop", "1"]\n')
    second.write_text('events = ["p:two ./loop:main"]\n')
    listed = uprobe("check", "-c", str(first), "-c", str(second), "--list").stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["p:uprobes/one", "p:uprobes/two"]
    ran = uprobe("run", "-c", str(first), "-c", str(second)).stderr
    assert ": two: (" in ran
    assert ": one: (" in ran


def test_a_mistake_of_the_second_file_names_that_file(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text("[run]\nmode = 1\n")
    second.write_text("[run]\nengine = 1\n")
    for done in both("-c", str(first), "-c", str(second)):
        assert done.returncode == 125
        assert f"{first}: [run] mode: " in done.stderr
        assert f"{second}: [run] engine: " in done.stderr


def test_all_mistakes_of_a_file_are_shown_whatever_section_they_are_in(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'events = ["p:a ./loop:wrok", "p:b ./loop:work $x"]\nconsumers = ["cuont", "count:by=zz,event=c"]\n'
        "nope = 1\n"
        '[target]\nargv = ["./nowhere"]\n[run]\nmode = "x"\ndecoder = "dd"\nbackend = "bb"\n'
        '[output]\nformat = "jsnl"\nfile = "/nowhere/x"\nprofile = "/nowhere/y"\n'
        '[limits]\nsecond = 1\n[filters]\nc = "q > 1"\n[triggers]\nc = "b"\n'
    )
    found = uprobe("check", "-c", str(path))
    assert found.returncode == 125
    for mistake in (
        "unknown table or key 'nope'",
        "[run] mode: ",
        "[limits] second: ",
        "symbol 'wrok' is not in ./loop",
        "Invalid $-variable specified",
        "no consumer is called 'cuont'",
        "no event is called 'c'",
        "no decoder is called 'dd'",
        "no backend is called 'bb'",
        "no writer is called 'jsnl'",
        "output /nowhere/x: ",
        "profile /nowhere/y: ",
        "filter c:q > 1: ",
        "trigger c:b: ",
    ):
        assert mistake in found.stderr, mistake
    document = uprobe_json("check", "-c", str(path))
    assert not document["ok"]
    assert any("[run] mode" in each["what"] for each in document["others"])
    assert any(each["what"] == "decoder dd" for each in document["others"])


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (["--decoder", "dd", "-e", "p:b ./loop:wrok"], 2),
        (["-e", "p:b ./loop:wrok", "-C", "cuont"], 125),
        (["-C", "cuont", "-e", "p:b ./loop:0x7000000"], 2),
        (["-e", "p:b ./loop:work", "-C", "cuont", "--format", "jsnl"], 2),
    ],
)
def test_of_several_mistakes_the_status_is_that_of_the_one_run_stops_at(
    wrong: list[str], status: int
) -> None:
    check, run = both(*wrong, "--", "./nowhere")
    assert (check.returncode, run.returncode) == (status, status)
