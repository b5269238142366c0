"""Which layers of the outer wall this host allows, tried in a process of its own."""

from __future__ import annotations

import os

from uprobe_core.doctor.finding import Finding

__all__ = ("check_group", "check_wall")

_HINTS = {
    "namespaces": "user namespaces are switched off, or a container's profile forbids them",
    "mounts": "it comes with the namespaces",
    "scope": "Linux 6.12 and newer have it",
    "landlock": "Linux 5.13 and newer have it, if it is among the security modules (lsm=)",
}


def check_wall() -> Finding:
    """All layers, or those that are missing and why."""
    missing = _tried()
    if not missing:
        from uprobe_core.confinement.wall import LAYERS

        return Finding("sandbox", "ok", f"all layers: {', '.join(LAYERS)}")
    listed = "; ".join(f"no {name}: {why}" for name, why in missing)
    hints = dict.fromkeys(filter(None, (_HINTS.get(name) for name, _ in missing)))
    return Finding("sandbox", "note", listed, "; ".join(hints))


def check_group() -> Finding:
    """Whether the host's kernel can count what --max-memory bounds."""
    from uprobe_core.confinement.control_group import own_group

    try:
        group = own_group()
    except OSError as error:
        hint = "systemd-run --user --scope -p Delegate=yes uprobe run ... has one where systemd is"
        return Finding(
            "memory", "note", f"--max-memory is counted without a control group: {error.strerror}", hint
        )
    return Finding(
        "memory", "ok", f"--max-memory is counted by a control group below {group}, if a run is alone there"
    )


def _tried() -> list[tuple[str, str]]:
    """(name, why) of the layers that are missing in a child that has raised the wall."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _raise_and_tell(writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answer:
        rows = [line.rstrip("\n").partition("\t") for line in answer]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [(name, why) for name, _, why in rows] + ([("answer", f"status {status}")] if status else [])


def _raise_and_tell(writer: int) -> None:
    """In the child: never comes back."""
    status = 1
    try:
        from uprobe_core.confinement.wall import Wall
        from uprobe_core.run_setup import RunSetup

        wall = Wall.of(RunSetup())
        wall.begin()
        wall.finish()
        for layer in wall.missing:
            os.write(writer, f"{layer.name}\t{layer.missing}\n".encode())
        status = 0
    finally:
        os._exit(status)
