"""Dynamic programs: probes in libraries, also in what is opened later, found through the loader's list."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import uprobe_core as up
from tests.gdbremote.conftest import NEWER, needs_newer_qemu, needs_qemu
from uprobe_core.backend import Bind

SYSROOT = "/usr/aarch64-linux-gnu"
SOURCE = """
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

int main(void)
{
    void *library = dlopen("libm.so.6", RTLD_NOW);
    double (*cosine)(double) = library ? dlsym(library, "cos") : 0;
    char *copy = strdup("hello");

    printf("%s %d\\n", copy, cosine && cosine(0) == 1);
    free(copy);
    return 0;
}
"""
pytestmark = [
    needs_qemu,
    pytest.mark.skipif(
        not os.path.exists(f"{SYSROOT}/lib/libm.so.6"), reason="needs Debian's libc6-arm64-cross"
    ),
]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A dynamic program that opens a library."""
    source = tmp_path / "opens.c"
    source.write_text(SOURCE)
    subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-o", str(tmp_path / "opens"), str(source)], check=True)
    return tmp_path / "opens"


def test_libraries_are_probed_as_they_come(program: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with up.Session(
        ["/root/opens"],
        backend="gdbremote",
        sysroot=SYSROOT,
        cwd="/",
        maps=(Bind(str(program), "/root/opens"),),
        output=str(trace),
        consumers=("trace",),
    ) as run:
        run.probe("p:main /root/opens:main")
        run.probe("p:copied libc.so.6:strdup text=+0(%x0):string")
        run.probe("r:cosine /lib/libm.so.6:cos")
        assert run.run().code == 0
    lines = [line.partition(": ")[2] for line in trace.read_text().splitlines()]
    names = [line.partition(":")[0] for line in lines]
    assert (names[0], names[-1], names.count("cosine")) == ("main", "cosine", 1)
    assert any(line.startswith("copied: ") and line.endswith(' text="hello"') for line in lines)


TURNS = r"""
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **paths)
{
    int sum = 0, same = 1;
    void *first = 0;

    for (int i = 0; i < 4; i++) {
        void *library = dlopen(paths[1 + i % 2], RTLD_NOW);
        int (*function)(int) = dlsym(library, "turn");
        first = first ? first : (void *)function;
        same &= first == (void *)function;
        sum += function(i);
        dlclose(library);
    }
    printf("same %d\n", same);
    return sum;
}
"""


@needs_newer_qemu
def test_of_a_library_that_is_unmapped_nothing_is_left_for_the_next_at_its_address(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither its breakpoint nor what was known of its instruction: each function adds another number."""
    (tmp_path / "turns.c").write_text(TURNS)
    build = ["aarch64-linux-gnu-gcc", "-O1", "-o"]
    subprocess.run([*build, str(tmp_path / "turns"), str(tmp_path / "turns.c")], check=True)
    for number in (1, 2):
        source = tmp_path / f"{number}.c"
        source.write_text(f"int turn(int x) {{ return x + {number}; }}\n")
        subprocess.run([*build, str(tmp_path / f"{number}.so"), "-shared", "-fPIC", str(source)], check=True)
    program, paths = str(tmp_path / "turns"), [str(tmp_path / f"{number}.so") for number in (1, 2)]
    for probed in ((1,), (1, 2)):
        with up.Session(
            [program, *paths],
            backend="gdbremote",
            address=f"qemu:{NEWER}",
            sysroot=SYSROOT,
            cwd="/",
            maps=(Bind(str(tmp_path), str(tmp_path)),),
        ) as run:
            counts = [run.probe(f"p:n{n} {paths[n - 1]}:turn", up.Count()) for n in probed]
            assert run.run().code == 0 + 1 + 1 + 2 + 2 + 1 + 3 + 2
        assert [count.result() for count in counts] == [2] * len(probed)
        assert capfd.readouterr().out == "same 1\n"
