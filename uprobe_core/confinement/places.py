"""Which of the host's files a run may read and change, as its set-up says."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from uprobe_core.run_setup import RunSetup

__all__ = ("Places", "places_of")

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/opt", "/proc", "/sys/devices/system/cpu", "/etc/ld.so.cache")
"""What libraries that are loaded later may want to read, when the guest does not see the host's tree."""
_MORE = ("/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/ssl/openssl.cnf")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


class Places:
    """Host paths; a folder stands for all that is in it.

    :param reading: where files may be read
    :param writing: where they may also be changed
    :param temporary: where this run's own temporary folders lie beside those of others
    """

    def __init__(self, reading: Iterable[str], writing: Iterable[str], temporary: str) -> None:
        self.reading, self.writing, self.temporary = tuple(reading), tuple(writing), temporary


def places_of(setup: RunSetup) -> Places:
    """What *setup* gives: the guest's folders, those of the run's files, the interpreter's for reading."""
    reading = ("/",) if setup.sysroot is None else _reading(setup, setup.sysroot)
    writing = dict.fromkeys(os.path.realpath(path) for path in _writing(setup))
    return Places(reading, writing, os.path.realpath(os.environ.get("TMPDIR") or "/tmp"))  # noqa: S108


def _reading(setup: RunSetup, sysroot: str) -> Iterator[str]:
    yield sysroot
    yield from (bind.host for bind in setup.binds)
    yield from setup.debug_folders
    yield from (*_SYSTEM, *_MORE, *_DEVICES, sys.prefix, sys.base_prefix)
    yield os.path.dirname(os.path.realpath(sys.executable))
    yield from (entry or "." for entry in sys.path)
    yield os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _writing(setup: RunSetup) -> Iterator[str]:
    if setup.sysroot is None:
        folder = os.path.join(os.getcwd(), setup.cwd or "")
        if os.path.isdir(folder) and os.path.realpath(folder) != "/":
            yield folder
    elif not setup.sysroot_read_only:
        yield setup.sysroot
    yield from (bind.host for bind in setup.binds if not bind.read_only)
    yield from map(os.path.dirname, map(os.path.abspath, _files(setup)))
    yield from _DEVICES


def _files(setup: RunSetup) -> Iterator[str]:
    """The files that the run writes; a device or a pipe takes no folder along."""
    for path in (setup.output, setup.profile, setup.junit_xml, *setup.report, *setup.coverage):
        if path is not None and path != "-" and (os.path.isfile(path) or not os.path.lexists(path)):
            yield path
