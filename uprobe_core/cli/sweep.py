"""``uprobe sweep``: many runs of one set-up, as tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uprobe_core.value_types import SECONDS, SIZE, VARIABLES, ValueType

if TYPE_CHECKING:
    import argparse

    from uprobe_core.sweeping.cell_run import CellTask
    from uprobe_core.sweeping.cells import Cell

DESCRIPTION = """\
Run a set-up once for each cell of its [matrix], or for each row of a table, and write
what was found as Parquet: a row for each cell, for each event of each cell, and for
each record if wanted. A cell that is there already is not run again."""
EPILOG = """\
examples:
  uprobe sweep sweep.toml
  uprobe sweep sweep.toml -o results --records -j 8
  uprobe sweep probes.toml --inputs programs.csv --on dask:scheduler:8786
  uprobe query sweep.sweep 'select reason, count(*) from cells group by reason'

A cell that crashes, hangs or is killed is a row with its reason.

exit status: 0 if every cell has its row, 123 if an expectation did not hold in one,
130 after Ctrl-C, which keeps what is done, 2 for wrong usage, 125 if uprobe failed."""

UNMET = 123
_PART, _PART_WITH_RECORDS = 1000, 100
"""Cells of a part, which is held in memory when it is written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from uprobe_core.cli.setup_options import natural

    parser.add_argument("setup", metavar="SETUP", help="a set-up file")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="the folder of the results (default: SETUP's name.sweep)"
    )
    parser.add_argument(
        "--inputs", metavar="FILE", help="a table of inputs, .csv or .jsonl, in place of a [matrix]"
    )
    parser.add_argument(
        "--var",
        action="append",
        default=[],
        type=_typed(VARIABLES),
        metavar="NAME=VALUE",
        help="a value for ${NAME}",
    )
    parser.add_argument("--records", action="store_true", help="keep the records of every cell, too")
    parser.add_argument(
        "--capture",
        type=natural,
        default=4096,
        metavar="BYTES",
        help="of each output stream that are kept (default: 4096)",
    )
    where = parser.add_argument_group("where cells run")
    where.add_argument(
        "--on", default="local", metavar="WHERE", help="local (default), or dask:ADDRESS of a scheduler"
    )
    where.add_argument(
        "-j", "--jobs", type=natural, metavar="N", help="cells at a time (default: one for each core)"
    )
    where.add_argument(
        "--cell-timeout",
        type=_typed(SECONDS),
        default=600.0,
        metavar="SECONDS",
        help="then a cell is killed (default: 600)",
    )
    where.add_argument(
        "--cell-memory", type=_typed(SIZE), metavar="SIZE", help="of a cell's processes; then it is killed"
    )


def _typed(kind: ValueType) -> Any:
    """How argparse reads a value of *kind*."""
    import argparse

    from uprobe_core.errors import UsageError

    def parse(text: str) -> Any:
        try:
            return kind.convert(kind.parse(text)) if kind is SIZE else kind.parse(text)
        except (ValueError, UsageError) as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def run(args: argparse.Namespace) -> int:
    """Run the cells that are not there."""
    from uprobe_core.sweeping.cells import open_sweep
    from uprobe_core.sweeping.dataset import DataSet
    from uprobe_core.sweeping.driver import run_sweep
    from uprobe_core.sweeping.progress import Progress, summed_up
    from uprobe_core.sweeping.workers import workers_for

    variables = {name: value for each in args.var for name, value in each.items()}
    wants = {"records": args.records, "capture": args.capture}
    sweep = open_sweep(args.setup, args.inputs, variables, wants)
    next(sweep.cells())  # what is wrong with all of them is said before there is a folder
    folder = args.output or f"{Path(args.setup).stem}.sweep"
    part = _PART_WITH_RECORDS if args.records else _PART
    data = DataSet(folder, sweep.inputs.axes, part, records=args.records)
    progress = Progress(sys.stderr)
    try:
        summary = run_sweep(
            sweep,
            data,
            workers_for(args.on, args.jobs),
            task=lambda cell: _task(cell, args, folder),
            progress=progress,
        )
    except KeyboardInterrupt:
        progress.end()
        print("uprobe: stopped; what is done is kept, and the same command goes on", file=sys.stderr)
        raise
    progress.end()
    for line in summed_up(summary, folder):
        print(f"uprobe: {line}", file=sys.stderr)
    return UNMET if summary.unmet else 0


def _task(cell: Cell, args: argparse.Namespace, folder: str) -> CellTask:
    from uprobe_core.setup.decisive import decisive_files
    from uprobe_core.sweeping.cell_run import CellTask

    return CellTask(
        cell.index,
        cell.key,
        cell.setup,
        seconds=args.cell_timeout,
        memory=args.cell_memory,
        records=args.records,
        capture=args.capture,
        kept=(*decisive_files(), os.path.abspath(folder)),
    )
