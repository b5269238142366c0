"""From a set-up to what a run needs: the backend's target, and what *auto* means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields

from uprobe_core.architecture import Architecture
from uprobe_core.backend import Capabilities, Target
from uprobe_core.discovery.load import wants_frames
from uprobe_core.errors import BackendError, PluginError, TargetError, UsageError
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.records.part import part_of
from uprobe_core.run_setup import RunSetup
from uprobe_core.session.abilities import clock_of
from uprobe_core.setup.decisive import decisive_files
from uprobe_core.setup_words import COVERAGE, PROFILE, SAMPLES, TRACE, ConsumerUse, FormatUse
from uprobe_core.target import CallWatcher, CodeWatcher, SampleWatcher
from uprobe_core.types import Mode, Returns

__all__ = (
    "OWN",
    "choose_mode",
    "choose_returns",
    "files_of",
    "refuse_other_machine",
    "target_of",
    "uses_of",
    "writer_of",
    "writes_records",
)


def writes_records(setup: RunSetup) -> bool:
    """Whether hits are recorded, on the command line: without a consumer, or where one of them does it."""
    return any(use.name == TRACE for use in uses_of(setup))


def shows_calls(setup: RunSetup) -> bool:
    """Whether calls are put together from records, so that these have to say in which frames they are."""
    if not setup.functions or not writes_records(setup):
        return False
    try:
        use = writer_of(setup)
        return use.name != "tracefs" and wants_frames(use)
    except (UsageError, PluginError):  # a format that is none is refused where it is opened
        return False


def uses_of(setup: RunSetup) -> tuple[ConsumerUse, ...]:
    """The consumers of a run of the command line: records if none is named, and samples in a format."""
    uses = setup.consumers or (ConsumerUse(TRACE),)
    if setup.coverage and all(use.name != COVERAGE for use in uses):
        uses = (*uses, ConsumerUse(COVERAGE))
    if setup.format != "auto" and any(use.name == PROFILE and use.event is None for use in uses):
        uses = (*uses, ConsumerUse(TRACE, event=SAMPLES))
    return uses


def refuse_two_stops(setup: RunSetup) -> None:
    """Raise UsageError if both gdb and a prompt are to look at where the run stops."""
    if setup.repl and setup.gdb is not None:
        raise UsageError(
            f"--repl and --gdb {setup.gdb}: one of them looks at where a run stops", hint="leave one out"
        )


def writer_of(setup: RunSetup) -> FormatUse:
    """The writer that records go to, with its options; "tracefs" is built in.  Raises UsageError."""
    chosen = FormatUse.parse(setup.format)
    if chosen.name == "auto":
        chosen = FormatUse(
            "tree" if (setup.functions or setup.syscalls) and not setup.consumers else "tracefs",
            chosen.options,
        )
    of_tree = {"depth": setup.depth, "min_time": setup.min_time, "tree_of": setup.tree_of}
    given = {name: str(value) for name, value in of_tree.items() if value is not None}
    if given and chosen.name == "tracefs":
        flag = f"--{next(iter(given)).replace('_', '-')}"
        raise UsageError(
            f"{flag} is of a tree of calls, and this run shows none",
            hint="-F PATTERN or -S, without -C, shows one (of other records --format tree)",
        )
    return FormatUse(chosen.name, {**given, **chosen.options})


def files_of(setup: RunSetup) -> GuestFiles:
    """The guest's files; a kernel knows no library by its name."""
    program = setup.argv[0] if setup.argv and not setup.policy.is_kernel else None
    binds = (*setup.binds, *setup.maps)
    folders = _environment(setup).get("PATH", os.defpath).split(":")
    return GuestFiles(
        setup.sysroot, setup.cwd, binds, program=program, folders=folders, debug_folders=setup.debug_folders
    )


def _environment(setup: RunSetup) -> dict[str, str]:
    """The program's environment: what it inherits, with the changes of *setup*."""
    env = inherited(os.environ) if setup.inherit_env else {}
    for key, value in setup.env.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = value
    return env


OWN = {
    "native",
    "on_code",
    "on_sample",
    "on_syscall",
    "paths",
    "isolated",
    "own_files",
    "private_folder",
    "memory_stat",
}
"""Fields of a target that no field of the set-up says."""

