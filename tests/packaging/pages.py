"""A page of the manual as somebody works through it: files written, commands run, their output compared.

A comment in front of a code block says what is not plain:

``<!-- file: NAME -->``     the block is that file, in the folder in which the page's commands run
``<!-- needs: TOOL -->``    commands of this machine without which the block is left out
``<!-- run by: PATH -->``   the test that runs it
``<!-- not run: WHY -->``   nobody does

In a console block, lines after ``$ `` are commands and all others what they print, on both streams.
There ``...`` stands for anything in a line, alone for any lines; times, durations, addresses and offsets in
functions, which depend on the compiler, stand for any such, and white space for any white space.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.programs import compiled_in
from tests.warm_python import PATHS, ROOT, python

__all__ = ("Block", "Page", "Reader", "is_shown", "pages")

DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
HEADERS = ROOT / "tests" / "packaging" / "include"
"""What pages include and a machine may lack: sys/sdt.h of SystemTap."""

_BLOCK = re.compile(
    r"(?P<notes>(?:^<!-- [a-z ]+: [^\n]*? -->\n)*)^(?P<fence>```+)"
    r"(?P<language>\S*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_GENERATED = re.compile(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", re.DOTALL)
_VARIABLE = re.compile(
    r"\b(?P<time>[0-9]+\.[0-9]{6})\b|\b0x(?P<address>[0-9a-f]{6,})\b|(?<=\w)\+0x(?P<offset>[0-9a-f]+)\b"
    r"|\b(?P<duration>[0-9.]+) (?:ns|us|ms|s)\b"
)


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    :param notes: what the comments in front of it say, by their first words
    """

    page: str
    line: int
    language: str
    text: str
    notes: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """(command, what is shown of its output) of a console block."""
        lines = self.text.replace("\\\n", "").splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield lines[start][2:], lines[start + 1 : end]


