"""Pages in a real browser: they are drawn, their flame graph zooms, and a long run's opens soon."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from uprobe_writers.flame_svg import FlameWriter

import uprobe_core as up
from tests.programs import zig
from uprobe_core.event_model import EventSpec, Record
from uprobe_core.reporting.page import page_of
from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.writer import RunHeader

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs a browser (package chromium)"),
]
PNG = b"\x89PNG\r\n\x1a\n"


def page(tmp_path: Path, times: int, *consumers: str) -> Path:
    """The page of a run of *times* calls and a few more."""
    path = tmp_path / "r.html"
    setup = RunSetup(
        argv=(str(zig("calls_often.c")), str(times)),
        functions=("main", "around", "inside"),
        consumers=(ConsumerUse("trace"), *(ConsumerUse(name) for name in consumers)),
        output=str(tmp_path / "records"),
        format="jsonl",
        report=(str(path),),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    return path


def browser(folder: Path, *arguments: str) -> str:
    assert BROWSER is not None
    own = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    done = subprocess.run(
        [BROWSER, *own, *arguments], capture_output=True, text=True, timeout=120, check=True, cwd=folder
    )
    return done.stdout


def drawn(path: Path, hash_text: str = "") -> str:
    """The page as it is when its script has run, without what its script is."""
    whole = browser(path.parent, "--dump-dom", f"{path.as_uri()}{hash_text}")
    return re.sub(r"<script.*?</script>", "", whole, flags=re.DOTALL)


CHECKS = (Path(__file__).parent / "looks_wrong.js").read_text()
KEYS = (Path(__file__).parent / "walks_by_keys.js").read_text()
ODD = "<b>&amp;\"'</b> e\u202egnp ||` שלום 日本 " + "many words " * 20
LONG = "Holder<std::map<int, std::vector<std::pair<int, long> > > >::" * 8 + "put"


def made_page(folder: Path, consumers: list[dict[str, Any]], calls: dict[str, Any] | None) -> Path:
    """A page of what is given."""
    document = {
        "program": ["./app", ODD],
        "status": {"code": 0, "signal": 0, "reason": ""},
        "events": [
            {"name": name, "hits": hits, "returns": 0}
            for name, hits in (("app/put", 3), (LONG, 1), ("app/none", 0))
        ],
        "consumers": [{"event": None, "options": {}, "title": each["name"], **each} for each in consumers],
        "setup": {"functions": LONG},
        "versions": {"uprobe": "1"},
    }
    path = folder / "made.html"
    texts = {str(number): f"{ODD}\n{LONG}\n" for number in range(len(consumers))}
    path.write_text(page_of(document, texts, calls))
    return path


def everything(folder: Path) -> Path:
    """A page of all kinds of consumers with names and texts that are hard to show."""
    times = {
        "calls": 7,
        "total": 7_200_000_000_000,
        "own": 999.9,
        "mean": 1_000_000.5,
        "p99": 1,
        "max": 10**13,
    }
    histogram = {"-1": 1, "0": 2, "8589934592": 900_000_000}
    latency = {"histogram": histogram, "p50": 1, "p90": 10**6, "p99": 10**12, "max": 10**13}
    stack = {"count": 5, "names": [LONG, "main+0x10", "_start"]}
    graph = [
        {"depth": 0, "name": LONG, "calls": 1, "time": 9},
        {"depth": 1, "name": ODD, "calls": 2, "time": 4},
    ]
    consumers: list[dict[str, Any]] = [
        {"name": "summary", "found": {"events": {"app/put": times, LONG: times}}},
        {"name": "count", "found": {"events": {"app/put": 10**12, LONG: 1}}},
        {"name": "count", "found": {"events": {"app/put": {ODD: 3, "": 1, "null": 2}}}},
        {"name": "hist", "found": {"events": {"app/put": histogram, "app/none": {}}}},
        {"name": "hist", "found": {"events": {"app/put": {ODD: histogram, "1": {"4": 1}}}}},
        {
            "name": "latency",
            "found": {"events": {"app/put": latency, "app/none": {"histogram": {}, "p50": 0}}},
        },
        {"name": "latency", "found": {"events": {"app/put": {"keys": {ODD: latency}}}}},
        {"name": "stacks", "found": {"events": {"app/put": [stack, {**stack, "names": ["b", "main"]}]}}},
        {"name": "graph", "found": {"tree": graph}},
        {"name": "summary", "found": {"events": {"app/none": {"calls": 0}}}},
        {"name": "other", "found": {}},
    ]
    flame = [
        [0, "app-1", 0],
        [1, LONG, 60],
        [2, ODD, 20],
        [1, "b", 30],
        *([1, f"c{n}", 0.3] for n in range(9)),
    ]
    rows = [[0, LONG, f"({ODD}) = 1", 10**13], [1, "b", f"s={ODD}", None], [0, "c", "() = 0", 3]]
    return made_page(folder, consumers, {"tasks": [["app-1", rows]], "left_out": 3, "flame": flame})


def after(path: Path, script: str, *look: str) -> dict[str, str]:
    """What *script*, run in a copy of the page, has put into the ``data-`` attributes of the body."""
    copy = path.with_name("copy.html")
    copy.write_text(path.read_text().replace("</body>", f"<script>{{{script}}}</script></body>"))
    body = re.search(r"<body[^>]*>", browser(path.parent, *look, "--dump-dom", copy.as_uri()))
    assert body is not None
    return {key: html.unescape(text) for key, text in re.findall(r'data-(\w+)="([^"]*)"', body[0])}


@pytest.mark.parametrize(("width", "scheme"), [(1280, 1), (1280, 0), (800, 0), (500, 1)])
def test_nothing_is_cut_or_over_something_else_and_all_of_it_is_readable(
    width: int, scheme: int, tmp_path: Path
) -> None:
    look = [f"--window-size={width},900", f"--blink-settings=preferredColorScheme={scheme}"]
    assert json.loads(after(everything(tmp_path), CHECKS, *look)["wrong"]) == []


def test_a_flame_graph_is_walked_and_zoomed_by_keys(tmp_path: Path) -> None:
    flame = [[0, "app", 0], [1, "a", 60], [2, "x", 20], [1, "b", 30]]
    path = made_page(tmp_path, [], {"tasks": [["app", [[0, "a", "", 60]]]], "left_out": 0, "flame": flame})
    found = json.loads(after(path, KEYS)["found"])
    assert found == ["all", "app", "a", "b", "a", "a#zoom=a", "app#zoom=a", "all"]


def test_calls_nested_three_thousand_deep_are_a_page_that_opens(tmp_path: Path) -> None:
    rows = [[depth, "deep", "", 3000 - depth] for depth in range(3000)]
    flame = [[depth, "deep", 3000 - depth] for depth in range(3000)]
    stack = {"count": 1, "names": [f"f{number}" for number in range(3000)]}
    stacks = {"name": "stacks", "found": {"events": {"app/put": [stack]}}}
    path = made_page(tmp_path, [stacks], {"tasks": [["app", rows]], "left_out": 0, "flame": flame})
    script = "document.body.dataset.cells = document.querySelectorAll('.flame div').length"
    found = after(path, script)
    assert int(found["drawn"]) < 3000
    assert found["cells"] == "160"


def test_no_text_of_a_flame_graph_as_a_picture_leaves_its_box(tmp_path: Path) -> None:
    """Names of any length in boxes of any width, and a title that is too long."""
    event = EventSpec("p", "app", "put", "/app", 0)
    stream = io.BytesIO()
    writer = FlameWriter(stream, RunHeader(("./app", "W" * 300), (event,)))
    for number in range(1, 6):
        for stack in (
            (LONG, "日本語の長い名前" * 9, f"W{'m' * number}"),
            ("iiii" * number, "__libc_start_main"),
        ):
            for _ in range(number):
                writer.write(Record(event, 0, 1, 1, "app", 0, 0, None, (), stack))
    writer.close()
    path = tmp_path / "flame.html"
    path.write_text(f"<body>{stream.getvalue().decode()}</body>")
    script = """
      const wrong = [...document.querySelectorAll("g")].filter((each) => each.children[2] &&
        each.children[2].getBBox().x + each.children[2].getBBox().width > each.children[1].getBBox().x
        + each.children[1].getBBox().width + 0.5).map((each) => each.textContent.slice(0, 60));
      const [title, total] = document.querySelectorAll(".head, .small");
      if (title.getBBox().x + title.getBBox().width > total.getBBox().x) wrong.push("the title");
      document.body.dataset.wrong = JSON.stringify(wrong);
      document.body.dataset.texts = document.querySelectorAll("g text").length;"""
    found = after(path, script)
    assert json.loads(found["wrong"]) == []
    assert int(found["texts"]) > 20


def test_what_was_not_hit_is_counted_and_not_drawn(tmp_path: Path) -> None:
    text = drawn(everything(tmp_path))
    assert text.count("<p>1 event without a hit.</p>") == 3  # of hist, latency and all events
    assert "<p>app/none</p>" not in text
    assert text.count("<p>no call returned</p>") == 1


def test_a_page_shows_tables_bars_flame_graph_and_tree(tmp_path: Path) -> None:
    text = drawn(page(tmp_path, 100, "summary", "latency", "graph"))
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    assert heads == ["summary", "latency in ns", "graph of calls", "Where time goes", "Calls", "Events"]
    graph = text.partition('class="flame"')[2].partition("</div></div>")[0]
    assert re.findall(r'title="([\w-]+): ', graph) == ["all", "main", "around", "inside"]
    assert "<td>calls_often/inside</td>" in text
    assert '<i style="width: 100%;"></i>' in text
    assert "<b>around</b>" in text


def test_the_flame_graph_zooms_to_what_the_address_says(tmp_path: Path) -> None:
    path = page(tmp_path, 100)
    cells = re.compile(r'<div [^>]*title="(\w[\w-]*): [^"]*"')
    whole = cells.findall(drawn(path))
    assert whole[:3] == ["all", "calls_often-1000", "main"]
    zoomed = drawn(path, "#zoom=around")
    assert cells.findall(zoomed) == ["all", "calls_often-1000", "main", "around", "inside"]
    assert re.search(r"around: [0-9.]+ us \([0-9.]+%\)\. Click", zoomed)


@pytest.mark.parametrize("scheme", ["0", "1"])
def test_a_picture_of_it_can_be_taken(scheme: str, tmp_path: Path) -> None:
    path = page(tmp_path, 100, "summary")
    picture = tmp_path / "page.png"
    look = [f"--blink-settings=preferredColorScheme={scheme}", "--window-size=800,1200"]
    browser(tmp_path, *look, f"--screenshot={picture}", path.as_uri())
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 10_000


def test_a_run_of_a_hundred_thousand_records_opens_within_three_seconds(tmp_path: Path) -> None:
    found = re.search(r'data-drawn="(\d+)"', drawn(page(tmp_path, 17_000, "summary")))
    assert found is not None
    assert (tmp_path / "records").read_bytes().count(b"\n") > 100_000
    assert int(found[1]) < 3000
