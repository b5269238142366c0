"""A run as a page and as Markdown: all is in it, nothing comes from elsewhere, what a guest says is text."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.reporting import calls as calls_of_page
from uprobe_core.reporting.markdown import markdown_of
from uprobe_core.run_setup import ConsumerUse, RunSetup

OWN = ("main", "leaf", "odd", "even", "jumper", "outer", "twice")


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("tells_its_calls.c", "-finstrument-functions")


def report(program: Path, tmp_path: Path, name: str, **options: Any) -> str:
    setup = RunSetup(
        argv=(str(program), "</script><b>"),
        functions=OWN,
        output=str(tmp_path / "out"),
        report=(str(tmp_path / name),),
        **options,
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    return (tmp_path / name).read_text()


class Page(HTMLParser):
    """What stands in a page: its elements, their attributes, and the data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        key = attributes.get("id") or tag
        self.texts[key] = self.texts.get(key, "") + data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts["data"])
        return found


def test_nothing_comes_from_elsewhere(program: Path, tmp_path: Path) -> None:
    text = report(program, tmp_path, "r.html")
    page = Page(text)
    assert {tag for tag, attributes in page.elements if {"src", "href"} & set(attributes)} == set()
    assert not re.search(r"https?:|@import|url\(|fetch\(|import\(", text)


def test_what_a_program_is_called_with_cannot_become_a_part_of_the_page(
    program: Path, tmp_path: Path
) -> None:
    page = Page(report(program, tmp_path, "r.html"))
    assert [tag for tag, _ in page.elements if tag in ("b", "script")] == ["script", "script"]
    assert page.data["program"][1] == "</script><b>"


def test_the_tree_has_every_call_and_the_flame_graph_all_of_the_time(program: Path, tmp_path: Path) -> None:
    data = Page(report(program, tmp_path, "r.html")).data
    hits = sum(event["hits"] for event in data["events"] if not event["name"].endswith("__return"))
    ((_, rows),) = data["calls"]["tasks"]
    assert len(rows) == hits
    main = data["calls"]["flame"][1]
    assert main[:2] == [1, "main"]
    assert main[2] == rows[0][3]
    assert data["setup"]["functions"] == ", ".join(OWN)


def test_a_long_run_shows_its_first_calls_and_says_how_many_are_missing(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_of_page, "MOST_CALLS", 10)
    data = Page(report(program, tmp_path, "r.html")).data["calls"]
    assert len(data["tasks"][0][1]) == 10
    assert data["left_out"] > 0


