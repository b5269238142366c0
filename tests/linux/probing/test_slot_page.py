"""The page of slots as a program sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import debian
from uprobe_core.actions import Count
from uprobe_core.session import Session

OWN_MAPS = """
#include <stdio.h>
__attribute__((noinline)) int work(int x)
{
    __asm__ volatile("nop\\n\\tadd %w0, %w0, #1" : "+r"(x));
    return x;
}
int main(void)
{
    char line[512];
    FILE *maps;

    work(1);
    maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        fputs(line, stdout);
    return 0;
}
"""


@pytest.mark.parametrize("policy", ["kernel:6.12", "kernel:7.3"])
def test_the_page_is_executable_only_as_a_kernel_maps_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], policy: str
) -> None:
    """Recorded on 6.12.117 and 7.3.4: ``--xp 00000000 00:00 0 [uprobes]``."""
    source = tmp_path / "maps.c"
    source.write_text(OWN_MAPS)
    program = debian(f"aarch64-linux-gnu-gcc -O1 -static -o maps {source}")
    with Session([str(program)], policy=policy, mode="trap", output=str(tmp_path / "out")) as session:
        session.probe(f"p:w {program}:{_add_behind_nop(program):#x}", Count())
        session.run()
    (shown,) = [line for line in capfd.readouterr().out.splitlines() if "[uprobes]" in line]
    assert shown.split()[1:5] == ["--xp", "00000000", "00:00", "0"]


def _add_behind_nop(program: Path) -> int:
    """File offset of the instruction behind the NOP in work, which is stepped."""
    from uprobe_core.image.elf_symbols import ElfImage

    with ElfImage(program) as image:
        start = image.offset_of("work")
        code = program.read_bytes()[start : start + 64]
    return start + code.index(bytes.fromhex("1f2003d5")) + 4
