"""Programs that people run, start-up included: uprobe beside qemu-user, and where the time goes.

Every number is processor time of all processes.  The programs are those of an arm64 system
(``--sysroot``); without one only the threads are measured, and that is said.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.programs import build
from benchmarks.report import Section
from benchmarks.where import PARTS
from benchmarks.whole_programs import seconds

__all__ = ("measure",)

_MEGABYTES = 50
_JSON = """
import json
data = [{'a': i, 'b': str(i) * 3, 'c': [i, i / 7, None, True]} for i in range(3000)]
for _ in range(12):
    text = json.dumps(data)
    json.loads(text)
"""
_SQL = """
create table t(a integer primary key, b text, c int);
begin;
insert into t with recursive k(x) as (select 0 union all select x+1 from k where x<20000)
  select x, 'name ' || x, x*7919%10007 from k;
commit;
create index i on t(c);
update t set b = b || '!' where c < 3000;
delete from t where a%3=0;
select count(*), sum(c) from t;
"""
_AES = (
    *("/usr/bin/openssl", "enc", "-aes-256-cbc", "-K", "00" * 32, "-iv", "00" * 16),
    *("-in", "{folder}/data", "-out", "{folder}/data.aes"),
)
_QEMU = "qemu-aarch64"


@dataclass(frozen=True)
class Everyday:
    """One program.

    :param argv: {folder} is a folder of our own, {run} runs another program of the system, {root} is its root
    :param at_most: how many times qemu-user's processor time it may take, 0: nothing is promised
    :param needs: a file of the system without which it is left out
    """

    name: str
    argv: tuple[str, ...]
    at_most: float = 0
    needs: str = ""


PROGRAMS = (
    Everyday("true", ("/bin/true",)),
    Everyday("python3 -c pass", ("/usr/bin/python3", "-c", "pass"), 1.3),
    Everyday("json in python", ("/usr/bin/python3", "-c", _JSON), 1.2),
    Everyday(
        "60 times /bin/true in bash", ("/bin/bash", "-c", "for i in {{1..60}}; do {run}/bin/true; done"), 1.0
    ),
    Everyday(
        "a loop in bash", ("/bin/bash", "-c", "for ((i = 0; i < 60000; i++)); do x=$((i * 3)); done"), 1.2
    ),
    Everyday("find", ("/usr/bin/find", "{root}/usr/share", "{root}/usr/lib", "-size", "+100k"), 2.0),
    Everyday("tar", ("/usr/bin/tar", "-C", "{root}/usr/share", "-cf", "{folder}/tar", "perl"), 0),
    Everyday(
        "git log --stat",
        ("/usr/bin/git", "-c", "safe.directory=*", "-C", "{folder}/repository", "log", "--stat"),
        1.5,
    ),
    Everyday("sqlite on disk", ("/usr/bin/sqlite3", "{folder}/database", _SQL), 0),
    Everyday("zstd", ("/usr/bin/zstd", "-q", "-f", "-1", "{folder}/data", "-o", "{folder}/data.zst"), 1.5),
    Everyday("openssl sha256", ("/usr/bin/openssl", "dgst", "-sha256", "{folder}/data"), 1.5),
    Everyday("openssl aes", _AES, 1.5),
    Everyday(
        "make -j2 with tcc",
        ("/usr/bin/make", "-s", "-B", "-j2", "-C", "{folder}/tree", "CC={run}/usr/bin/tcc"),
        needs="/usr/bin/tcc",
    ),
    Everyday("4 threads, each alone", ("{folder}/threads", "400000"), 0),
    Everyday("4 threads, one lock", ("{folder}/threads", "160000", "lock"), 2.0),
)


def measure(repeat: int, sysroot: str | None = None) -> Section:
    """Times qemu-user's processor time, and the parts of ours; medians over interleaved rounds."""
    section = Section("everyday programs, start-up included")
    with tempfile.TemporaryDirectory(prefix="uprobe-bench-") as folder:
        _furnish(folder)
        for program in PROGRAMS:
            if _is_there(program, folder, sysroot):
                _measure_one(section, program, folder, sysroot, repeat)
    return section


def _is_there(program: Everyday, folder: str, sysroot: str | None) -> bool:
    path = program.argv[0]
    if path.startswith("{"):
        return True
    wanted = [path, *filter(None, [program.needs])]
    if "repository" in str(program.argv) and not os.path.exists(f"{folder}/repository"):
        print(f"{program.name}: left out, there is no git here to make a repository", file=sys.stderr)
        return False
    missing = [each for each in wanted if not (sysroot and os.path.exists(sysroot + each))]
    if missing:
        print(f"{program.name}: left out, no {missing[0]} in --sysroot {sysroot}", file=sys.stderr)
    return not missing


