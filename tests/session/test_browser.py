"""Pages in a real browser: they are drawn, their flame graph zooms, and a long run's opens soon."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.run_setup import ConsumerUse, RunSetup

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
        report=str(path),
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


def test_a_page_shows_tables_bars_flame_graph_and_tree(tmp_path: Path) -> None:
    text = drawn(page(tmp_path, 100, "summary", "latency", "graph"))
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    assert heads == ["summary", "latency in ns", "graph of calls", "Where time goes", "Calls", "Events"]
    graph = text.partition('class="flame"')[2].partition("</div></div>")[0]
    assert re.findall(r'title="(\w+): ', graph) == ["all", "main", "around", "inside"]
    assert "<td>calls_often/inside</td>" in text
    assert '<i style="width: 100%;"></i>' in text
    assert "<b>around</b>" in text


def test_the_flame_graph_zooms_to_what_the_address_says(tmp_path: Path) -> None:
    path = page(tmp_path, 100)
    cells = re.compile(r'<div title="(\w[\w-]*): [^"]*"')
    whole = cells.findall(drawn(path))
    assert whole[:3] == ["all", "calls_often-1000", "main"]
    zoomed = drawn(path, "#zoom=around")
    assert cells.findall(zoomed) == ["around", "inside"]
    assert re.search(r"around: [0-9.]+ us\. Click on it to zoom out\.", zoomed)


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
