"""Guest paths end inside the sandbox, or nowhere; the reference is the host's openat2(RESOLVE_IN_ROOT)."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.context import FsContext
from uprobe_linux.fs.mounts import MountTable, host_mount
from uprobe_linux.fs.nodes import HostNode, static_file
from uprobe_linux.fs.oflags import G_CREAT, G_DIRECTORY, G_EXCL, G_NOFOLLOW, G_RDWR, G_WRONLY
from uprobe_linux.fs.opening import open_path
from uprobe_linux.fs.paths import Resolver

RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS = 0x10, 0x02


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with links of every kind, beside a folder that must stay out of reach."""
    root = tmp_path / "root"
    (root / "a/b/c").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (root / "a/file").write_text("inside")
    for name, target in {
        "absolute": "/a/file",
        "climbs": "../../../../outside/secret",
        "a/b/up": "..",
        "a/real": str(tmp_path / "outside/secret"),
        "loop": "loop",
        "dangling": "nothing",
        "dir": "a/b",
        "chain": "dir/up/file",
    }.items():
        (root / name).symlink_to(target)
    return root


def table(root: Path, *, read_only: bool = False) -> MountTable:
    return MountTable(host_mount(str(root), "/", read_only=read_only), [])


@pytest.fixture
def mounts(tree: Path) -> Iterator[MountTable]:
    made = table(tree)
    yield made
    made.close()


def outcome(resolver: Resolver, path: str, *, follow: bool = True) -> tuple[int, int] | int:
    """(device, inode) of what *path* leads to, or the error number."""
    try:
        node = resolver.lookup(resolver.mounts.root.node(), path, follow=follow)
    except OSError as error:
        return error.errno or 0
    assert isinstance(node, HostNode)
    status = node.stat()
    node.close()
    return status.st_dev, status.st_ino


