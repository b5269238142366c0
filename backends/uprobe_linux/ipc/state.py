"""What there is of System V objects: queues, semaphores, segments.  Most programs make none."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ("IpcState", "MessageQueue", "Segment", "SemaphoreSet")


@dataclass(slots=True)
class _Object:
    """What all IPC objects have (struct ipc64_perm)."""

    key: int
    mode: int
    uid: int
    gid: int
    changed: int = 0


@dataclass(slots=True)
class MessageQueue(_Object):
    """A queue of (type, bytes), with the numbers that msgctl shows."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    limit: int = 16384
    sent: int = 0
    received: int = 0
    sender: int = 0
    receiver: int = 0


@dataclass(slots=True)
class SemaphoreSet(_Object):
    """Semaphore values, and the process that last changed each."""

    values: list[int] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    operated: int = 0


@dataclass(slots=True)
class Segment(_Object):
    """Shared memory: its size in bytes and the numbers that shmctl shows; the content is a file."""

    size: int = 0
    creator: int = 0
    last_pid: int = 0
    attached_at: int = 0
    detached_at: int = 0
    removed: bool = False
    locked: bool = False


@dataclass(slots=True)
class IpcState:
    """Everything, by id."""

    queues: dict[int, MessageQueue] = field(default_factory=dict)
    semaphores: dict[int, SemaphoreSet] = field(default_factory=dict)
    next_id: int = 0
    undo: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """(pid, semaphore set, number) -> what to add when the process ends (SEM_UNDO)."""
    segments: dict[int, Segment] = field(default_factory=dict)
    next_segment: int = 0
    attached: dict[int, dict[int, int]] = field(default_factory=dict)
    """pid -> segment -> how often the process has it attached."""

    def attachments(self, number: int) -> int:
        """How often segment *number* is attached in all processes."""
        return sum(counts.get(number, 0) for counts in self.attached.values())
