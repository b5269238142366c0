"""What a run that is had again sees of the outside is what the run itself has seen."""

from __future__ import annotations

from pathlib import Path

from tests.debugging.visits import visit
from tests.programs import either


def test_how_the_output_was_opened_is_the_same(tmp_path: Path) -> None:
    """As Go's start asks of each standard descriptor."""
    source = tmp_path / "asks.c"
    source.write_text(
        "#include <fcntl.h>\n__attribute__((noinline)) int after(int n) { return n + 1; }\n"
        "int main(void) { return after(fcntl(1, F_GETFL)) & 1; }\n"
    )
    program = either(source)
    steps = ["print $x0", "reverse-stepi", "stepi", "print $x0", "kill"]
    seen, _ = visit(program, ["--stop-at", f"{program}:after", str(program)], steps, tmp_path)
    assert seen[0].partition(" = ")[2] == seen[3].partition(" = ")[2]
    assert "cannot go there" not in seen[1]


def test_a_local_among_others_that_are_stored_to_is_watched_both_ways(tmp_path: Path) -> None:
    source = tmp_path / "locals.c"
    source.write_text(
        "__attribute__((noinline)) int loop(int n) { volatile int often = 0, rare = 0;\n"
        " for (int i = 0; i < n; i++) { often += i; if (i % 100 == 99) rare = i; }\n"
        " return rare / 100 + often % 7; }\n"
        "int main(void) { return loop(350); }\n"
    )
    program = either(source)
    seen, ended = visit(
        program,
        ["--stop-at", f"{program}:locals.c:2", str(program)],
        ["watch rare", *["continue"] * 3, "print often", *["reverse-continue"] * 2, "print often",
         "print rare", "delete", "continue", "continue"],
        tmp_path,
    )  # fmt: skip
    assert [text.partition(" = ")[2] for text in (seen[4], seen[7], seen[8])] == [
        str(sum(range(300))), str(sum(range(200))), "99"
    ]  # fmt: skip
    assert ended.status == 2 + sum(range(350)) % 7
