"""The manual: complete, up to date, and its examples work."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, LOOP, uprobe
from tests.warm_python import python
from uprobe_core.arch_hooks import ArchHooks
from uprobe_core.events.kernel_messages import MESSAGES
from uprobe_core.hookspecs import PluginHooks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = [ROOT / "uprobe_core", ROOT / "backends", ROOT / "decoders", ROOT / "plugins"]


def hooks() -> list[tuple[str, list[str]]]:
    """Every hook with its argument names."""
    functions = [
        item
        for spec in (ArchHooks, PluginHooks)
        for item in vars(spec).items()
        if inspect.isfunction(item[1])
    ]
    return [(name, list(inspect.signature(f).parameters)[1:]) for name, f in functions]


@pytest.mark.parametrize(("name", "arguments"), hooks(), ids=[name for name, _ in hooks()])
def test_every_hook_is_documented_with_its_exact_arguments(name: str, arguments: list[str]) -> None:
    assert f"\n### {name}({', '.join(arguments)})\n" in (DOCS / "hooks.md").read_text()


def test_no_hook_is_documented_that_there_is_not() -> None:
    documented = re.findall(r"^### (\w+)\(", (DOCS / "hooks.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(name for name, _ in hooks())


@pytest.mark.slow
def test_the_generated_parts_are_up_to_date() -> None:
    if importlib.util.find_spec("cogapp") is None:
        pytest.skip("needs cogapp: pip install --group lint")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the pages show help as Python 3.11's argparse formats it")
    pages = [path for path in DOCS.rglob("*.md") if "[[[cog" in path.read_text()]
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", "-I", DOCS, *pages],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"cog -r -I docs docs/*.md renews them\n{done.stdout}"


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_pictures_are_those_that_their_source_draws() -> None:
    pictures = runpy.run_path(str(DOCS / "diagrams.py"))["PICTURES"]
    drawn = {f"{name}.svg": make().svg() for name, make in pictures.items()}
    assert drawn == {path.name: path.read_text() for path in DOCS.rglob("*.svg")}


# --- messages ----------------------------------------------------------------------------------------


def slugs() -> set[str]:
    """Every slug in the code: keyword arguments and class attributes that are plain strings."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            found |= set(_slugs_of(ast.parse(path.read_text())))
    return found


def _slugs_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg == "slug":
            value = node.value
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "slug" for target in targets):
                value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value.value


