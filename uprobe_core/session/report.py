"""What consumers found, at the end of a run: as text and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from uprobe_core.discovery.contracts import blaming
from uprobe_core.errors import ConsumerStopped, OverdueError, PluginError, described

if TYPE_CHECKING:
    from uprobe_core.consumer import Report
    from uprobe_core.run_setup import ConsumerUse

__all__ = ("ConsumerReports",)


def _text(found: Report, columns: int = 0) -> str:
    """What a report says to people, on a terminal that has *columns*; raises TypeError if that is no text."""
    fitted = getattr(found, "fitted", None) if columns else None
    text: object = found.as_text() if fitted is None else fitted(columns)
    if not isinstance(text, str):
        what = "as_text" if fitted is None else "fitted"
        raise TypeError(f"{what}() returned {described(text)}, which is no text")
    return text


class ConsumerReports:
    """What the consumers of a run found, each asked once.

    :ivar failure: the first error, after all others were heard
    """

    def __init__(self, consumers: Sequence[tuple[ConsumerUse, Any]]) -> None:
        self.failure: PluginError | None = None
        self._found: list[tuple[ConsumerUse, Report]] = []
        for use, plugin in consumers:
            with self._heard(), blaming(use.name, "report"):
                found = plugin.report()
                if found is not None:
                    self._found.append((use, found))

    def __bool__(self) -> bool:
        """Whether any of them found something."""
        return bool(self._found)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """What the others found is still written when one fails."""
        try:
            yield
        except PluginError as error:
            self.failure = self.failure or error
        except ConsumerStopped as stopped:
            text = f"the report of a consumer did not come back and was stopped: {stopped}"
            self.failure = self.failure or OverdueError(text)

    def lines(self, columns: int = 0) -> Iterator[str]:
        """Each line of text, for a terminal that has *columns*, 0: for no terminal."""
        for use, found in self._found:
            with self._heard():
                with blaming(use.name, "report"):
                    lines = _text(found, columns).splitlines()
                yield from lines

    def as_texts(self) -> dict[str, str]:
        """What each consumer that found something says to people, by its number in :meth:`as_json`."""
        texts = {}
        for number, (use, found) in enumerate(self._found):
            with self._heard(), blaming(use.name, "report"):
                texts[str(number)] = _text(found)
        return texts

    def as_json(self) -> list[dict[str, Any]]:
        """An object for each consumer that found something: its name, options, title and findings."""
        import json  # not needed to start

        documents: list[dict[str, Any]] = []
        for use, found in self._found:
            with self._heard(), blaming(use.name, "report as JSON"):
                documents.append(
                    {
                        "name": use.name,
                        "event": use.event,
                        "options": dict(use.options),
                        "title": found.title,
                        "found": json.loads(json.dumps(found.as_json())),  # plain data, or its own fault
                    }
                )
        return documents
