"""/proc/PID/stat, status and limits (fs/proc/array.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_linux.fs.proc_maps import sizes
from uprobe_linux.processes.credentials import Credentials
from uprobe_linux.processes.rlimits import INFINITY, NAMES

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine, Process, Task
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("limits_text", "stat_text", "status_text", "stranger_stat", "stranger_status")

TICKS = 10_000_000
_STATES = {"R": "R (running)", "S": "S (sleeping)", "T": "T (stopped)", "Z": "Z (zombie)"}


def _letter(process: Process, task: Task) -> str:
    if process.signals is not None and process.signals.stopped:
        return "T"
    return "R" if process.machine.current is task else "S"


def stat_text(process: Process, task: Task) -> str:
    """The 52 fields of /proc/PID/stat."""
    entry = process.machine.family.entry(process)
    used = process.machine.clock.cpu_time() // TICKS
    total, resident, _ = sizes(process)
    signals = process.signals
    ignored, caught = signals.caught() if signals is not None else (0, 0)
    pending = task.signals.pending.mask if task.signals is not None else 0
    blocked = task.signals.blocked if task.signals is not None else 0
    return _stat_line(
        entry,
        _terminal(process.machine, entry),
        task.tid,
        task.comm,
        _letter(process, task),
        used,
        len(process.tasks),
        total << 12,
        resident,
        tuple(mask & 0x7FFF_FFFF for mask in (pending, blocked, ignored, caught)),
    )


def _terminal(machine: Machine, entry: ProcessEntry) -> tuple[int, int]:
    """Device number and foreground group of the controlling terminal, if that is one of the run's own."""
    state = machine.ptys.jobs.of_entry(entry) if machine.has_ptys else None
    return (0, -1) if state is None else (136 << 8 | state.index, state.pgrp)


