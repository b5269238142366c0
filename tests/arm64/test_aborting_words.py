"""Words that libunicorn ends the process over: the list says what the library does."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest
from uprobe_unicorn.aborting_words import aborting_offsets, aborts

pytest.importorskip("unicorn")

RUN = """
import sys, unicorn, unicorn.arm64_const as names
engine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
engine.ctl_set_cpu_model(names.UC_CPU_ARM64_MAX)
engine.mem_map(0x10000, 0x1000)
for text in sys.argv[1:]:
    engine.mem_write(0x10000, int(text, 16).to_bytes(4, "little"))
    engine.ctl_remove_cache(0x10000, 0x10004)
    try:
        engine.emu_start(0x10000, 0x10004)
    except unicorn.UcError:
        pass
"""


def execute(*words: int) -> int:
    """The exit status of a process that executes *words*, one after the other."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *(f"{word:08x}" for word in words)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        check=False,
        timeout=60,
    ).returncode


@pytest.mark.parametrize("word", [0x6EDF3FBF, 0x0E522C1E, 0x2EF9397E, 0x7EF9FBFF], ids="{:08x}".format)
def test_a_listed_word_aborts(word: int) -> None:
    assert aborts(word)
    assert execute(word) != 0


def test_words_beside_the_listed_ones_do_not_abort() -> None:
    source = random.Random(4)
    families = (0x0E400400, 0x2EC00400, 0x0E780800, 0x2EF80800, 0x5E780800, 0x7EF80800)
    words = [family | source.getrandbits(21) & 0x1FF3FF for family in families for _ in range(200)]
    words = [word for word in words if not aborts(word)]
    assert len(words) > 300
    assert execute(*words) == 0


@pytest.fixture(params=["python", "c"])
def search(request: pytest.FixtureRequest) -> Callable[[bytes], list[int]]:
    """The search for such words, in both forms."""
    if request.param == "python":
        return aborting_offsets
    return pytest.importorskip("uprobe_unicorn.native._glue").aborting_offsets  # type: ignore[no-any-return]


@pytest.mark.parametrize("family", [0x0E400400, 0x0E780800, 0x1E780800, 0x0E000000, 0])
def test_the_search_finds_what_the_predicate_says(search: Callable[[bytes], list[int]], family: int) -> None:
    source = random.Random(5)
    words = [family | source.getrandbits(32) & 0xF0FFFFFF for _ in range(4096)]
    code = b"".join(word.to_bytes(4, "little") for word in words)
    expected = [4 * index for index, word in enumerate(words) if aborts(word)]
    assert len(expected) > 10 or not family & 0xFFFF
    assert search(code + b"\0\0") == expected
    assert search(b"") == search(b"\0" * 64) == []
