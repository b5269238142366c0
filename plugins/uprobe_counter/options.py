"""The options of ``-C NAME:key=value,...``, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from uprobe_core.errors import UsageError

__all__ = ("Options",)


class Options:
    """Takes options out one after the other; :meth:`finish` complains about the rest.

    :param consumer: the name for messages
    :param allowed: option names with what each means, for the hint
    """

    def __init__(self, consumer: str, given: Mapping[str, str], allowed: Mapping[str, str]) -> None:
        self._consumer = consumer
        self._given = given
        listed = "; ".join(f"{name}: {meaning}" for name, meaning in allowed.items())
        for name in given:
            if name not in allowed:
                close = get_close_matches(name, allowed, n=1)
                hint = (
                    f"did you mean {close[0]!r}? options are {listed}" if close else f"options are {listed}"
                )
                raise self._error(f"consumer {consumer} has no option {name!r}", hint)

    @staticmethod
    def _error(message: str, hint: str) -> UsageError:
        return UsageError(message, hint=hint, slug="bad-option")

    def text(self, name: str) -> str | None:
        """The option as it was given, None if it was not."""
        return self._given.get(name)

    def required(self, name: str, example: str) -> str:
        """The option as it was given; raises UsageError if it was not."""
        value = self._given.get(name)
        if not value:
            raise self._error(
                f"consumer {self._consumer} needs the option {name!r}", f"for example {example}"
            )
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """A comma-separated list of names, empty if it was not given."""
        return tuple(part.strip() for part in self._given.get(name, "").split(",") if part.strip())

    def one_of(self, name: str, words: Sequence[str], default: str) -> str:
        """One of *words*; raises UsageError."""
        text = self._given.get(name) or default
        if text not in words:
            message = f"option {name!r} of consumer {self._consumer} is {text!r}"
            raise self._error(message, f"{name} is one of {', '.join(words)}")
        return text

    def number(self, name: str, default: int, least: int | None = None) -> int:
        """A whole number as C writes it, *least* or more; raises UsageError."""
        text = self._given.get(name)
        if text is None:
            return default
        try:
            number = int(text, 0)
        except ValueError:
            raise self._error(
                f"option {name!r} of consumer {self._consumer} is {text!r}, not a whole number",
                f"for example {self._consumer}:{name}={default}",
            ) from None
        if least is not None and number < least:
            message = f"option {name!r} of consumer {self._consumer} is {number}"
            raise self._error(message, f"{name} is at least {least}")
        return number