def test_every_slug_is_explained_and_no_other() -> None:
    documented = re.findall(r"^### `([a-z-]+)`$", (DOCS / "messages.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(slugs())


def test_every_message_of_the_kernel_is_explained() -> None:
    page = (DOCS / "messages.md").read_text()
    for code, text in MESSAGES.items():
        assert f"| `{code.lower().replace('_', '-')}` | {text.replace('|', chr(92) + '|')} |" in page


# --- the set-up file ----------------------------------------------------------------------------------


def test_the_example_of_the_manual_is_the_one_in_examples_and_is_good() -> None:
    shown, *_more = re.findall(r"```toml\n(.*?)```", (DOCS / "config.md").read_text(), re.DOTALL)
    assert (EXAMPLES / "loop.toml").read_text() == shown
    done = run("check", "-c", "loop.toml")
    assert (done.returncode, done.stdout) == (0, "ok: 2 locations\n")


# --- the Python interface -----------------------------------------------------------------------------


def test_the_python_of_the_manual_runs_as_it_stands() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    done = python("-c", "\n".join(blocks), cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("sum ")]
    assert ast.literal_eval(lines[0]) == dict.fromkeys(("zero", "one", "two", "three"), 250)
    assert lines[1] == "0 [(0, 6), (1, 6), (2, 6), (3, 6), (4, 6)]"


def test_every_action_and_every_consumer_of_ours_has_an_example() -> None:
    import uprobe_core.actions.kinds

    page = (DOCS / "consumers.md").read_text()
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for name in points["uprobe.consumers"]:
        assert re.search(rf"^\$ uprobe run -C '?{name}\b", page, re.MULTILINE), name
    for name in set(uprobe_core.actions.kinds.__all__) - {"Action", "MAX_KEYS"}:
        assert f">>> run(up.{name}(" in page, name


# --- plugins ------------------------------------------------------------------------------------------


def run(
    *arguments: str, path: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``uprobe`` in ``examples/``, with a folder in front of the import path."""
    paths = {} if path is None else {"PYTHONPATH": str(path)}
    return uprobe(*arguments, env={**os.environ, **paths, **(env or {})})


def example(name: str) -> str:
    """The code block of plugins.md that follows the comment ``<!-- example: NAME -->``."""
    page = (DOCS / "plugins.md").read_text()
    match = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert match is not None, name
    return match[1]


def install(folder: Path, module: str, source: str, group: str, point: str) -> Path:
    """Make *module* and its entry point importable, as pip would."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{point}\n")
    return folder


@pytest.fixture
def callers(tmp_path: Path) -> Path:
    """A folder in which the consumer of the manual is installed."""
    project = tomllib.loads(example("callers/pyproject.toml"))["project"]
    ((group, points),) = project["entry-points"].items()
    ((name, target),) = points.items()
    source = example("callers/uprobe_callers.py")
    return install(tmp_path, "uprobe_callers", source, group, f"{name} = {target}")


def test_the_consumer_of_the_manual_works_with_the_command_of_the_manual(callers: Path) -> None:
    (command,) = re.findall(
        r"^\$ (uprobe run -C callers.*)$", (DOCS / "plugins.md").read_text(), re.MULTILINE
    )
    done = run(*shlex.split(command)[1:], path=callers)
    assert re.fullmatch(r"uprobes/work: callers\n  5  0x[0-9a-f]+\n", done.stderr)
    assert done.stdout == "sum 22\n"


def test_the_consumer_of_the_manual_fits_its_contract(callers: Path) -> None:
    done = run("plugins", path=callers)
    assert re.search(r"^consumer +callers +ok +uprobe_callers:CallersConsumer", done.stdout, re.MULTILINE)


def test_its_own_usage_error_reaches_the_user(callers: Path) -> None:
    done = run("run", "-C", "callers:tip=3", "-e", "p:work ./loop:work", "./loop", path=callers)
    assert done.returncode == 2
    assert done.stderr == "uprobe: error: consumer callers has no option 'tip'\nhint: options: top=N\n"


def test_the_decoder_of_the_manual_works(tmp_path: Path) -> None:
    source = example("words/uprobe_words.py")
    install(tmp_path, "uprobe_words", source, "uprobe.decoders", "words = uprobe_words:WordsDecoder")
    done = run("why", "./loop", "work", "--decoder", "words", path=tmp_path)
    word = re.search(r"^> 0x[0-9a-f]+  ([0-9a-f]{8})  (.*)$", done.stdout, re.MULTILINE)
    assert word is not None
    assert word[2] == f".inst 0x{word[1]}"


def test_the_writer_of_the_manual_works(tmp_path: Path) -> None:
    source = example("markdown/uprobe_markdown.py")
    install(
        tmp_path, "uprobe_markdown", source, "uprobe.writers", "markdown = uprobe_markdown:MarkdownWriter"
    )
    event = ["-e", "p:work ./loop:work a=%x0"]
    done = run("run", "--format", "markdown", *event, "./loop", "2", path=tmp_path)
    rows = ["| ./loop 2 | arguments |", "|---|---|", "| work | a=0 |", "| work | a=1 |"]
    assert done.stderr.splitlines() == rows


@pytest.mark.parametrize("name", ["callers", "words", "markdown", "watcher"])
def test_the_plugins_of_the_manual_pass_the_suites_of_their_kinds(name: str, tmp_path: Path) -> None:
    (tmp_path / f"uprobe_{name}.py").write_text(example(f"{name}/uprobe_{name}.py"))
    (tmp_path / "test_it.py").write_text(example(f"{name}/test_{name}.py"))
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE)


@pytest.mark.thorough
def test_the_hooks_of_the_manual_work(tmp_path: Path) -> None:
    source = example("watcher/uprobe_watcher.py")
    install(tmp_path, "uprobe_watcher", source, "uprobe.plugins", "watcher = uprobe_watcher:WatcherPlugin")
    event = ["-e", "p:work ./loop:work", "-C", "count", "./loop", "4"]
    done = run("run", "--mode", "trap", *event, path=tmp_path)
    assert "watcher: 4 steps\n" in done.stderr
    done = run("run", "--mode", "trap", "--engine", "c", *event, path=tmp_path)
    assert "watcher: 0 steps\n" in done.stderr
    assert "warning: plugins wrap operations of the architecture" in done.stderr
    done = run("run", *event, path=tmp_path, env={"UPROBE_LOAD_PLUGINS": ""})
    assert "watcher" not in done.stderr


# --- the example program -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_program_is_what_its_source_gives(tmp_path: Path) -> None:
    for name in ("loop.c", "rebuild.sh", "strip_debug.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    environment = {**os.environ, "PYTHON": sys.executable}  # with the folder where zig keeps a C library
    subprocess.run(["sh", tmp_path / "rebuild.sh"], check=True, env=environment, capture_output=True)
    assert code_of(tmp_path / "loop", "work") == code_of(LOOP, "work")


def code_of(path: Path, name: str) -> bytes:
    """The instructions of a function; another zig may put it elsewhere."""
    from uprobe_core.image.elf_symbols import ElfImage

    with ElfImage(path) as image:
        symbol = image.find(name)
        assert symbol is not None
        return image.read(symbol.vaddr, symbol.size)


def test_the_example_program_names_no_folder_of_the_machine_that_built_it() -> None:
    assert not re.search(rb"/(home|root|work|tmp|usr/lib/python)", LOOP.read_bytes())
