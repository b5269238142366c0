"""Run one recorded case in a process of its own: ``python replay.py JOB.json``.

The job says what a recorder wrote into tracefs; this writes the same into a
session.  Results go where the job says, as files that look like the recorded
ones; the program's standard output is this process's.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from uprobe_core.backend import Bind
from uprobe_core.errors import SpecError
from uprobe_core.run_setup import ConsumerUse, EventLine
from uprobe_core.session import Session

# What the recorder's shell passed on, in its order: the stack pointer depends on it.
ENVIRONMENT = {
    "SHLVL": "2",
    "HOME": "/root",
    "OLDPWD": "/",
    "TERM": "linux",
    "PATH": "/bin:/rig",
    "PWD": "/root",
}


def write_events(session: Session, lines: list[str]) -> list[str]:
    """Write the lines one by one; returns the errno name of each, "0" for an accepted one."""
    answers = []
    for line in lines:
        try:
            session.events.add_line(EventLine(line, "recorded"))
        except SpecError as error:
            answers.append(error.errno_name)
        else:
            answers.append("0")
    return answers


def write_later(session: Session, writes: list[list[str]]) -> None:
    """What was written into the events' own files."""
    for target, text in writes:
        _, group, event, file = target.split("/")
        if file == "filter":
            session.events.set_filter(f"{group}/{event}", text)
        else:
            session.events.add_trigger(f"{group}/{event}", text, session)


def replay(job: dict[str, Any]) -> int:
    """Run the job; returns the exit status that a shell would show."""
    options = dict(job["options"])
    shown = (Bind(job["folder"], "/root"),)
    paths = {"maps": shown} if options.get("backend") == "gdbremote" else {"binds": shown}
    session = Session(
        job["argv"],
        cwd="/root",
        **paths,
        env=ENVIRONMENT,
        inherit_env=False,
        consumers=(ConsumerUse("trace"),),
        output=job["trace"],
        profile=job["profile"],
        **options,
    )
    with session:
        answers = write_events(session, job["events"])
        write_later(session, job["writes"])
        status = session.run()
    with open(job["answers"], "w", encoding="utf-8") as file:
        json.dump(answers, file)
    return status.shell_status


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.exit(replay(json.load(file)))