def test_paths_beyond_the_bound_count_where_they_begin(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Page(report(program, tmp_path, "r.html")).data["calls"]["flame"]
    assert len(whole) > 3
    monkeypatch.setattr(calls_of_page, "MOST_PATHS", 3)
    some = Page(report(program, tmp_path, "r.html")).data["calls"]["flame"]
    assert some == whole[:3]


def test_consumers_are_in_it_as_data_and_as_text(program: Path, tmp_path: Path) -> None:
    uses = (ConsumerUse("summary"), ConsumerUse("count"))
    data = Page(report(program, tmp_path, "r.html", consumers=uses)).data
    assert [each["name"] for each in data["consumers"]] == ["summary", "count"]
    assert data["calls"] is None
    printed = (tmp_path / "out").read_text()
    assert data["texts"]["0"] in printed
    assert data["setup"]["consumers"] == "summary, count"


def test_records_are_written_as_without_a_page(program: Path, tmp_path: Path) -> None:
    report(program, tmp_path, "r.html", format="jsonl")
    with_page = (tmp_path / "out").read_bytes()
    report(program, tmp_path, "r.json", format="jsonl")
    assert (tmp_path / "out").read_bytes() == with_page


def test_the_records_of_forked_processes_are_in_it(tmp_path: Path) -> None:
    program = zig("makes_calls.c")
    setup = RunSetup(
        argv=(str(program), "fork"),
        syscalls=True,
        output=str(tmp_path / "out"),
        report=(str(tmp_path / "r.html"),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    tasks = Page((tmp_path / "r.html").read_text()).data["calls"]["tasks"]
    assert [any("fd=88" in row[2] for row in rows) for _, rows in tasks] == [False, True]


def test_a_system_call_takes_as_long_in_a_page_as_in_its_record(tmp_path: Path) -> None:
    setup = RunSetup(
        argv=(str(zig("makes_calls.c")),),
        syscalls=True,
        output=str(tmp_path / "out"),
        format="jsonl",
        report=(str(tmp_path / "r.html"),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    records = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    ((_, rows),) = Page((tmp_path / "r.html").read_text()).data["calls"]["tasks"]
    assert [row[3] for row in rows] == [record["args"]["took"] for record in records]
    assert any(row[3] for row in rows)


def test_system_calls_are_in_the_words_of_the_tree(tmp_path: Path) -> None:
    """Flags by name, errors as results, and none where a call does not come back."""
    setup = RunSetup(
        argv=(str(zig("makes_calls.c")), "fork"),
        syscalls=True,
        output=str(tmp_path / "out"),
        format="tree:fold=no",
        report=(str(tmp_path / "r.html"),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    tree = (tmp_path / "out").read_text()
    tasks = Page((tmp_path / "r.html").read_text()).data["calls"]["tasks"]
    calls = [f"{row[1]}{row[2]}" for _, rows in tasks for row in rows]
    assert [call for call in calls if call not in tree] == []
    assert any("AT_FDCWD" in call and "O_" in call for call in calls)
    assert calls[-1].endswith(" = ?")


def test_markdown_says_the_same_in_tables(program: Path, tmp_path: Path) -> None:
    text = report(program, tmp_path, "r.markdown", consumers=(ConsumerUse("summary"),))
    assert "It ended with exit status 0." in text
    assert "summary of calls" in text
    assert "| tells_its_calls/leaf |" in text
    assert "<b>" not in text


def test_a_name_without_an_ending_is_json(program: Path, tmp_path: Path) -> None:
    document = json.loads(report(program, tmp_path, "r"))
    assert document["version"] == 1
    assert "setup" not in document


ODD = (
    "a|b",
    "`code` *x* __main__ snake_case",
    "<b>&amp;",
    "back\\slash",
    "[link](x)",
    "~~no~~",
    "e\u202ex\ny",
)


def test_markdown_says_where_a_program_was_killed() -> None:
    status = {"code": 0, "signal": 11, "reason": "", "stack": ["reads+0x8", "main+0x20", "_start"]}
    text = markdown_of(
        {"program": [], "status": status, "events": [], "consumers": [], "setup": {}, "versions": {}}, {}
    )
    assert "\nIt ended with signal 11 in reads+0x8, called from main+0x20, \\_start.\n" in text


def test_markdown_shows_names_as_they_are() -> None:
    """Beside a reader of CommonMark with GitHub's tables."""
    markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py")
    reader = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    events = [{"readable": name, "hits": 9 - number, "returns": 0} for number, name in enumerate(ODD)]
    document = {"program": ["./app", *ODD], "status": None, "events": events, "consumers": []}
    page = reader.render(markdown_of({**document, "setup": {}, "versions": {}}, {}))
    cells = [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page)]
    assert cells[::3] == [*ODD[:-1], "e\\u202ex\\ny"]


@pytest.mark.parametrize("text", ["plain *text*", "a\n```\n*b*", "````\n```\n# c"])
def test_markdown_shows_what_consumers_say_as_it_is(text: str) -> None:
    """Beside a reader of CommonMark, whatever fences are in it."""
    markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py")
    consumer = {"title": "said", "event": None}
    document = {"program": ["./app"], "status": None, "events": [], "consumers": [consumer]}
    written = markdown_of({**document, "setup": {}, "versions": {}}, {"0": text})
    found = re.findall(r"<pre><code>(.*?)</code></pre>", markdown_it.MarkdownIt().render(written), re.DOTALL)
    assert [html.unescape(each) for each in found] == [f"{text}\n"]
