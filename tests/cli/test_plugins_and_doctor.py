"""``uprobe plugins`` and ``uprobe doctor``: what is there, what is broken, and why."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

import uprobe_core
from tests.cli.command import PATHS, installed, uprobe, uprobe_json
from uprobe_core.doctor.self_test import ANSWER, CODE_OFFSET, program


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An environment in which a decoder is installed whose import fails."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[uprobe.decoders]\nbroken = broken_decoder:D\n")
    (tmp_path / "broken_decoder.py").write_text("import there_is_no_such_module\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_plugins_lists_ours_with_kind_target_and_package() -> None:
    rows = [line.split() for line in uprobe("plugins").stdout.splitlines()]
    assert rows[0] == ["KIND", "NAME", "STATE", "TARGET", "PACKAGE"]
    assert ["arch", "arm64", "ok", "uprobe_arm64:Arm64Arch", "uprobe"] in [row[:5] for row in rows]


def test_plugins_as_json() -> None:
    found = {(p["kind"], p["name"]): p for p in uprobe_json("plugins")["plugins"]}
    assert found["backend", "unicorn"]["group"] == "uprobe.backends"
    assert found["backend", "unicorn"]["ok"]


@pytest.mark.thorough
def test_a_plugin_that_fails_is_shown_with_its_own_error(broken: dict[str, str]) -> None:
    done = uprobe("plugins", env=broken)
    assert done.returncode == 0
    assert "No module named 'there_is_no_such_module'" in done.stdout
    assert "Traceback" not in done.stdout
    assert "Traceback" in uprobe("plugins", "--debug", env=broken).stdout


@pytest.mark.parametrize(
    ("library", "kind", "name", "extra"),
    [("pyarrow", "writer", "parquet", "parquet"), ("pypcode", "decoder", "sleigh", "sleigh")],
)
def test_a_plugin_whose_optional_library_is_not_there_says_what_to_install(
    tmp_path: Path, library: str, kind: str, name: str, extra: str
) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ImportError('no {library} today')\n")
    path = os.pathsep.join([str(tmp_path), *map(str, PATHS)])
    done = uprobe("plugins", "--json", env={**os.environ, "PYTHONPATH": path})
    (found,) = (p for p in json.loads(done.stdout)["plugins"] if (p["kind"], p["name"]) == (kind, name))
    assert (found["ok"], found["state"]) == (False, "optional")
    assert f"no {library} today" in found["error"]
    assert found["hint"] == f"pip install 'uprobe[{extra}]'"


def test_asking_for_a_plugin_that_fails_is_an_error_that_names_it(broken: dict[str, str]) -> None:
    done = uprobe("why", "./loop", "work", "--decoder", "broken", env=broken)
    assert done.returncode == 125
    assert done.stderr.startswith(
        "uprobe: error: decoder 'broken' (broken_decoder:D, from broken 1.0) failed to import: "
    )
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_that_nobody_asked_for_disturbs_no_run(broken: dict[str, str]) -> None:
    done = uprobe("run", "./loop", "1", env=broken)
    assert (done.returncode, done.stdout, done.stderr) == (0, "sum 1\n", "")


def test_doctor_finds_everything_in_order() -> None:
    done = uprobe("doctor")
    assert done.returncode == 0, done.stdout
    assert "fail" not in {line.split()[0] for line in done.stdout.splitlines()}


def test_doctor_says_where_uprobe_is_installed() -> None:
    (here,) = (check for check in uprobe_json("doctor")["checks"] if check["name"] == "uprobe")
    assert here["detail"].endswith(f" in {Path(uprobe_core.__file__).parent}")


def test_doctor_says_which_engine_and_decoder_and_why() -> None:
    checks = {check["name"]: check for check in uprobe_json("doctor")["checks"]}
    assert checks["engine"]["detail"].split(":")[0] in {"c", "py"}
    assert len(checks["engine"]["detail"].split(": ", 1)[1]) > 10
    assert checks["decoder"]["detail"].startswith("capstone")


def shortcuts(**env: str) -> dict[str, str]:
    checks = json.loads(uprobe("doctor", "--json", env={**os.environ, **env}).stdout)["checks"]
    found: dict[str, str] = next(check for check in checks if check["name"] == "shortcuts")
    return found


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("switch", "why"),
    [
        ({"UPROBE_DISABLE_SHORTCUTS": "1"}, "UPROBE_DISABLE_SHORTCUTS is set"),
        ({"UPROBE_ENGINE": "py"}, "UPROBE_ENGINE=py asks for the Python engine"),
    ],
)
def test_doctor_says_why_translated_code_takes_no_shortcuts(switch: dict[str, str], why: str) -> None:
    if find_spec("uprobe_unicorn.native._glue") is None:
        pytest.skip("there is no native glue")
    found = shortcuts(**{"UPROBE_ENGINE": "auto"} | switch)
    assert (found["state"], found["detail"]) == ("note", why)


@pytest.mark.thorough
def test_doctor_says_whether_translated_code_takes_shortcuts() -> None:
    found = shortcuts()
    assert found["detail"] == "translated code takes them" or found["state"] == "note"


@pytest.mark.thorough
def test_doctor_shows_a_plugin_that_fails(broken: dict[str, str]) -> None:
    done = uprobe("doctor", env=broken)
    assert "decoder broken" in done.stdout
    assert "there_is_no_such_module" in done.stdout
    assert done.returncode == 0  # a decoder is not needed to run


def test_the_self_test_notices_a_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from uprobe_core.doctor import self_test
    from uprobe_core.errors import BackendError

    monkeypatch.setattr(self_test, "ANSWER", ANSWER + 1)
    with pytest.raises(BackendError, match="exit status 42 and 1 hits, expected 43 and 1"):
        self_test.run_self_test()


def test_the_self_tests_program_is_an_elf_file_that_others_read(tmp_path: Path) -> None:
    from elftools.elf.elffile import ELFFile

    path = tmp_path / "answer"
    path.write_bytes(program())
    with path.open("rb") as file:
        elf = ELFFile(file)
        (segment,) = elf.iter_segments()
        assert elf["e_machine"] == "EM_AARCH64"
        assert elf["e_entry"] == segment["p_vaddr"] + CODE_OFFSET
        assert segment["p_filesz"] == path.stat().st_size


def test_the_self_tests_program_gives_the_same_answer_under_qemu(tmp_path: Path) -> None:
    import shutil
    import subprocess

    if shutil.which("qemu-aarch64") is None:
        pytest.skip("needs qemu-user, the reference")
    path = tmp_path / "answer"
    path.write_bytes(program())
    path.chmod(0o755)
    assert subprocess.run(["qemu-aarch64", path], check=False).returncode == ANSWER


WHILE_IMPORTED = {
    "exits": ("import sys; sys.exit(3)", "exited while it was imported (status 3)"),
    "prints": ("print('hello')\nclass P: pass", "printed while it was imported: 'hello'"),
    "hangs": ("import time; time.sleep(1000)", "was still importing after 3 s"),
}


@pytest.mark.thorough
@pytest.mark.parametrize(("source", "complaint"), WHILE_IMPORTED.values(), ids=WHILE_IMPORTED)
def test_who_misbehaves_while_imported_is_named_by_all_and_takes_nothing_else_down(
    tmp_path: Path, source: str, complaint: str
) -> None:
    env = installed(tmp_path, "uprobe.plugins", "third_plugin:P", source) | {"UPROBE_IMPORT_SECONDS": "3"}
    run = uprobe("run", "-e", "p:work ./loop:work", "./loop", "1", env=env)
    assert f"plugin 'third' (third_plugin:P, from third 1.0) {complaint}" in run.stderr
    assert (run.stdout, run.returncode) == ("sum 1\n", 0)
    assert "work: (" in run.stderr
    if "sleep" not in source:  # it waits again, and tests/discovery asks what is listed
        listed = uprobe("plugins", env=env)
        assert complaint in listed.stdout
        assert "arm64" in listed.stdout
    found = uprobe("doctor", env=env)
    assert complaint in found.stdout
    assert "a probed program ran: 1 hit" in found.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("source", ["import posix; posix._exit(3)", "import posix; posix.abort()"])
def test_who_ends_the_process_while_imported_is_named_by_plugins_and_doctor(
    tmp_path: Path, source: str
) -> None:
    env = installed(tmp_path, "uprobe.plugins", "third_plugin:P", source)
    for command, rest in (("plugins", "arm64"), ("doctor", "a probed program ran: 1 hit")):
        done = uprobe(command, env=env)
        assert "plugin 'third' (third_plugin:P, from third 1.0) " in done.stdout
        assert rest in done.stdout
