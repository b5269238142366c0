"""Each signal stops before it is delivered, with what its handler would be told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.debugging.visits import visit, visit_qemu
from tests.programs import either

STOP = "handle SIGUSR1 SIGUSR2 stop print pass"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two signals that were blocked come at once; the exit status says whose handlers have run."""
    source = tmp_path_factory.mktemp("signals") / "two.c"
    source.write_text(
        "#include <signal.h>\n#include <unistd.h>\nstatic volatile int one, two;\n"
        "static void on_one(int s) { one++; }\nstatic void on_two(int s) { two++; }\n"
        "int main(void) { sigset_t both; signal(SIGUSR1, on_one); signal(SIGUSR2, on_two);\n"
        " sigemptyset(&both); sigaddset(&both, SIGUSR1); sigaddset(&both, SIGUSR2);\n"
        " sigprocmask(SIG_BLOCK, &both, 0); raise(SIGUSR2); kill(getpid(), SIGUSR1);\n"
        " sigprocmask(SIG_UNBLOCK, &both, 0); return one + 10 * two; }\n"
    )
    return either(source)


def test_signals_that_come_at_once_stop_one_after_the_other_as_under_qemu(
    program: Path, tmp_path: Path
) -> None:
    steps = ["continue", "continue", "!state", "continue"]
    theirs = visit_qemu(program, [STOP], steps[:3], tmp_path)
    seen, ended = visit(program, [str(program)], [STOP, *steps], tmp_path)
    assert [text.split()[0] for text in seen[1:3]] == [text.split()[0] for text in theirs[:2]]
    assert seen[3]["stack"][0] == theirs[2]["stack"][0]
    assert seen[3]["stack"][0][0] == "on_two"
    assert ended.status == 11


@pytest.mark.parametrize(
    ("orders", "status"), [(["signal 0", "continue"], 1), (["continue", "signal 0"], 10)]
)
def test_one_that_is_not_delivered_leaves_the_other(
    orders: list[str], status: int, program: Path, tmp_path: Path
) -> None:
    _, ended = visit(program, [str(program)], [STOP, "continue", *orders], tmp_path)
    assert ended.status == status


def test_what_a_handler_would_be_told_can_be_read(tmp_path: Path) -> None:
    source = tmp_path / "bad.c"
    source.write_text("int main(int n, char **w) { return *(volatile int *)(n + 0x1233); }\n")
    program = either(source)
    steps = [
        "print $_siginfo.si_signo",
        "continue",
        "print/x $_siginfo._sifields._sigfault.si_addr",
        "print $_siginfo.si_code",
    ]
    seen, ended = visit(program, [str(program)], [*steps, "continue"], tmp_path)
    assert seen[0] == "error: Unable to read siginfo"
    assert [text.partition(" = ")[2] for text in seen[2:4]] == ["0x1234", "1"]
    assert ended.status == 139


def test_a_step_into_a_handler_is_one_in_the_past_too(program: Path, tmp_path: Path) -> None:
    """Also of a signal that does not stop."""
    steps = ["handle SIGUSR1 SIGUSR2 nostop noprint pass", "break *on_one", "continue", "delete", "!state"]
    steps += ["stepi 3", "reverse-stepi 4", "!state", "stepi", "!state", "kill"]
    seen, _ = visit(program, [str(program)], steps, tmp_path)
    entered, before, again = (each for each in seen if isinstance(each, dict))
    assert entered == again != before
    assert entered["stack"][0][0] == "on_one"


def test_a_signal_to_itself_can_be_gone_back_over(program: Path, tmp_path: Path) -> None:
    steps = [STOP, "continue", "continue", "!state", "reverse-stepi", "continue", "continue", "!state"]
    seen, ended = visit(program, [str(program)], [*steps, "continue"], tmp_path)
    assert seen[3] == seen[7]
    assert ended.status == 11
