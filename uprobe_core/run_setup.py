"""What one run consists of: the single value that command line, TOML and Python all become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uprobe_core.backend import Bind, Limits
from uprobe_core.types import Mode, Policy, Returns

__all__ = ("ConsumerUse", "EventLine", "FilterUse", "RunSetup", "TriggerUse")


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event line and where it was written, for error messages.

    :param text: the line in the kernel's language, continuation already joined
    :param source: "-e", or the file's name
    :param number: 1-based line in *source*, 0 when it is not a file
    """

    text: str
    source: str = "-e"
    number: int = 0


@dataclass(frozen=True, slots=True)
class ConsumerUse:
    """A consumer chosen by name, with its options; ``-C NAME[:key=value,...]``.

    :param event: [GROUP/]NAME of the one event it is for, None for all
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    event: str | None = None


@dataclass(frozen=True, slots=True)
class FilterUse:
    """``--filter EVENT:EXPR``."""

    event: str
    expression: str


@dataclass(frozen=True, slots=True)
class TriggerUse:
    """``--trigger EVENT:TEXT``."""

    event: str
    text: str


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Everything that decides a run.

    :param argv: the guest's argument vector
    :param env: changes to the guest's environment; a None value removes the name
    :param inherit_env: whether the guest starts from the caller's environment
    :param consumers: empty means: record every hit as trace text
    :param output: file for records and reports, None for standard error
    :param format: name of the writer
    :param profile: file for uprobe_profile text, "-" for standard error, None for none
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    inherit_env: bool = True
    cwd: str | None = None
    sysroot: str | None = None
    sysroot_read_only: bool = False
    binds: tuple[Bind, ...] = ()
    allow_net: bool = False
    events: tuple[EventLine, ...] = ()
    consumers: tuple[ConsumerUse, ...] = ()
    filters: tuple[FilterUse, ...] = ()
    triggers: tuple[TriggerUse, ...] = ()
    output: str | None = None
    format: str = "tracefs"
    profile: str | None = None
    backend: str = "unicorn"
    decoder: str = "auto"
    arch: str = "arm64"
    mode: Mode = Mode.AUTO
    policy: Policy = Policy()
    returns: Returns = Returns.AUTO
    engine: str = "auto"
    seed: int = 0
    clock: str = "virtual"
    limits: Limits = Limits()
    follow: bool = True
    lossy: int | None = None
    strict: bool = False
    debug: bool = False
