"""The pytest plugin, used as a stranger would: test modules in a folder of their own, run by pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.programs import ROOT

pytestmark = pytest.mark.thorough

SOURCE = """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

__attribute__((noinline)) long work(long a, const char *name)
{
	__asm__ volatile("" : : "r"(a), "r"(name) : "memory");
	return a * 2;
}

__attribute__((noinline)) void quiet(void) { __asm__ volatile("" ::: "memory"); }

int main(int argc, char **argv)
{
	char line[80] = "";
	for (long i = 0; i < 3; i++)
		work(i + 3, "some");
	if (argc > 1 && !strcmp(argv[1], "fork")) {
		if (fork() == 0)
			_exit((int)work(99, "child"));
		wait(NULL);
	}
	if (argc > 1 && !strcmp(argv[1], "size"))
		work((long)strlen(argv[2]), argv[2]);
	if (fgets(line, sizeof line, stdin))
		printf("read %s", line);
	fprintf(stderr, "complaint\\n");
	return argc;
}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "app.c").write_text(SOURCE)
    return tmp_path


def run(suite: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    (suite / "test_app.py").write_text("import pytest\nimport uprobe_core as up\n" + dedent(body))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    return subprocess.run(command, cwd=suite, capture_output=True, text=True, check=False, timeout=200)


def test_a_suite_sees_calls_arguments_streams_and_processes(suite: Path) -> None:
    done = run(
        suite,
        """
        @pytest.fixture
        def app(uprobe_program):
            return uprobe_program("app.c")

        def test_hits_and_streams(app, uprobe_session):
            run = uprobe_session([app, "x"], stdin=b"hello\\n")
            run.probe(f"p:work {app}:work a=%x0:s64 name=+0(%x1):string")
            run.probe(f"r:back {app}:work rv=$retval:s64")
            assert run.run().code == 2
            assert run.stdout == b"read hello\\n"
            assert run.stderr == b"complaint\\n"
            run.assert_hits("work", times=1, a=4, name="some")
            run.assert_hits("work", times=3)
            assert [hit.event for hit in run.hits] == ["work", "back"] * 3
            assert [hit.args["rv"] for hit in run.hits if hit.is_return] == [6, 8, 10]
            assert [hit.time_ns for hit in run.hits] == sorted(hit.time_ns for hit in run.hits)
            run.assert_trace(["back rv=6", "back rv=8", "back rv=10"], "back")

        def test_children_and_actions(app, uprobe_session):
            run = uprobe_session([app, "fork"])
            calls = run.probe(f"p:work {app}:work a=%x0", up.Count(by="a"))
            run.run()
            assert calls.result() == {3: 1, 4: 1, 5: 1, 99: 1}
            assert {hit.args["a"] for hit in run.assert_hits("work", times=4)} == {3, 4, 5, 99}

        def test_a_binary_is_taken_as_it_is(app, uprobe_program):
            assert uprobe_program(app) == app
        """,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.thorough
def test_an_assertion_in_a_handler_fails_the_test_and_is_explained(suite: Path) -> None:
    done = run(
        suite,
        """
        def test_it(uprobe_program, uprobe_session):
            app = uprobe_program("app.c")
            run = uprobe_session(app)

            def small(hit):
                assert hit.args["a"] < 4

            run.probe(f"p:work {app}:work a=%x0", small)
            run.run()
        """,
    )
    assert "1 failed" in done.stdout
    assert re.search(r"^E +assert 4 < 4$", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.thorough
def test_a_failure_called_by_name_in_a_handler_is_pytests(suite: Path) -> None:
    done = run(
        suite,
        """
        def test_it(uprobe_program, uprobe_session):
            app = uprobe_program("app.c")
            run = uprobe_session(app)
            run.probe(f"r:back {app}:work", lambda hit: pytest.fail("never again"))
            run.run()
        """,
    )
    assert "Failed: never again" in done.stdout, done.stdout


@pytest.mark.thorough
def test_without_strictness_what_a_handler_raises_is_a_warning(suite: Path) -> None:
    done = run(
        suite,
        """
        def test_it(uprobe_program, uprobe_session):
            app = uprobe_program("app.c")
            run = uprobe_session(app, strict=False)
            run.probe(f"p:work {app}:work a=%x0", lambda hit: 1 / 0)
            assert run.run().code == 1
            run.assert_hits("work", times=3)
        """,
    )
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.thorough
def test_a_failed_expectation_shows_the_hits(suite: Path) -> None:
    done = run(
        suite,
        """
        @pytest.fixture
        def ran(uprobe_program, uprobe_session):
            app = uprobe_program("app.c")
            run = uprobe_session(app)
            run.probe(f"p:work {app}:work a=%x0:u8")
            run.probe(f"p:quiet {app}:quiet")
            run.run()
            return run

        def test_times(ran):
            ran.assert_hits("work", times=2, a=4)

        def test_none(ran):
            ran.assert_hits("quiet")

        def test_trace(ran):
            ran.assert_trace(["work a=3", "work a=5"])
        """,
    )
    shown = [line[1:].strip() for line in done.stdout.splitlines() if line.startswith("E   ")]
    assert "AssertionError: expected 2 hits of work a=4, found 1" in "\n".join(shown)
    assert {"work a=3", "> work a=4", "work a=5"} <= set(shown)
    assert "no hit of quiet at all; events with hits: work" in done.stdout
    assert "+ work a=4" in shown


@pytest.mark.thorough
def test_a_run_is_a_function_of_its_input_as_hypothesis_wants_it(suite: Path) -> None:
    done = run(
        suite,
        """
        from hypothesis import given, settings, strategies as st

        @given(st.text("abc", max_size=9))
        @settings(max_examples=5, deadline=None)
        def test_it(uprobe_program, uprobe_session, text):
            app = uprobe_program("app.c")
            run = uprobe_session([app, "size", text])
            run.probe(f"p:work {app}:work a=%x0 name=+0(%x1):string")
            run.run()
            run.assert_hits("work", times=1, a=len(text), name=text)
        """,
    )
    assert "1 passed" in done.stdout, done.stdout


def test_a_source_that_does_not_compile_is_an_error_with_the_compilers_words(suite: Path) -> None:
    (suite / "app.c").write_text("int main(void) { return nothing; }")
    done = run(suite, 'def test_it(uprobe_program):\n    uprobe_program("app.c")\n')
    assert "does not compile" in done.stdout
    assert "nothing" in done.stdout


@pytest.mark.thorough
def test_the_example_of_the_manual_passes(suite: Path) -> None:
    page = (ROOT / "docs" / "pytest.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    (suite / "loop.c").write_text((ROOT / "examples" / "loop.c").read_text())
    done = run(suite, example)
    assert "2 passed" in done.stdout, done.stdout


def test_until_a_fixture_is_used_nothing_of_uprobe_is_imported(suite: Path) -> None:
    done = run(
        suite,
        """
        def test_it():
            import sys
            heavy = {"uprobe_core.session", "uprobe_pytest.probed_run", "unicorn", "capstone"}
            assert heavy & set(sys.modules) == set()
        """,
    )
    assert "1 passed" in done.stdout, done.stdout
