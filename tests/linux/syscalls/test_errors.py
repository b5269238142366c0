"""Bad pointers, descriptors, sizes, flags and paths in every argument give the errors that Linux gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linux.native import both, in_private_root, run_inside

pytestmark = pytest.mark.thorough

_NAMES = ("foo", "user.a", "user.zzz")
_ALLOWED = (
    "fgetxattr(",  # a descriptor of -100 means the working directory since Linux 6.13
    "timerfd_create(0x8,",  # waking the machine needs a capability of the first user namespace
    "timerfd_create(0x9,",
    *(f'memfd_create("{name}", 0x{flags})' for name in _NAMES for flags in (4, 5, 6, 7)),  # huge pages
    "fchmod(0x9, 0xfff) = Operation not permitted",  # root's programs make no set-user-ID files
)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_hostile_arguments_give_the_kernel_s_errors(seed: int, tmp_path: Path) -> None:
    host, guest = both("hostile_files")
    roots = [tmp_path / "host", tmp_path / "guest"]
    for root in roots:
        root.mkdir()
    expected = in_private_root(host, roots[0], str(seed), "20").splitlines()
    (roots[1] / guest.name).write_bytes(guest.read_bytes())
    (roots[1] / guest.name).chmod(0o755)
    got = run_inside(Path("/") / guest.name, roots[1], str(seed), "20", sysroot=roots[1]).splitlines()
    assert len(got) == len(expected) > 1000
    wrong = [
        f"{ours} (Linux: {theirs})" for ours, theirs in zip(got, expected, strict=True) if ours != theirs
    ]
    unexplained = [line for line in wrong if not line.startswith(_ALLOWED)]
    assert not unexplained, "\n".join(unexplained)
