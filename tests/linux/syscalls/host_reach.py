"""Which functions of the Linux that we are call the host, found by reading the source.

Followed are functions by their names, also in other files, and methods by theirs where no more than a few
classes have one of that name.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache

from tests.programs import ROOT

__all__ = ("reached",)

PACKAGE = "uprobe_linux"
FOLDER = ROOT / "backends" / PACKAGE
HOST = {"os", "fcntl", "socket", "ctypes", "select", "mmap", "termios", "signal", "resource"}
FACTS = {
    *("os.fsencode", "os.fsdecode", "os.strerror", "os.sysconf", "os.getpid", "os.getuid", "os.geteuid"),
    *("os.getgid", "os.getegid", "os.getresuid", "os.getresgid", "os.getgroups", "os.get_inheritable"),
    *("ctypes.get_errno", "ctypes.c_void_p"),
}
"""What changes nothing and takes nothing of the guest's."""
FOLLOWED_CLASSES = 3
OTHER_ROOMS = (f"{PACKAGE}.scheduling.", f"{PACKAGE}.shared.", f"{PACKAGE}.memory.", f"{PACKAGE}.runner")
"""What runs guests at all: turns, semaphores and memory of ours."""
OWN_FACTS = {(f"{PACKAGE}.processes.credentials", "_read")}
"""Reads /proc/self/uid_map and its like, whatever the guest says."""

Function = tuple[str, str]
"""Module, and name in it."""


class _Source:
    """All functions of the package, and what each calls."""

    def __init__(self) -> None:
        self.functions: dict[Function, ast.FunctionDef] = {}
        self.imports: dict[str, dict[str, tuple[str, str]]] = {}
        """Module -> name there -> (module, name in it, or "")."""
        self.methods: dict[str, set[Function]] = defaultdict(set)
        for path in FOLDER.rglob("*.py"):
            module = ".".join((PACKAGE, *path.relative_to(FOLDER).with_suffix("").parts))
            self._add(module, ast.parse(path.read_text()))

    def _add(self, module: str, tree: ast.Module) -> None:
        known = self.imports.setdefault(module, {})
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                known.update({name.asname or name.name: (name.name, "") for name in node.names})
            elif isinstance(node, ast.ImportFrom) and node.module:
                known.update({name.asname or name.name: (node.module, name.name) for name in node.names})
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[module, node.name] = node
            elif isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.FunctionDef):
                        self.functions[module, f"{node.name}.{item.name}"] = item
                        self.methods[item.name].add((module, f"{node.name}.{item.name}"))

    def calls(self, function: Function) -> tuple[set[str], set[Function]]:
        """What of the host *function* calls, and which others of the package."""
        host: set[str] = set()
        inner: set[Function] = set()
        for node in ast.walk(self.functions[function]):
            if isinstance(node, ast.Call):
                self._one(function[0], node.func, host, inner)
        return host - FACTS, inner

    def _one(self, module: str, called: ast.expr, host: set[str], inner: set[Function]) -> None:
        known = self.imports[module]
        if isinstance(called, ast.Name):
            source, name = known.get(called.id, (module, called.id))
            inner.update(
                key for key in ((source, name), (source, f"{name}.__init__")) if key in self.functions
            )
            if source in HOST or called.id == "open":
                host.add(f"{source}.{name}" if source in HOST else "open")
        elif isinstance(called, ast.Attribute):
            base = called.value.id if isinstance(called.value, ast.Name) else ""
            source, name = known.get(base, ("", ""))
            inside = (f"{source}.{name}", called.attr)
            if source in HOST and not name:
                host.add(f"{source}.{called.attr}")
            elif base.lower().strip("_") == "libc":
                host.add(f"libc.{called.attr}")
            elif inside in self.functions:
                inner.add(inside)
            elif len(self.methods[called.attr]) <= FOLLOWED_CLASSES:
                inner |= self.methods[called.attr]


@cache
def _source() -> _Source:
    return _Source()


def reached(module: str, name: str) -> dict[str, str]:
    """What of the host that function calls, each with the way there: FUNCTION>FUNCTION."""
    source, found = _source(), dict[str, str]()
    seen, ways = {(module, name)}, [((module, name), name)]
    while ways:
        function, way = ways.pop()
        host, inner = source.calls(function)
        for call in host:
            found.setdefault(call, way)
        for other in inner - seen - OWN_FACTS:
            if not other[0].startswith(OTHER_ROOMS):
                seen.add(other)
                ways.append((other, f"{way}>{other[1]}"))
    return found
