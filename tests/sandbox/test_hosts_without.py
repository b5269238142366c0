"""Hosts that lack a layer of the outer wall: it is said once, and the run goes on unless it is required."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.sandbox.attacks import USER, attack, program, user_namespaces
from tests.sandbox.denied import denied

as_user = pytest.mark.skipif(not user_namespaces(), reason="no user namespaces here")


@pytest.mark.parametrize(
    ("who", "number", "why"),
    [
        pytest.param((), errno.EPERM, "operation not permitted", id="oneself"),
        pytest.param(USER, errno.EPERM, "operation not permitted", id="user", marks=as_user),
        pytest.param(USER, errno.ENOSPC, "the host's limit of user", id="limit", marks=as_user),
    ],
)
def test_no_namespaces_are_said_once(tmp_path: Path, who: Sequence[str], number: int, why: str) -> None:
    ended = attack(tmp_path, "--", str(program("plant")), "here", through=(*who, *denied(number)))
    assert (ended.status, ended.out) == (0, "here open 0, rename 0, unlink 0\n"), ended
    assert ended.err.count("not all of the sandbox can be had here") == 1
    assert f"namespaces ({why}" in ended.err


@pytest.mark.parametrize(
    "who", [pytest.param((), id="oneself"), pytest.param(USER, id="user", marks=as_user)]
)
def test_what_is_required_and_not_there_ends_the_run_before_it_begins(
    tmp_path: Path, who: Sequence[str]
) -> None:
    words = ("--sandbox=require", "--", str(program("plant")), "here")
    ended = attack(tmp_path, *words, through=(*who, *denied(errno.EPERM)))
    assert (ended.status, ended.out) == (125, "")
    assert "namespaces (operation not permitted)" in ended.err
    assert not (tmp_path / "here").exists()
