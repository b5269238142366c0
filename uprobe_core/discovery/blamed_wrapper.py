"""A wrapper of a hook (a generator, as pluggy has them) whose own faults are told from those inside of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Any

__all__ = ("blamed_wrapper",)

Blame = Callable[[], AbstractContextManager[None]]


def blamed_wrapper(
    method: Callable[..., Generator[Any, Any, Any]],
    blame: Blame,
    check: Callable[[Any], Any] = lambda answer: answer,
) -> Callable[..., Generator[None, Any, Any]]:
    """*method* with its own code run in *blame*; what comes through from inside of it is not its own.

    :param check: returns its answer, or raises what is wrong with it
    """

    @wraps(method)
    def around(*args: Any) -> Generator[None, Any, Any]:
        with blame():
            generator = method(*args)
            _begin(generator)
        try:
            resume = partial(generator.send, (yield))
        except BaseException as error:
            resume = partial(generator.throw, error)
            with blame():
                answer, raised = _end(resume, error)
            if raised:
                raise
        else:
            with blame():
                answer, _ = _end(resume, None)
        with blame():
            return check(answer)

    return around


def _begin(generator: Generator[Any, Any, Any]) -> None:
    """Run *generator* to its yield."""
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError("it did not yield") from None


def _end(resume: Callable[[], Any], passing: BaseException | None) -> tuple[Any, bool]:
    """The answer of a generator that is resumed once, and whether it let *passing* through instead."""
    try:
        resume()
    except StopIteration as end:
        return end.value, False
    except BaseException as error:
        if error is passing:
            return None, True
        raise
    raise RuntimeError("it yielded twice")
