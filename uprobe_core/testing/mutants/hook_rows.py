"""Ways in which hooks can be wrong: what they implement, and what they wrap around each step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from uprobe_core import arch_hooks, hookspecs

__all__ = ("HOOKS",)

Row = tuple[str, str, Callable[[Any], Any]]


def _hooks(**members: Callable[..., Any]) -> Callable[[Any], Any]:
    made = {name: hookspecs.hookimpl(method) for name, method in members.items()}
    return lambda good: type("Broken", (good,), made)()


def _wrapping(**hooks: Callable[..., Any]) -> Callable[[Any], Any]:
    marked = {name: arch_hooks.hookimpl(wrapper=True)(hook) for name, hook in hooks.items()}
    wrapper = type("Wrapper", (), marked)()
    return _hooks(uprobe_arch_wrappers=lambda self: [wrapper])


def _loses_x0(self: Any, task: Any, utask: Any) -> Any:
    done = yield
    task.set_reg(0, 7)
    return done


def _loses_x9(self: Any, task: Any, utask: Any) -> Any:
    done = yield
    task.set_reg(9, 7)
    return done


def _later(self: Any, task: Any, trampoline: int) -> Any:
    original = yield
    return original + 4


def _elsewhere(self: Any, task: Any, utask: Any) -> Any:
    done = yield
    task.set_reg(32, utask.vaddr + 8)
    return done


def _no_answer(self: Any, task: Any, utask: Any) -> Any:
    yield


def _twice(self: Any, task: Any, utask: Any) -> Any:
    yield
    yield


def _refuses_all(self: Any, insn: bytes, address: int, policy: Any) -> Any:
    yield
    return None


RUN = "test_a_run_with_it_ends_as_one_without"
HOOKS: tuple[Row, ...] = (
    ("it has no hook", "test_it_implements_a_hook", lambda good: object()),
    (
        "a hook that there is not",
        "test_every_hook_of_its_is_one_and_takes_what_it_is_given",
        _hooks(uprobe_session_begin=lambda self: None),
    ),
    (
        "an argument that there is not",
        "test_every_hook_of_its_is_one_and_takes_what_it_is_given",
        _hooks(uprobe_session_start=lambda self, sess: None),
    ),
    ("its start raises", RUN, _hooks(uprobe_session_start=lambda self, session: 1 // 0)),
    ("it leaves", RUN, _hooks(uprobe_session_start=lambda self, session: sys.exit(0))),
    ("it closes the session", RUN, _hooks(uprobe_session_start=lambda self, session: session.close())),
    ("it prints", RUN, _hooks(uprobe_session_finish=lambda self, session, status: print("done"))),
    (
        "what it wraps is none",
        "test_what_it_wraps_around_the_architecture_is_a_wrapper",
        _hooks(uprobe_arch_wrappers=lambda self: [object()]),
    ),
    ("steps lose a register", RUN, _wrapping(post_xol=_loses_x0)),
    ("steps lose a register that is not used", RUN, _wrapping(post_xol=_loses_x9)),
    (
        "returns go elsewhere",
        "test_a_run_whose_returns_are_hijacked_ends_as_one_without",
        _wrapping(hijack_return_addr=_later),
    ),
    ("steps end elsewhere", RUN, _wrapping(post_xol=_elsewhere)),
    ("a wrapper has no answer", RUN, _wrapping(post_xol=_no_answer)),
    ("a wrapper yields twice", RUN, _wrapping(pre_xol=_twice)),
    ("no verdict", RUN, _wrapping(analyze_insn=_refuses_all)),
)