def _stat_line(
    entry: ProcessEntry,
    terminal: tuple[int, int],
    tid: int,
    comm: str,
    letter: str,
    ticks: int,
    threads: int,
    size: int,
    resident: int,
    signals: tuple[int, ...] = (0, 0, 0, 0),
) -> str:
    head = [f"{tid} ({comm}) {letter}", entry.ppid, entry.pgid, entry.sid, *terminal, 0x400000, 0, 0, 0, 0]
    times = [ticks, 0, entry.children_ns // TICKS, 0, 20 + entry.nice, entry.nice, threads, 0]
    place = [entry.start_ns // TICKS, size, resident, INFINITY, 0, 0, 0, 0, 0]
    rest = [*signals, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    return " ".join(map(str, head + times + place + rest)) + "\n"


def stranger_stat(machine: Machine, entry: ProcessEntry) -> str:
    """/proc/PID/stat of a process in another host process."""
    from uprobe_linux.shared.pids import State

    letter = State(entry.state).letter
    size = 0 if letter == "Z" else 1 << 22
    return _stat_line(
        entry,
        _terminal(machine, entry),
        entry.pid,
        entry.comm,
        letter,
        entry.user_ns // TICKS,
        entry.threads,
        size,
        size >> 12,
    )


def _masks(process: Process, task: Task) -> list[tuple[str, str]]:
    own, all_ = task.signals, process.signals
    ignored, caught = all_.caught() if all_ is not None else (0, 0)
    rows = (
        ("SigPnd", own.pending.mask if own else 0),
        ("ShdPnd", all_.pending.mask if all_ else 0),
        ("SigBlk", own.blocked if own else 0),
        ("SigIgn", ignored),
        ("SigCgt", caught),
    )
    return [(name, f"{mask:016x}") for name, mask in rows]


def status_text(process: Process, task: Task) -> str:
    """/proc/PID/status."""
    who = process.credentials or Credentials.of_host()
    rows: list[tuple[str, object]] = [
        ("Name", task.comm),
        ("Umask", "0022"),
        ("State", _STATES[_letter(process, task)]),
        *_numbers(process, task, who),
        *_memory(process),
        ("CoreDumping", 0),
        ("THP_enabled", 1),
        ("Threads", len(process.tasks)),
        ("SigQ", "0/31000"),
        *_masks(process, task),
        *_rights(who),
        *_FIXED,
    ]
    return "".join(f"{name}:\t{value}\n" for name, value in rows)


_FIXED = (
    ("Seccomp", 0),
    ("Seccomp_filters", 0),
    ("Speculation_Store_Bypass", "not vulnerable"),
    ("Cpus_allowed", "1"),
    ("Cpus_allowed_list", "0"),
    ("Mems_allowed", "1"),
    ("Mems_allowed_list", "0"),
    ("voluntary_ctxt_switches", 0),
    ("nonvoluntary_ctxt_switches", 0),
)


def _numbers(process: Process, task: Task, who: Credentials) -> list[tuple[str, object]]:
    """Who it is, from Tgid to Kthread."""
    entry = process.machine.family.entry(process)
    return [
        ("Tgid", process.pid),
        ("Ngid", 0),
        ("Pid", task.tid),
        ("PPid", entry.ppid),
        ("TracerPid", 0),
        ("Uid", f"{who.uid}\t{who.euid}\t{who.suid}\t{who.fsuid}"),
        ("Gid", f"{who.gid}\t{who.egid}\t{who.sgid}\t{who.fsgid}"),
        ("FDSize", max(64, len(process.files))),
        ("Groups", "".join(f"{g} " for g in who.groups) or " "),
        ("NStgid", process.pid),
        ("NSpid", task.tid),
        ("NSpgid", entry.pgid),
        ("NSsid", entry.sid),
        ("Kthread", 0),
    ]


def _memory(process: Process) -> list[tuple[str, object]]:
    """The sizes, in kB of pages."""
    total, resident, text = sizes(process)
    pages = {
        "VmPeak": total,
        "VmSize": total,
        "VmLck": 0,
        "VmPin": 0,
        "VmHWM": resident,
        "VmRSS": resident,
        "RssAnon": resident,
        "RssFile": 0,
        "RssShmem": 0,
        "VmData": resident,
        "VmStk": 33,
        "VmExe": text,
        "VmLib": 0,
        "VmPTE": 16,
        "VmSwap": 0,
    }
    return [(name, f"{number << 2:8} kB") for name, number in pages.items()]


def _rights(who: Credentials) -> list[tuple[str, object]]:
    """Capabilities, and whether it may gain any."""
    return [
        ("CapInh", f"{who.inheritable:016x}"),
        ("CapPrm", f"{who.permitted:016x}"),
        ("CapEff", f"{who.effective:016x}"),
        ("CapBnd", f"{who.bounding:016x}"),
        ("CapAmb", f"{who.ambient:016x}"),
        ("NoNewPrivs", int(who.no_new_privs)),
    ]


def stranger_status(entry: ProcessEntry) -> str:
    """/proc/PID/status of a process in another host process."""
    from uprobe_linux.shared.pids import State

    rows = [
        ("Name", entry.comm),
        ("State", _STATES[State(entry.state).letter]),
        ("Tgid", entry.pid),
        ("Pid", entry.pid),
        ("PPid", entry.ppid),
        ("TracerPid", 0),
        ("Uid", "\t".join([str(entry.uid)] * 4)),
        ("Gid", "\t".join([str(entry.uid)] * 4)),
        ("Threads", entry.threads),
    ]
    return "".join(f"{name}:\t{value}\n" for name, value in rows)


def limits_text(process: Process) -> str:
    """/proc/PID/limits."""
    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"]
    for name, number, unit in NAMES:
        soft, hard = process.rlimits[2 * number : 2 * number + 2]
        shown = ["unlimited" if value == INFINITY else str(value) for value in (soft, hard)]
        lines.append(f"{name:<25} {shown[0]:<20} {shown[1]:<20} {unit:<10}\n")
    return "".join(lines)