OWN_VARIABLES = "UPROBE_"
"""How the environment variables begin that are meant for us. A program does not inherit them: a longer
value would move its stack, and so change what its C library does with each string."""


def inherited(caller: Mapping[str, str]) -> dict[str, str]:
    """What a program has of its caller's environment: all of it but our own variables."""
    return {name: value for name, value in caller.items() if not name.startswith(OWN_VARIABLES)}


def target_of(
    setup: RunSetup,
    can: Capabilities,
    on_syscall: CallWatcher | None = None,
    on_sample: SampleWatcher | None = None,
    on_code: CodeWatcher | None = None,
    *,
    isolated: bool = False,
    private_folder: str | None = None,
    memory_stat: int | None = None,
) -> Target:
    """What a backend is told of *setup*: fields of the same name, and the environment with its changes.

    :param isolated: whether this process has left the host's network
    :param private_folder: as for :class:`~uprobe_core.target.Target`, as is *memory_stat*
    """
    told = {field.name: getattr(setup, field.name) for field in fields(Target) if field.name not in OWN}
    told |= {
        "env": _environment(setup),
        "on_syscall": on_syscall,
        "on_sample": on_sample,
        "on_code": on_code,
        "isolated": isolated,
    }
    told |= {"clock": clock_of(can, setup)}
    told |= {
        "native": True if setup.engine == "c" else None,
        "own_files": (*_written_by(setup), *decisive_files()),
    }
    told |= {"private_folder": private_folder, "memory_stat": memory_stat}
    return Target(**told, paths=files_of(setup))


def _written_by(setup: RunSetup) -> tuple[str, ...]:
    """The files that the run writes."""
    part = None if setup.output is None else part_of(setup.output)
    named = (setup.output, part, setup.profile, setup.junit_xml, *setup.report, *setup.coverage)
    return tuple(os.path.realpath(path) for path in named if path is not None and os.path.isfile(path))


def choose_mode(
    capabilities: Capabilities, setup: RunSetup, locations: int, *, wrapped: bool = False
) -> Mode:
    """What *auto* means for that many locations; raises BackendError for a mode that the backend lacks.

    :param wrapped: whether plugins wrap operations of the architecture, which only trap mode calls
    """
    mode = setup.mode
    if mode is Mode.AUTO:
        most = capabilities.inline_at_most
        few = not setup.policy.is_kernel and not wrapped and (most is None or locations <= most)
        mode = Mode.INLINE if few and Mode.INLINE in capabilities.modes else Mode.TRAP
    if mode not in capabilities.modes:
        allowed = ", ".join(sorted(m.value for m in capabilities.modes))
        raise BackendError(f"backend {setup.backend!r} has no mode {mode.value!r}", hint=f"it has: {allowed}")
    return mode


def choose_returns(capabilities: Capabilities, setup: RunSetup) -> Returns:
    """What *auto* means here; raises BackendError for a way that the backend lacks."""
    returns = setup.returns
    if returns is Returns.AUTO:
        watch = Returns.WATCH in capabilities.returns and not setup.policy.is_kernel
        returns = Returns.WATCH if watch else Returns.HIJACK
    if returns is Returns.HIJACK and not setup.follow:
        raise UsageError(
            "a hijacked return comes back in forked processes too, which must then be followed",
            hint="--no-follow goes with --returns watch",
        )
    if returns not in capabilities.returns:
        allowed = ", ".join(sorted(r.value for r in capabilities.returns))
        raise BackendError(
            f"backend {setup.backend!r} cannot {returns.value} returns", hint=f"it can: {allowed}"
        )
    return returns


def refuse_other_machine(setup: RunSetup, arch: Architecture, files: GuestFiles) -> None:
    """Raise TargetError (126) if a program that a backend takes is for another architecture than ``--arch``.

    What is no ELF file, a script say, was the backend's to judge.
    """
    from uprobe_core.image.elf import ElfFile

    if not setup.argv:
        return
    try:
        ElfFile(files.host_path(files.program or setup.argv[0]), arch).close()
    except OSError:
        return
    except TargetError as error:
        if error.slug == "wrong-machine":
            error.hint = f"--arch {setup.arch} is what it would have to be built for"
            raise
