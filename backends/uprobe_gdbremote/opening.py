"""From a target to a machine: an emulator started if it is to be, a stub greeted, a program found."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError, TargetError
from uprobe_gdbremote.address import Address
from uprobe_gdbremote.connection import Connection
from uprobe_gdbremote.files import LocalFiles
from uprobe_gdbremote.machine import RemoteMachine
from uprobe_gdbremote.stops import Stop, parse_stop

if TYPE_CHECKING:
    from uprobe_core.backend import Capabilities, ProbeHandler, Target
    from uprobe_gdbremote.elf import LoadedFile

__all__ = ("open_target",)

_EMULATED = "qemu"
_ARM64 = 183
"""EM_AARCH64."""


def open_target(target: Target, handler: ProbeHandler, capabilities: Capabilities) -> RemoteMachine:
    """The machine of *target*, stopped before its first instruction, or where its stub has it."""
    address = Address.parse(target.address or _EMULATED)
    files = LocalFiles(target)
    if address.kind == _EMULATED:
        connection, program = _emulated(address, target, files)
    else:
        connection = Connection(address, target.argv[0] if target.argv else "")
        try:
            _attach(connection, target)
            program = _program(connection, target, files)
        except BaseException:
            connection.leave()
            raise
    return _machine(connection, program, target, handler, files, capabilities)


def _emulated(address: Address, target: Target, files: LocalFiles) -> tuple[Connection, LoadedFile]:
    from uprobe_gdbremote.launch import Emulator, find_program

    if not target.argv:
        raise TargetError("no program was given", exit_status=127)
    path, local = find_program(target, files)
    program = files.load(path, local)
    if program is None or program.machine != _ARM64:
        raise TargetError(
            f"cannot run {target.argv[0]}: it is no AArch64 program", hint="qemu-user runs ELF programs"
        )
    emulator = Emulator(address.path, local, target, files)
    try:
        return Connection(address, target.argv[0], emulator), program
    except BaseException:
        emulator.kill()
        raise


def _program(connection: Connection, target: Target, files: LocalFiles) -> LoadedFile:
    """The program that a stub has: what the user gave, else what the stub says."""
    if target.argv:
        program = files.load(os.path.abspath(target.argv[0]))
        if program is None:
            raise TargetError(
                f"cannot read {target.argv[0]}: it is to be a local copy of the target's program",
                exit_status=127,
            )
        return program
    path = (connection.client.object("exec-file") or b"").decode("utf-8", "surrogateescape")
    program = files.load(path) if path else None
    if program is None:
        raise TargetError(
            f"{connection.client.channel.where} runs {path or 'a program that it does not name'},"
            " which is not on this machine",
            exit_status=127,
            hint="give its local copy after --, or --sysroot with a copy of the target's files",
        )
    return program


def _machine(
    connection: Connection,
    program: LoadedFile,
    target: Target,
    handler: ProbeHandler,
    files: LocalFiles,
    capabilities: Capabilities,
) -> RemoteMachine:
    try:
        first = _first(connection)
        capabilities = replace(capabilities, mappings=connection.all_mappings)
        machine = RemoteMachine(connection, target, handler, files, capabilities, first)
    except BaseException:
        connection.kill()  # a stub whose connection ends lets its program run
        connection.leave()
        raise
    try:
        machine.load(program)
    except BaseException:
        machine.close()
        raise
    return machine


def _attach(connection: Connection, target: Target) -> None:
    """Have a stub without a program take the process, or start the command, that the target names."""
    if target.pid is not None:
        asked = b"vAttach;%x" % target.pid
    elif connection.first[:1] == b"W" and target.argv:
        asked = b"vRun;" + b";".join(os.fsencode(word).hex().encode() for word in target.argv)
    else:
        return
    client = connection.client
    client.knows(b"!")
    answer = client.channel.ask(asked)
    if answer[:1] not in (b"T", b"S"):
        what = f"attach to process {target.pid}" if target.pid is not None else f"run {target.argv[0]}"
        why = answer.decode(errors="replace") or "it does not know how"
        raise BackendError(
            f"{client.channel.where} cannot {what}: {why}",
            hint="a stub that can is started as gdbserver --multi HOST:PORT",
            slug="no-target",
        )
    connection.first = answer


def _first(connection: Connection) -> Stop:
    """The stop in which the stub was found."""
    try:
        stop = parse_stop(connection.first)
    except ValueError:
        stop = Stop("none")
    if stop.kind != "signal":
        raise BackendError(
            f"{connection.client.channel.where} has no program that could go on",
            hint="start the stub with one: gdbserver HOST:PORT PROGRAM",
            slug="no-target",
        )
    return stop
