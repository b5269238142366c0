"""A socket gives its program no rights over the host, whoever runs the emulator."""

from __future__ import annotations

from tests.linux.guests import build, run


def test_options_and_messages_that_reach_beyond_a_socket_are_refused() -> None:
    said = dict(line.split(": ", 1) for line in run(build("socket_rights")).stdout.splitlines())
    assert said == {
        "attach a filter": "Protocol not available",
        "read a filter": "Protocol not available",
        "netfilter tables": "Protocol not available",
        "bind to a device": "Operation not permitted",
        "mark": "Operation not permitted",
        "name another namespace": "Operation not permitted",
        "reuse an address": "done",
    }