def _measure_one(section: Section, program: Everyday, folder: str, sysroot: str | None, repeat: int) -> None:
    ours = [sys.executable, "-m", "uprobe_core.cli", *_ours(program, folder, sysroot)]
    theirs = _theirs(program, folder, sysroot) if shutil.which(_QEMU) else None
    found: list[tuple[float, float]] = []
    for _ in range(repeat):
        _tidy(folder)
        mine = seconds(ours)
        _tidy(folder)
        found.append((mine, seconds(theirs) if theirs else 0.0))
    name = program.name
    section.rows[f"{name}: uprobe (s)"] = statistics.median(mine for mine, _ in found)
    if theirs:
        row = f"{name}: times qemu-user"
        section.rows[row] = statistics.median(mine / other for mine, other in found)
        if program.at_most:
            section.judge(row, "x", section.rows[row], at_most=program.at_most)
    _tidy(folder)
    parts = _parts(_ours(program, folder, sysroot), folder)
    for part, share in parts.items():
        section.rows[f"{name}: {part}, % of uprobe's"] = share


def _parts(command: Sequence[str], folder: str) -> dict[str, float]:
    """The share of each part in one run, in per cent; what of the whole is under one is left out."""
    file = f"{folder}/where"
    seconds([sys.executable, "-m", "benchmarks.where", file, *command])
    with open(file, encoding="ascii") as lines:
        processes = [json.loads(line) for line in lines]
    os.unlink(file)
    spent = {part: sum(process[part] for process in processes) for part in PARTS}
    whole = sum(spent.values())
    return {part: 100 * value / whole for part, value in spent.items() if value > whole / 100}


def _ours(program: Everyday, folder: str, sysroot: str | None) -> list[str]:
    options = ["--bind", f"{folder}:{folder}"]
    if not program.argv[0].startswith("{"):
        options += ["--sysroot", f"{sysroot}:ro"]
    return ["run", *options, "--", *_filled(program, folder=folder, run="", root="")]


def _theirs(program: Everyday, folder: str, sysroot: str | None) -> list[str]:
    run = f"{_QEMU} -L {sysroot} {sysroot}"
    argv = list(_filled(program, folder=folder, run=run, root=str(sysroot)))
    if program.argv[0].startswith("{"):
        return [_QEMU, *argv]
    return [_QEMU, "-L", str(sysroot), f"{sysroot}{argv[0]}", *argv[1:]]


def _filled(program: Everyday, **words: str) -> Iterator[str]:
    """The arguments; scripts of Python have braces of their own."""
    for text in program.argv:
        yield text if "json" in text or "create table" in text else _fill(text, words)


def _fill(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace("{" + word + "}", value)
    return text.replace("{{", "{").replace("}}", "}")


# --- what the programs work on --------------------------------------------------------------------------


def _furnish(folder: str) -> None:
    build("threads", folder)
    _write_data(f"{folder}/data")
    _write_tree(f"{folder}/tree")
    if shutil.which("git"):
        _write_repository(f"{folder}/repository")


def _tidy(folder: str) -> None:
    """Every run finds what the first found."""
    for name in ("database", "data.zst", "data.aes", "tar"):
        if os.path.exists(f"{folder}/{name}"):
            os.unlink(f"{folder}/{name}")


def _write_data(path: str) -> None:
    """Words that repeat as those of a text do."""
    chosen = random.Random(1)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    words = [bytes(chosen.choices(letters, k=chosen.randint(2, 9))) for _ in range(5000)]
    page = b" ".join(chosen.choices(words, k=200_000))
    with open(path, "wb") as file:
        for _ in range(_MEGABYTES):
            start = chosen.randrange(len(page) // 2)
            file.write((page[start:] + page[:start])[: 1 << 20].ljust(1 << 20))


def _write_tree(folder: str) -> None:
    """Eight files of C and what makes them."""
    os.mkdir(folder)
    names = [f"part{number}" for number in range(8)]
    for name in names:
        functions = (f"int {name}_{i}(int x) {{ return x * {i} + (x >> {i % 30}); }}" for i in range(200))
        with open(f"{folder}/{name}.c", "w", encoding="ascii") as file:
            file.write("\n".join(functions) + "\n")
    with open(f"{folder}/Makefile", "w", encoding="ascii") as file:
        file.write(f"all: {' '.join(f'{name}.o' for name in names)}\n%.o: %.c\n\t$(CC) -c -o $@ $<\n")


def _write_repository(folder: str) -> None:
    """Sixty commits of a few files each."""
    os.mkdir(folder)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0", "-c", "commit.gpgsign=false"]
    git = ["git", "-C", folder, *identity]
    subprocess.run([*git, "init", "-q"], check=True)
    for commit in range(60):
        for number in range(5):
            with open(f"{folder}/file{(commit * 3 + number) % 40}", "a", encoding="ascii") as file:
                file.writelines(f"{commit} {number} {line * commit}\n" for line in range(20))
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"commit {commit}"], check=True)


if __name__ == "__main__":
    from benchmarks.report import as_table

    print(as_table(measure(int(os.environ.get("REPEAT", "3")), os.environ.get("UPROBE_BENCH_SYSROOT"))))
