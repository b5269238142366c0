"""Sweeps: a row for each cell whatever became of it, resumed where they were stopped, the same each time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import ROOT, either
from uprobe_core.cli import main
from uprobe_core.sweeping.cell_run import CellTask, no_result
from uprobe_core.sweeping.cells import open_sweep
from uprobe_core.sweeping.dataset import DataSet
from uprobe_core.sweeping.driver import Summary, run_sweep

pq = pytest.importorskip("pyarrow.parquet", reason="sweeps write Parquet: uprobe[farm]")

LOOP = ROOT / "examples" / "loop"
SETUP = f"""
events = ["p:work {LOOP}:work a=%x0"]

[target]
argv = ["{LOOP}", "${{n}}"]
inherit-env = false

[matrix]
n = ["1", "2", "3"]
seed = "0..1"
"""


@pytest.fixture
def sweep(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Path, str]]:
    """``sweep(SETUP, *options)``: status, folder, and what was said."""

    def call(text: str, *options: str, folder: str = "found") -> tuple[int, Path, str]:
        setup = tmp_path / "s.toml"
        setup.write_text(text)
        status = main(["sweep", str(setup), "-o", str(tmp_path / folder), "-j", "2", *options])
        return status, tmp_path / folder, capfd.readouterr().err

    return call


def rows(folder: Path, table: str = "cells") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted((folder / table).glob("*.parquet")):
        found += pq.read_table(path).to_pylist()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}


# --- what is in the tables --------------------------------------------------------------------------------


def test_every_cell_is_a_row_in_the_order_of_the_matrix(sweep: Any) -> None:
    status, folder, said = sweep(SETUP)
    assert status == 0
    assert "6 cells ran" in said
    assert [
        (r["index"], r["n"], r["seed"], r["status"], r["reason"], r["hits"], r["stdout"])
        for r in rows(folder)
    ] == [
        (i, n, seed, 0, "", int(n), f"sum {2 ** int(n) - 1}\n")
        for i, (n, seed) in enumerate((n, seed) for n in "123" for seed in "01")
    ]
    assert [(r["event"], r["hits"]) for r in rows(folder, "events")] == [
        ("uprobes/work", n) for n in (1, 1, 2, 2, 3, 3)
    ]


def test_consumers_and_expectations_of_a_cell_are_json(sweep: Any) -> None:
    status, folder, said = sweep(
        'consumers = ["count:by=a"]\n' + SETUP + '[expect]\nthat = ["work.hits < 3"]\n'
    )
    assert status == 123
    assert "in 2 an expectation did not hold" in said
    last = rows(folder)[-1]
    assert last["unmet"] == 1
    assert json.loads(last["consumers"])[0]["found"]["events"]["uprobes/work"] == {
        "0": 1,
        "1": 1,
        "2": 1,
    }
    assert json.loads(last["expectations"])[0]["found"] == {"work.hits": 3}


def test_records_are_kept_if_wanted(sweep: Any) -> None:
    _, folder, _ = sweep(SETUP, "--records")
    found = rows(folder, "records")
    assert len(found) == 12
    assert [json.loads(r["args"]) for r in found if r["index"] == 5] == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_a_table_of_inputs_takes_the_place_of_a_matrix(sweep: Any, tmp_path: Path) -> None:
    setup = SETUP.partition("[matrix]")[0]
    (tmp_path / "in.csv").write_text("n,seed\n3,1\n1,7\n")
    (tmp_path / "in.jsonl").write_text('{"args": ["2"], "n": 0}\n')
    assert [r["hits"] for r in rows(sweep(setup, "--inputs", str(tmp_path / "in.csv"))[1])] == [3, 1]
    assert [r["hits"] for r in rows(sweep(setup, "--inputs", str(tmp_path / "in.jsonl"), folder="b")[1])] == [
        2
    ]


def test_two_sweeps_are_the_same_bytes(sweep: Any) -> None:
    first = files(sweep(SETUP, "--records")[1])
    assert first == files(sweep(SETUP, "--records", "-j", "1", folder="again")[1])
    assert len(first) == 3


# --- what becomes of a bad cell ---------------------------------------------------------------------------


def test_a_cell_that_fails_is_a_row_with_its_reason(sweep: Any, tmp_path: Path) -> None:
    spin = either(ROOT / "tests" / "guest" / "spin.c")
    broken = tmp_path / "broken"
    broken.write_bytes(LOOP.read_bytes()[:100])
    broken.chmod(0o755)
    setup = f'[target]\nargv = ["x"]\n[matrix]\nprogram = ["{LOOP}", "/nowhere", "{broken}", "{spin}"]\n'
    setup = setup.replace("[matrix]", 'args = ["${a}"]\n[matrix]').replace('args = ["${a}"]\n', "")
    status, folder, said = sweep(
        setup + 'args = [["99999999"]]\n[limits]\nseconds = 2\n', "--cell-timeout", "1"
    )
    assert status == 0
    found = [(r["reason"], r["status"]) for r in rows(folder)]
    assert found[0] == ("timeout", None)
    assert [reason for reason, _ in found[1:3]] == ["error", "error"]
    assert "no such program" in rows(folder)[1]["error"]
    assert "timeout" in said


def test_a_cell_that_a_signal_kills_is_a_row_that_names_it(tmp_path: Path) -> None:
    found = sweep_with(tmp_path, lambda task: {**no_result("killed by SIGSEGV"), "stdout": "", "stderr": ""})
    assert {r["reason"] for r in rows(found)} == {"killed by SIGSEGV"}


def test_a_cell_that_holds_too_much_is_killed(sweep: Any) -> None:
    setup = SETUP.replace('n = ["1", "2", "3"]', 'n = ["99999999"]').replace("0..1", "0..0")
    _, folder, _ = sweep(setup, "--cell-memory", "1M")
    assert [r["reason"] for r in rows(folder)] == ["memory"]


# --- resuming ---------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again(sweep: Any) -> None:
    sweep(SETUP)
    before = sweep(SETUP)[1]
    status, folder, said = sweep(SETUP)
    assert (status, folder) == (0, before)
    assert "0 cells ran, 6 were there" in said


def test_a_sweep_that_grows_runs_only_its_new_cells(sweep: Any) -> None:
    whole = files(sweep(SETUP.replace("0..1", "0..2"), folder="whole")[1])
    sweep(SETUP)
    _, folder, said = sweep(SETUP.replace("0..1", "0..2"))
    assert "3 cells ran, 6 were there" in said
    assert files(folder) == whole


def test_a_set_up_that_changed_runs_again(sweep: Any) -> None:
    sweep(SETUP)
    assert "6 cells ran:" in sweep(SETUP.replace("a=%x0", "b=%x0"))[2]


class Recorded:
    """Workers that answer at once, some of them never."""

    def __init__(self, answer: Callable[[CellTask], Any], limit: int = 1 << 30) -> None:
        self.answer, self.limit = answer, limit
        self.tasks: list[CellTask] = []
        self.done = 0

    @property
    def room(self) -> int:
        return 4 - len(self.tasks)

    def submit(self, task: CellTask) -> None:
        self.tasks.append(task)

    def wait(self, _seconds: float) -> Any:
        if self.done >= self.limit:
            raise KeyboardInterrupt
        tasks, self.tasks = self.tasks, []
        for task in reversed(tasks):
            self.done += 1
            yield task, self.answer(task)

    def close(self) -> None:
        self.tasks = []


def sweep_with(
    tmp_path: Path, answer: Callable[[CellTask], Any], limit: int = 1 << 30, **options: Any
) -> Path:
    setup = tmp_path / "s.toml"
    setup.write_text(options.pop("text", SETUP))
    sweep = open_sweep(str(setup), None, {}, {})
    data = DataSet(str(tmp_path / "found"), sweep.inputs.axes, options.pop("part", 4), records=False)
    make = lambda cell: CellTask(cell.index, cell.key, cell.setup)  # noqa: E731
    run_sweep(sweep, data, Recorded(answer, limit), task=make, progress=lambda _summary: None)
    return tmp_path / "found"


def answered(task: CellTask) -> Any:
    return {**no_result(""), "status": task.index % 256, "stdout": "", "stderr": ""}


def noting(calls: list[int]) -> Callable[[CellTask], Any]:
    def answer(task: CellTask) -> Any:
        calls.append(task.index)
        return answered(task)

    return answer


def test_ctrl_c_keeps_what_is_done_and_shows_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep_with(tmp_path, answered, limit=4)
    assert len(rows(tmp_path / "found")) == 4
    calls: list[int] = []
    sweep_with(tmp_path, noting(calls))
    assert sorted(calls) == [4, 5]
    assert [r["index"] for r in rows(tmp_path / "found")] == list(range(6))


def test_a_journal_that_was_cut_loses_its_last_line_only(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep_with(tmp_path, answered, limit=4, part=100)
    (journal,) = (tmp_path / "found" / "journal").glob("*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-20])
    calls: list[int] = []
    sweep_with(tmp_path, noting(calls), part=100)
    assert len(calls) == 3
    assert [r["index"] for r in rows(tmp_path / "found")] == list(range(6))


@pytest.mark.thorough
def test_the_driver_does_not_grow_with_the_number_of_cells(tmp_path: Path) -> None:
    import tracemalloc

    text = f'[target]\nargv = ["{LOOP}"]\n[matrix]\nseed = "0..COUNT"\n'
    peaks = []
    for name, count in (("few", 999), ("many", 4999)):
        folder = tmp_path / name
        folder.mkdir()
        tracemalloc.start()
        sweep_with(folder, answered, part=250, text=text.replace("COUNT", str(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.thorough
def test_a_sweep_that_is_killed_twice_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    setup = tmp_path / "s.toml"
    setup.write_text(SETUP.replace("0..1", "0..19"))
    command = [sys.executable, "-m", "uprobe_core.cli", "sweep", str(setup), "-j", "2", "-o"]
    folder = tmp_path / "killed"
    for least in (10, 30):
        process = subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL, cwd=ROOT)
        end = time.monotonic() + 120
        while sum(p.read_bytes().count(b"\n") for p in folder.glob("journal/part-*")) < least:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run([*command, str(folder)], stderr=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    subprocess.run([*command, str(tmp_path / "whole")], stderr=subprocess.DEVNULL, check=True, cwd=ROOT)
    assert int(done.stderr.split(" cells ran, ")[0].rpartition(" ")[2]) <= 30
    assert files(folder) == files(tmp_path / "whole")
    assert len({r["cell"] for r in rows(folder)}) == 60


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "status", "said"),
    [
        ("", (), 2, "has no [matrix]"),
        ("[matrix]\nseed = '0..1'\n", (), 2, "names no program"),
        ("[matrix]\nseed = ['x']\n[target]\nargv = ['a']\n", (), 2, "'x' is not a number"),
        ("[matrix]\nseed = 3\n", (), 125, "matrix.seed: must be"),
        (SETUP, ("--inputs", "x.csv"), 2, "both"),
        (SETUP, ("--on", "moon"), 2, "not local or dask:ADDRESS"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_words(
    sweep: Any, text: str, options: tuple[str, ...], status: int, said: str
) -> None:
    found, _, words = sweep(text, *options)
    assert found == status
    assert said in words


def test_two_sweeps_into_one_folder_are_refused(sweep: Any, tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / "found"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, _, said = sweep(SETUP)
    assert status == 2
    assert "another sweep writes to" in said


# --- who reads it -----------------------------------------------------------------------------------------


def test_query_asks_in_sql(sweep: Any, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb", reason="uprobe query needs DuckDB: uprobe[farm]")
    _, folder, _ = sweep(SETUP)
    assert (
        main(["query", str(folder), "--json", "select n, sum(hits) h from cells group by n order by n"]) == 0
    )
    assert json.loads(capfd.readouterr().out) == [{"n": "1", "h": 2}, {"n": "2", "h": 4}, {"n": "3", "h": 6}]
    assert main(["query", str(folder), "selec"]) == 2
    assert main(["query", str(folder / "cells"), "from cells"]) == 2


def test_polars_and_pandas_read_every_file(sweep: Any) -> None:
    polars = pytest.importorskip("polars", reason="the group farm has it")
    pandas = pytest.importorskip("pandas", reason="the group farm has it")
    _, folder, _ = sweep(SETUP, "--records")
    for table, count in (("cells", 6), ("events", 6), ("records", 12)):
        (path,) = (folder / table).glob("*.parquet")
        assert len(polars.read_parquet(path)) == len(pandas.read_parquet(path)) == count


@pytest.mark.slow
def test_a_dask_cluster_loses_a_worker_and_no_cell(sweep: Any, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the group farm has it")
    whole = files(sweep(SETUP.replace("0..1", "0..9"), folder="whole")[1])
    options: dict[str, Any] = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": None,
    }
    with distributed.LocalCluster(**options, host="127.0.0.1") as cluster:
        (tmp_path / "s.toml").write_text(SETUP.replace("0..1", "0..9"))
        command = [sys.executable, "-m", "uprobe_core.cli", "sweep", str(tmp_path / "s.toml")]
        command += ["-o", str(tmp_path / "found"), "--on", f"dask:{cluster.scheduler_address}"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 120
        while not list(tmp_path.glob("found/journal/part-*")):
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert files(tmp_path / "found") == whole


def test_a_summary_counts_reasons() -> None:
    from uprobe_core.sweeping.progress import summed_up

    summary = Summary(3, ran=3, unmet=1)
    summary.reasons["timeout"] += 2
    assert summed_up(summary, "d") == [
        "3 cells ran: d",
        "2 of them: timeout",
        "in 1 an expectation did not hold",
    ]
