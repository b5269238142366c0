"""``uprobe query``: SQL over what a sweep found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Ask a sweep's results in SQL, through DuckDB: the tables are cells, events and records."""
EPILOG = """\
examples:
  uprobe query sweep.sweep 'select reason, count(*) from cells group by reason'
  uprobe query sweep.sweep 'select program, sum(hits) from cells group by 1 order by 2'
  uprobe query sweep.sweep --json 'from cells limit 3'

exit status: 0, 2 if the query is wrong, 125 without DuckDB."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("folder", metavar="DIR", help="the results of uprobe sweep")
    parser.add_argument("query", metavar="SQL", help="one SELECT statement")
    parser.add_argument("--json", action="store_true", help="a JSON list of objects")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer."""
    columns, rows = _ask(args.folder, args.query)
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        from uprobe_core.cli.output import print_table

        print_table(
            [tuple("" if cell is None else str(cell) for cell in row) for row in rows], header=tuple(columns)
        )
    return 0


def _ask(folder: str, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    from uprobe_core.errors import PluginError, UsageError

    try:
        import duckdb
    except ImportError as error:
        raise PluginError(
            f"uprobe query needs DuckDB: {error}",
            plugin="query",
            hint="pip install 'uprobe[farm]'",
            slug="missing-extra",
        ) from error
    connection = duckdb.connect()
    there = [table for table in ("cells", "events", "records") if any(Path(folder, table).glob("*.parquet"))]
    if not there:
        raise UsageError(f"{folder!r} holds no results", hint="uprobe sweep writes them")
    for table in there:
        files = str(Path(folder, table, "*.parquet")).replace("'", "''")
        connection.execute(f"create view {table} as from read_parquet('{files}')")
    # The query is the user's own and reads the user's files; nothing else is asked for.
    try:
        answer = connection.execute(query)
        return [column[0] for column in answer.description or ()], answer.fetchall()
    except duckdb.Error as error:
        raise UsageError(f"the query failed: {error}", hint=f"tables: {', '.join(there)}") from None