class Page:
    """A page and the code on it; what cog has put there is compared by cog, and directives are no code."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path.relative_to(ROOT))
        whole = path.read_text()
        blank = _GENERATED.sub(lambda match: "\n" * match[0].count("\n"), whole)
        found = [self._block(match, blank) for match in _BLOCK.finditer(blank)]
        self.blocks = [block for block in found if not block.language.startswith("{")]

    def _block(self, match: re.Match[str], text: str) -> Block:
        notes = dict(re.findall(r"<!-- ([a-z ]+): ([^\n]*?) -->\n", match["notes"]))
        line = text.count("\n", 0, match.start("fence")) + 1
        return Block(self.name, line, match["language"], match["text"], notes)

    def __str__(self) -> str:
        return self.name


def pages() -> list[Page]:
    """All pages with code on them."""
    found = [Page(path) for path in sorted(DOCS.rglob("*.md"))]
    return [page for page in found if page.blocks]


@dataclass
class Reader:
    """Somebody who does what a page says, in a folder with the example program.

    :ivar plugins: folders of projects that the page has installed
    """

    folder: Path
    cwd: Path = field(init=False)
    plugins: list[Path] = field(default_factory=list)
    script: list[str] = field(default_factory=list)
    status: int = 0

    def __post_init__(self) -> None:
        self.cwd = self.folder
        for name in ("loop", "loop.c", "loop.toml"):
            shutil.copy(EXAMPLES / name, self.folder)

    def read(self, page: Page) -> None:
        """Do all of it; fails with the block's place."""
        for block in page.blocks:
            if not {"not run", "run by", "example"} & set(block.notes) and self._can(block):
                self._take(block)
        if self.script:
            done = python("-c", "\n".join(self.script), cwd=self.folder)
            assert done.returncode == 0, f"{page}\n{done.stderr}"

    def _can(self, block: Block) -> bool:
        return all(shutil.which(tool) for tool in block.notes.get("needs", "").split(", ") if tool)

    def _take(self, block: Block) -> None:
        file = block.notes.get("file")
        if file is not None:
            (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / file).write_text(block.text)
        if block.language == "console":
            commands = list(block.commands())
            for (command, shown), (after, _) in zip(commands, [*commands[1:], ("", [])], strict=True):
                self._run(block, command, shown, may_fail=after == "echo $?")
        elif block.language == "toml":
            self._check_setup(block, file)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "python" and file is None:
            self.script.append(block.text)
        else:
            assert file is not None or block.language == "text", f"{block}: who runs this?"

    def _check_setup(self, block: Block, file: str | None) -> None:
        """A set-up file has no mistakes; any other is TOML."""
        if not {"events", "target"} & set(tomllib.loads(block.text)):
            return
        path = self.folder / (file or "block.toml")
        path.write_text(block.text)
        done = python("-m", "uprobe_core.cli", "check", "-c", str(path), cwd=self.folder)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"

    def _run(self, block: Block, command: str, shown: Sequence[str], *, may_fail: bool) -> None:
        words = shlex.split(command)
        if command == "echo $?":
            assert list(shown) == [str(self.status)], f"{block}: the status is {self.status}"
        elif words[0] == "cd":
            self.cwd = self.cwd / words[1]
        elif words[:2] == ["pip", "install"]:
            self._install(words[2:])
        elif words[:4] == ["python", "-m", "ziglang", "cc"] or words[0].startswith("aarch64-linux-gnu-"):
            self._compile(words)
        else:
            done = self._do(words, command)
            self.status = done.returncode
            where = f"{block}: {command}\n{done.stdout}{done.stderr}"
            assert may_fail or self.status == 0, where
            assert is_shown(list(shown), done.stdout.splitlines(), done.stderr.splitlines()), where

    def _do(self, words: list[str], command: str) -> subprocess.CompletedProcess[str]:
        plain = not re.search(r"[|<>&;$*?~]", re.sub(r"'[^']*'", "", command))
        if plain and not self.plugins and words[0] in ("uprobe", "python"):
            rest = words[1:]
            return python(*(rest if words[0] == "python" else ["-m", "uprobe_core.cli", *rest]), cwd=self.cwd)
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.cwd,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def _environment(self) -> dict[str, str]:
        """Where ``uprobe``, ``python`` and ``pytest`` are this interpreter's, and see what was installed."""
        programs = self.folder / ".bin"
        if not programs.exists():
            programs.mkdir()
            for name, words in {"python": "", "uprobe": "-m uprobe_core.cli", "pytest": "-m pytest"}.items():
                (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
                (programs / name).chmod(0o755)
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        packages = os.pathsep.join([*map(str, self.plugins), *PATHS])
        return {**os.environ, "PATH": path, "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"}

    def _install(self, words: list[str]) -> None:
        """Make the project in the working directory importable, with its entry points, as pip would."""
        assert words[:2] == ["-e", "."], words
        project = tomllib.loads((self.cwd / "pyproject.toml").read_text())["project"]
        info = self.cwd / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        groups = project["entry-points"].items()
        lines = [
            line
            for group, points in groups
            for line in (f"[{group}]", *(f"{n} = {v}" for n, v in points.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        self.plugins.append(self.cwd)

    def _compile(self, words: list[str]) -> None:
        """Compile as the page says; the program is kept for the next test run."""
        target = words[words.index("-o") + 1]
        sources = [self.cwd / word for word in words if word.endswith((".c", ".cc"))]
        plain = [word for word in words if word not in ("-o", target)]
        command = [sys.executable if plain[0] == "python" else plain[0], *plain[1:], f"-I{HEADERS}"]
        shutil.copy(compiled_in(self.cwd, command, sources, Path(target).name), self.cwd / target)


def is_shown(shown: list[str], *streams: list[str]) -> bool:
    """Whether *shown* is what the streams hold, in any interleaving; see the top of this file."""
    if not shown:
        return True
    goals = tuple(len(stream) for stream in streams)
    states = {tuple(0 for _ in streams)}
    for line in shown:
        if line == "...":
            states = {later for state in states for later in _later(state, goals)}
            continue
        states = {
            (*state[:n], state[n] + 1, *state[n + 1 :])
            for state in states
            for n, stream in enumerate(streams)
            if state[n] < goals[n] and _is_line(line, stream[state[n]])
        }
    return goals in states


def _later(state: tuple[int, ...], goals: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All positions from *state* on."""
    from itertools import product

    yield from product(*(range(at, goal + 1) for at, goal in zip(state, goals, strict=True)))


def _is_line(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in _plain(shown).split("..."))
    return re.fullmatch(pattern, _plain(printed)) is not None


def _plain(line: str) -> str:
    """A line without what is different with the next compiler."""
    return " ".join(_VARIABLE.sub(lambda match: str(match.lastgroup), line).split())