def reference(root: int, path: str, *, follow: bool = True) -> tuple[int, int] | int:
    """The same from the host's kernel, with *root* as the root folder."""
    flags = os.O_PATH | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = hostcalls.openat2(root, os.fsencode(path), flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            pytest.skip("the host kernel has no openat2")
        return error.errno or 0
    status = os.fstat(fd)
    os.close(fd)
    return status.st_dev, status.st_ino


_PARTS = [
    "a",
    "b",
    "c",
    "file",
    "absolute",
    "climbs",
    "up",
    "real",
    "loop",
    "dangling",
    "dir",
    "chain",
    "..",
    ".",
    "",
]
_PATHS = st.builds(
    lambda lead, parts: lead + "/".join(parts),
    st.sampled_from(["", "/", "//"]),
    st.lists(st.sampled_from(_PARTS), max_size=7),
)


@pytest.mark.parametrize("fast", [True, False], ids=["openat2", "walk"])
@given(path=_PATHS, follow=st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_path_leads_where_the_kernel_would_lead_in_a_root(
    mounts: MountTable, fast: bool, path: str, follow: bool
) -> None:
    resolver = Resolver(mounts)
    resolver.fast = fast
    assert outcome(resolver, path, follow=follow) == reference(mounts.root.fd, path, follow=follow)


@pytest.mark.parametrize(
    "path", ["climbs", "a/real", "../outside/secret", "/../../outside/secret", "dir/../../../outside"]
)
def test_no_path_reaches_what_lies_beside_the_root(mounts: MountTable, path: str) -> None:
    assert outcome(Resolver(mounts), path) == errno.ENOENT


def test_a_folder_swapped_for_a_link_during_the_walk_never_leads_out(tree: Path, mounts: MountTable) -> None:
    secret = os.stat(tree.parent / "outside/secret").st_ino
    (tree / "swap").mkdir()
    (tree / "swap/secret").write_text("inside")
    (tree / "lure").symlink_to("../outside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            hostcalls.call("renameat2", mounts.root.fd, b"swap", mounts.root.fd, b"lure", 2)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        found = set()
        for fast in (True, False):
            resolver = Resolver(mounts)
            resolver.fast = fast
            for _ in range(1500):
                result = outcome(resolver, "swap/secret")
                found.add(result if isinstance(result, int) else result[1])
    finally:
        stop.set()
        swapper.join()
    assert secret not in found
    assert found


def test_a_bind_is_seen_at_its_path_through_links_and_dots(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x").write_text("bound")
    (tree / "to-bind").symlink_to("/mnt/deep/x")
    mounts = MountTable(host_mount(str(tree), "/"), [host_mount(str(tmp_path / "data"), "/mnt/deep")])
    wanted = os.stat(tmp_path / "data/x")
    for path in ("/mnt/deep/x", "to-bind", "/mnt/./deep/../deep/x", "a/../mnt/deep/x"):
        assert outcome(Resolver(mounts), path) == (wanted.st_dev, wanted.st_ino), path
    mounts.close()


def test_dot_dot_above_a_bind_is_the_guest_s_folder_not_the_host_s(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    mounts = MountTable(host_mount(str(tree), "/"), [host_mount(str(tmp_path / "data"), "/a/b")])
    inside = os.stat(tree / "a/file")
    assert outcome(Resolver(mounts), "/a/b/../file") == (inside.st_dev, inside.st_ino)
    assert outcome(Resolver(mounts), "/a/b/../../outside") == errno.ENOENT
    mounts.close()


def test_what_we_answer_for_hides_the_host_s_folder_of_that_name(tree: Path) -> None:
    (tree / "proc").mkdir()
    (tree / "proc/leak").write_text("host")
    (tree / "p").symlink_to("proc")
    mounts = table(tree)
    node = static_file("ours")
    mounts.add_virtual("/proc", lambda: node)
    for path in ("/proc/leak", "p/leak", "a/../proc/leak"):
        assert outcome(Resolver(mounts), path) == errno.ENOTDIR, path
    mounts.close()


# --- opening -----------------------------------------------------------------------------------------


def opened(mounts: MountTable, path: str, flags: int) -> int:
    """0 if the open succeeds, else its error number."""
    context = FsContext(mounts)
    try:
        _, host = open_path(context, context.cwd, path, flags, 0o600)
    except OSError as error:
        return error.errno or 0
    finally:
        context.close()
    os.close(host)
    return 0


def test_a_file_is_created_where_a_dangling_link_points_inside_the_root(
    tree: Path, mounts: MountTable
) -> None:
    (tree / "out").symlink_to("/../../created")
    assert opened(mounts, "out", G_CREAT | G_WRONLY) == 0
    assert (tree / "created").exists()
    assert not (tree.parent / "created").exists()


@pytest.mark.parametrize(
    ("path", "flags", "error"),
    [
        ("a/file", G_CREAT | G_EXCL | G_WRONLY, errno.EEXIST),
        ("dangling", G_CREAT | G_EXCL | G_WRONLY, errno.EEXIST),
        ("absolute", G_NOFOLLOW, errno.ELOOP),
        ("loop", G_CREAT | G_WRONLY, errno.ELOOP),
        ("a", G_WRONLY, errno.EISDIR),
        ("new/", G_CREAT | G_WRONLY, errno.EISDIR),
        ("a/file", G_DIRECTORY, errno.ENOTDIR),
        ("a/file/x", G_CREAT | G_WRONLY, errno.ENOTDIR),
        ("", 0, errno.ENOENT),
        ("x" * 256, 0, errno.ENAMETOOLONG),
        ("x/" * 2500, 0, errno.ENAMETOOLONG),
    ],
)
def test_open_fails_as_open_does(mounts: MountTable, path: str, flags: int, error: int) -> None:
    assert opened(mounts, path, flags) == error


@pytest.mark.parametrize(
    "flags", [G_WRONLY, G_RDWR, 0o1000, G_CREAT | G_WRONLY], ids=["w", "rw", "trunc", "creat"]
)
def test_a_read_only_mount_refuses_every_way_of_writing(tree: Path, flags: int) -> None:
    mounts = table(tree, read_only=True)
    assert opened(mounts, "a/file", flags) == errno.EROFS
    assert opened(mounts, "a/new", G_CREAT) == errno.EROFS
    assert opened(mounts, "a/file", G_CREAT) == 0
    assert (tree / "a/file").read_text() == "inside"
    mounts.close()


def test_a_device_node_in_the_sysroot_is_not_opened(tree: Path, mounts: MountTable) -> None:
    try:
        os.mknod(tree / "disk", 0o60600, os.makedev(7, 0))
    except PermissionError:
        pytest.skip("making a device node needs root")
    assert opened(mounts, "disk", 0) == errno.EACCES


def test_a_mount_that_another_hides_is_closed_with_it(tree: Path) -> None:
    """What of ours lies in two writable mounts, one in the other, is opened twice for one path."""
    before = set(os.listdir("/proc/self/fd"))
    hidden, shown = (host_mount(str(tree), "/here", read_only=True) for _ in range(2))
    made = MountTable(host_mount(str(tree), "/"), [hidden, shown])
    assert made.hosts["/here"] is shown
    made.close()
    assert set(os.listdir("/proc/self/fd")) == before
