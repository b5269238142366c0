"""A new plugin's project: its files, and where they are put."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from uprobe_core.errors import UsageError
from uprobe_core.kit.hit_kinds import CONSUMER, HOOKS, WRITER
from uprobe_core.kit.machine_kinds import ARCH, BACKEND, DECODER
from uprobe_core.kit.starter import Starter

__all__ = ("KINDS", "new_project")

KINDS: Mapping[str, Starter] = {
    "arch": ARCH,
    "backend": BACKEND,
    "consumer": CONSUMER,
    "decoder": DECODER,
    "hooks": HOOKS,
    "writer": WRITER,
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "uprobe-$dashed"
version = "0.1"
description = "$what"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["uprobe"]

[project.entry-points."$group"]
$name = "uprobe_$name:$class_name"

[dependency-groups]
test = ["pytest>=8"]

[tool.setuptools]
py-modules = ["uprobe_$name"]
"""
_README = """\
# uprobe-$dashed

$what.

```
pip install -e . --group test
pytest
$example
```

`uprobe_$name.py` is the plugin, `tests/` asks of it what uprobe asks of every plugin of its kind;
`./loop` is `examples/loop` of uprobe's repository, and any arm64 program will do. How one is written
is in uprobe's `docs/plugins.md`, the contract in `docs/contracts.md`, the suite in `docs/testing.md`.
"""
_CONFTEST = """\
import pytest

pytest.register_assert_rewrite("uprobe_core.testing.compliance")
"""


@dataclass(frozen=True)
class NewProject:
    """What was written.

    :param files: paths relative to *folder*, sorted
    """

    folder: Path
    files: tuple[str, ...]


def new_project(kind: str, name: str, folder: str | None = None) -> NewProject:
    """Write the project of a plugin *name* of *kind*, one of KINDS, into a new or empty *folder*.

    Raises UsageError for a name that is none and for a folder that is in use.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} is no name of a plugin",
            hint="lower-case letters, digits and _, a letter first, such as callers",
        )
    starter = KINDS[kind]
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "class_name": "".join(part.capitalize() for part in name.split("_")) + kind.capitalize(),
        "group": starter.group,
    }
    words |= {"what": starter.what, "example": Template(starter.example).substitute(words)}
    texts = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"uprobe_{name}.py": starter.module,
        "tests/conftest.py": _CONFTEST,
        f"tests/test_{name}.py": starter.tests,
    }
    target = Path(folder or f"uprobe-{words['dashed']}")
    _write(target, {path: Template(text).substitute(words) for path, text in texts.items()})
    return NewProject(target, tuple(sorted(texts)))


def _write(target: Path, texts: Mapping[str, str]) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        if os.listdir(target):
            raise UsageError(f"the folder {str(target)!r} is not empty", hint="--into DIR names another")
        for path, text in texts.items():
            (target / path).parent.mkdir(exist_ok=True)
            (target / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write to {str(target)!r}: {error.strerror}", hint="--into DIR names another"
        ) from None
