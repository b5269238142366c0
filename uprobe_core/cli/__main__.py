"""``python -m uprobe_core.cli`` is ``uprobe``."""

from uprobe_core.cli.process import command

if __name__ == "__main__":
    command()
