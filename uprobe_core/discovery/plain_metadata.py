"""Entry points as ordinary installations keep them: text files in folders on ``sys.path``.

``importlib.metadata`` finds them everywhere that a package can come from, and to import it
takes longer than all of Python's own start. What pip installs is read here, without
it; where something else may have a say, nothing is answered.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ("PlainPoint", "plain_points")

_ENDINGS = (".dist-info", ".egg-info")
_NOT_PLAIN = (".egg", ".egg-link")
_PREFIX = "[uprobe."
Key = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class PlainPoint:
    """One line of an entry_points.txt.

    :param value: "module:attribute"
    :param distribution: name and version
    """

    group: str
    name: str
    value: str
    distribution: str


_read: dict[Key, list[PlainPoint] | None] = {}
"""What was found, by folders and when each was changed."""


def plain_points(group: str) -> list[PlainPoint] | None:
    """The entry points of *group*, one of ours; None where importlib.metadata has to be asked."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if not _is_pythons(finder)):
        return None
    key = tuple((path, _changed(path or ".")) for path in sys.path)
    if key not in _read:
        _read.clear()
        _read[key] = _scan([path or "." for path in sys.path])
    found = _read[key]
    return None if found is None else [point for point in found if point.group == group]


def _is_pythons(finder: object) -> bool:
    return getattr(finder, "__module__", "").startswith("_frozen_importlib")


def _changed(path: str) -> int:
    """When an entry of a folder was last added or removed; 0: there is no such folder."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _scan(paths: list[str]) -> list[PlainPoint] | None:
    """All points of ours, of packages of the same name the first's; None: there is an archive or an egg."""
    found: list[PlainPoint] = []
    seen: set[str] = set()
    for path in paths:
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            continue
        except OSError:  # an archive
            return None
        for name in names:
            if name.endswith(_NOT_PLAIN):
                return None
            if name.endswith(_ENDINGS) and (package := _normalized(name)) not in seen:
                seen.add(package)
                found += _points_of(os.path.join(path, name))
    return found


def _normalized(folder: str) -> str:
    """The name of the package whose dist-info *folder* is (PEP 503, with underscores)."""
    name = folder.rpartition(".")[0].partition("-")[0].lower()
    return "_".join(filter(None, name.replace(".", "_").split("_")))


def _points_of(folder: str) -> Iterator[PlainPoint]:
    text = _contents(f"{folder}/entry_points.txt")
    if _PREFIX not in text:
        return
    distribution, group = _name_and_version(folder), ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]")
        elif "=" in line and not line.startswith("#") and f"[{group}".startswith(_PREFIX):
            name, _, value = line.partition("=")
            yield PlainPoint(group, name.strip(), value.strip(), distribution)


def _contents(path: str) -> str:
    """What a file says, "" if it is not there; a text file of Python's takes three times as long."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        return os.read(fd, os.fstat(fd).st_size).decode()
    finally:
        os.close(fd)


def _name_and_version(folder: str) -> str:
    """Of the package's metadata, whose fields end at an empty line."""
    fields: dict[str, str] = {}
    for file in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(folder, file), encoding="utf-8") as lines:
                for line in lines:
                    if not line.strip():
                        break
                    name, _, value = line.partition(":")
                    fields.setdefault(name, value.strip())
        except FileNotFoundError:
            continue
        break
    return f"{fields.get('Name')} {fields.get('Version')}"
