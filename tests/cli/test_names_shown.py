"""What ``list``, ``why`` and ``check`` say of names of the source and of indirect functions."""

from __future__ import annotations

from tests.cli.command import uprobe, uprobe_json
from tests.programs import build_debian, cpp, symbols

ADD_INT, ADD_LONG = "_ZN3app3addEii", "_ZN3app3addEll"


def test_list_finds_names_of_the_source_by_glob_and_shows_where_they_are() -> None:
    program = cpp("overloads.cc")
    lines = uprobe("list", str(program), "app::add(*").stdout.splitlines()[1:]
    shown = {line.split(maxsplit=3)[3]: int(line.split()[0], 0) for line in lines}
    where = symbols(program)
    assert shown == {
        f"{ADD_INT}  app::add(int, int)": where[ADD_INT][0],
        f"{ADD_LONG}  app::add(long, long)": where[ADD_LONG][0],
    }


def test_why_takes_a_name_of_the_source() -> None:
    program = cpp("overloads.cc")
    found = uprobe_json("why", str(program), "app::add(long, long)")
    assert found["address"] == symbols(program)[ADD_LONG][0]
    done = uprobe("why", str(program), "app::add")
    assert done.returncode == 2
    assert "say which: 'app::add(int, int)' or 'app::add(long, long)'" in done.stderr


def test_check_counts_overloads_and_says_which_name_it_does_not_know() -> None:
    program = cpp("overloads.cc")
    done = uprobe("check", "-e", f"p {program}:app::add(*", "--", str(program))
    assert (done.returncode, done.stdout) == (0, "ok: 2 locations\n")
    done = uprobe("check", "-e", f"p {program}:app::ad(int, int)", "--", str(program))
    assert done.returncode != 0
    assert "app::ad(int, int)" in done.stderr


def test_list_says_which_function_is_indirect() -> None:
    program = build_debian("indirect.c", "-O1", "-static")
    lines = uprobe("list", str(program), "work*").stdout.splitlines()
    (row,) = [line for line in lines if " work " in line]
    assert "indirect: what work@resolver, which is here, returns" in row
    assert not any("indirect" in line for line in lines if "work_a" in line)


def test_why_says_that_an_indirect_function_is_its_resolver() -> None:
    program = build_debian("indirect.c", "-O1", "-static")
    done = uprobe("why", str(program), "work")
    assert "work is an indirect function; this is work@resolver" in done.stdout
    assert uprobe_json("why", str(program), "work@resolver")["address"] == symbols(program)["pick"][0]


def test_check_says_what_a_probe_on_an_indirect_function_means() -> None:
    program = build_debian("indirect.c", "-O1", "-static")
    done = uprobe("check", "-e", f"p {program}:work", "--", str(program))
    assert done.returncode == 0, done.stderr
    assert "work is an indirect function: what its resolver returns is probed" in done.stdout + done.stderr
