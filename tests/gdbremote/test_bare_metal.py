"""A program without an operating system under qemu-system: probed by steps, or by slots in named memory."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("qemu-system-aarch64") is None or shutil.which("aarch64-linux-gnu-gcc") is None,
        reason="needs qemu-system-aarch64 and a cross compiler (Debian: qemu-system-arm)",
    ),
]
MACHINE = ("-M", "virt", "-cpu", "cortex-a57", "-display", "none", "-nic", "none", "-monitor", "none")
SCRATCH = ",scratch=0x40200000+0x1000"
Probed = Callable[..., tuple[list[str], str, str]]


@pytest.fixture
def probed(tmp_path: Path) -> Iterator[Probed]:
    """Run the program with two probes; returns hits, what it wrote on its serial port, and messages."""
    started: list[subprocess.Popen[bytes]] = []
    program = tmp_path / "bare"
    source = str(Path(__file__).with_name("bare.S"))
    flags = ["-nostdlib", "-static", "-Wl,-Ttext=0x40080000", "-Wl,--build-id=none", "-o", str(program)]
    subprocess.run(["aarch64-linux-gnu-gcc", *flags, source], check=True)

    def run(scratch: str, *options: str) -> tuple[list[str], str, str]:
        path, serial = tmp_path / "gdb", tmp_path / "serial"
        words = [
            *("qemu-system-aarch64", *MACHINE, "-serial", f"file:{serial}", "-semihosting", "-S"),
            *("-kernel", str(program), "-gdb", f"unix:{path},server=on,wait=off"),
        ]
        started.append(subprocess.Popen(words))
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        events = ["-e", f"p:work {program}:work n=%x0", "-e", f"r:ret {program}:work rv=$retval"]
        target = ["--backend", "gdbremote", "--target", f"unix:{path}{scratch}"]
        ours = [sys.executable, "-m", "uprobe_core.cli", "run", *target, *options, *events]
        words = [*ours, "--", str(program)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert started[-1].wait(20) == 0
        hits = re.findall(r" (work|ret): \(.*\) (\S+)$", done.stderr, re.MULTILINE)
        return [" ".join(hit) for hit in hits], serial.read_text(), done.stderr

    yield run
    for emulator in started:
        emulator.kill()
        emulator.wait()


EXPECTED = [line for n in range(5) for line in (f"work n={n:#x}", f"ret rv={3 * n + 1:#x}")]


@pytest.mark.parametrize(
    ("scratch", "options"),
    [("", ()), (SCRATCH, ()), (SCRATCH, ("--mode", "trap", "--returns", "hijack"))],
    ids=["stepped", "slots", "trap-hijack"],
)
def test_hits_are_seen_and_the_program_does_what_it_did(
    probed: Probed, scratch: str, options: tuple[str, ...]
) -> None:
    hits, serial, _ = probed(scratch, *options)
    assert hits == EXPECTED
    assert serial == "done\n"


def test_mode_trap_asks_for_a_scratch_area(probed: Probed) -> None:
    _, serial, messages = probed("", "--mode", "trap")
    assert "scratch=ADDRESS+SIZE" in messages
    assert serial == "done\n"  # it was left to go on
