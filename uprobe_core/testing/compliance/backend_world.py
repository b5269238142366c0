"""The part of the suite for backends that is about what a target says: arguments, files, limits, chance."""

from __future__ import annotations

import re
import socket
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Backend, Bind, Limits, Target, Task
from uprobe_core.errors import UprobeError
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.testing.compliance.backend_rig import BackendFixtures, Hitting, Rig, needs
from uprobe_core.testing.tiny_elf import (
    ARCH,
    ARGUMENTS,
    CALLS,
    CONNECTS,
    FORKS_OFTEN,
    MAPS_OFTEN,
    RANDOM,
    READS,
    SPIN,
    WRITES,
)

__all__ = ("BackendWorld",)

_AT_RANDOM = 25


class BackendWorld(BackendFixtures):
    """What a target says, as far as the capabilities promise it."""

    stands = (
        "uprobe_core.target (Target, Limits) and uprobe_core.capabilities, on one page in docs/contracts.md"
    )

    def test_arguments_and_environment_are_the_targets(self, rig: Any) -> None:
        """The sum of their first bytes."""
        assert rig(ARGUMENTS, "1", env={"2": "x"}).run().code == ord("1") + ord("2")

    def test_a_relative_path_is_the_working_directorys(self, rig: Any, tmp_path: Path) -> None:
        (tmp_path / "A").write_text("7")
        assert rig(READS, "A", cwd=str(tmp_path)).run().code == ord("7")

    def test_a_bound_file_is_read_where_it_is_bound(self, backend: Backend, rig: Any, tmp_path: Path) -> None:
        needs(backend.capabilities.binds, "binds")
        (tmp_path / "host").write_text("7")
        assert rig(READS, "/srv/there", binds=[Bind(str(tmp_path / "host"), "/srv/there")]).run().code == ord(
            "7"
        )

    @pytest.mark.parametrize("read_only", [True, False])
    def test_a_bound_file_is_written_unless_it_is_bound_to_be_read(
        self, backend: Backend, rig: Any, tmp_path: Path, read_only: bool
    ) -> None:
        needs(backend.capabilities.binds, "binds")
        (tmp_path / "host").write_text("7")
        bind = Bind(str(tmp_path / "host"), "/srv/there", read_only)
        assert rig(WRITES, "/srv/there", binds=[bind]).run().code == read_only

    def test_a_file_outside_is_not_created(self, backend: Backend, rig: Any, tmp_path: Path) -> None:
        needs(backend.capabilities.sandbox, "sandbox")
        outside = tmp_path / "outside"
        outside.mkdir()
        assert rig(WRITES, str(outside / "file")).run().code == 1
        assert list(outside.iterdir()) == []

    def test_a_file_in_the_working_directory_is_created(self, rig: Any) -> None:
        made = rig(WRITES, "file")
        assert made.run().code == 0
        assert (made.path.parent / "file").exists()

    def test_the_sysroot_is_the_programs_root(self, rig: Any, tmp_path: Path) -> None:
        """That of the program itself, and of the files that it opens."""
        (tmp_path / "A").write_text("7")
        assert rig(READS, "/A", **_rooted(tmp_path)).run().code == ord("7")

    @pytest.mark.parametrize("read_only", [True, False])
    def test_the_sysroot_is_written_unless_it_is_to_be_read(
        self, backend: Backend, rig: Any, tmp_path: Path, read_only: bool
    ) -> None:
        needs(backend.capabilities.sandbox, "sandbox")
        made = rig(WRITES, "/file", **_rooted(tmp_path), sysroot_read_only=read_only)
        assert made.run().code == read_only
        assert (tmp_path / "file").exists() is not read_only

    @pytest.mark.parametrize("allowed", [True, False])
    def test_the_hosts_network_is_there_if_it_is_allowed(
        self, backend: Backend, rig: Any, allowed: bool
    ) -> None:
        needs(backend.capabilities.sandbox, "sandbox")
        made = rig(CONNECTS, allow_net=allowed)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1].to_bytes(2, "big")
            made.process.poke(CONNECTS.address("where") + 2, port)
            assert made.run().code == (not allowed)

    # --- limits --------------------------------------------------------------------------------------------

    def test_the_limit_of_seconds_ends_the_run(self, backend: Backend, rig: Any) -> None:
        needs("seconds" in backend.capabilities.limits, "limit of seconds")
        assert rig(SPIN, limits=Limits(seconds=0.3)).run().reason == "timeout"

    def test_the_limit_of_instructions_ends_the_run(self, backend: Backend, rig: Any) -> None:
        needs("instructions" in backend.capabilities.limits, "limit of instructions")
        made = rig(SPIN, limits=Limits(instructions=10_000))
        assert made.run().reason == "max-insns"
        assert made.machine.statistics().get("instructions", 10_000) < 20_000

    def test_a_run_within_its_limits_ends_by_itself(self, backend: Backend, rig: Any) -> None:
        most: dict[str, Any] = {"seconds": 60.0, "instructions": 10_000, "memory": 1 << 28, "processes": 5}
        limits = Limits(
            **{name: value for name, value in most.items() if name in backend.capabilities.limits}
        )
        status = rig(CALLS, limits=limits).run()
        assert (status.code, status.reason) == (150, "")

    def test_memory_beyond_the_limit_is_refused(self, backend: Backend, rig: Any) -> None:
        needs("memory" in backend.capabilities.limits, "limit of memory")
        status = rig(MAPS_OFTEN, limits=Limits(memory=64 << 20)).run()
        assert status.reason == "memory" or status.code <= 4

    def test_processes_beyond_the_limit_are_refused(self, backend: Backend, rig: Any) -> None:
        needs("processes" in backend.capabilities.limits, "limit of processes")
        assert rig(FORKS_OFTEN, limits=Limits(processes=4)).run().code == 3

    # --- chance and time -----------------------------------------------------------------------------------

    def test_one_seed_is_one_random_number_and_others_are_others(self, backend: Backend, rig: Any) -> None:
        needs(backend.capabilities.seed, "seed")
        found = [rig(RANDOM, seed=seed).run().code for seed in (1, 1, 2, 3, 4)]
        assert found[0] == found[1]
        assert len(set(found)) > 1

    def test_the_programs_own_random_bytes_come_from_the_seed(self, backend: Backend, rig: Any) -> None:
        """AT_RANDOM, which C libraries take for their canaries."""
        needs(backend.capabilities.seed, "seed")
        found = [_random_bytes(rig(CALLS, seed=seed)) for seed in (1, 1, 2)]
        assert found[0] == found[1] != found[2]

    def test_the_hosts_clock_is_the_hosts(self, backend: Backend, hitting: Hitting) -> None:
        needs("host" in backend.capabilities.clocks, "clock of the host")
        seen: list[int] = []

        def act(task: Task, _address: int) -> None:
            seen.append(task.clock())
            time.sleep(0.01)

        hitting.open(CALLS, act, clock="host").run()
        assert all(after - before >= 10_000_000 for before, after in pairwise(seen))

    def test_the_virtual_clock_is_the_same_each_time(self, backend: Backend, hitting: Hitting) -> None:
        needs("virtual" in backend.capabilities.clocks, "virtual clock")
        seen: list[list[int]] = []
        for _ in range(2):
            times: list[int] = []
            hitting.open(CALLS, lambda task, _address, times=times: times.append(task.clock())).run()  # type: ignore[misc]
            seen.append(times)
        assert seen[0] == seen[1]

    def test_a_clock_that_it_does_not_have_is_refused_or_not_offered(self, backend: Backend) -> None:
        assert backend.capabilities.clocks <= {"virtual", "host"}
        assert backend.capabilities.clocks

    def test_an_error_of_opening_says_which_program(self, backend: Backend, tmp_path: Path) -> None:
        from uprobe_core.testing.compliance.backend_handler import ScriptedHandler

        missing = tmp_path / "none"
        with pytest.raises(UprobeError, match=re.escape(str(missing))):
            backend.open(Target(argv=[str(missing)]), ScriptedHandler())

    def test_two_machines_know_nothing_of_each_other(self, backend: Backend, rig: Any) -> None:
        first: Rig = rig(CALLS)
        second: Rig = rig(CALLS)
        assert first.run().code == second.run().code == 150
        assert (len(first.handler.exited), len(second.handler.exited)) == (1, 1)


def _rooted(folder: Path) -> dict[str, Any]:
    """What a target says whose "/" is *folder*."""
    return {"sysroot": str(folder), "cwd": "/", "paths": GuestFiles(str(folder), "/")}


def _random_bytes(made: Rig) -> bytes:
    """What AT_RANDOM of the first stack points to: behind arguments and environment, which are empty here."""
    task, width = made.machine.current, ARCH.registers.width
    assert task is not None
    at = task.get_reg(ARCH.registers.sp)

    def word(index: int) -> int:
        return int.from_bytes(made.process.read(at + width * index, width), "little")

    first = word(0) + 3  # the count, that many arguments, 0, and no environment, 0
    where = next(word(first + 2 * n + 1) for n in range(40) if word(first + 2 * n) == _AT_RANDOM)
    return made.process.read(where, 16)
