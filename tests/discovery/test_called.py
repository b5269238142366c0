"""Plugins that are always called: which are loaded, in which order, and what happens to bad ones."""

from __future__ import annotations

import pytest

from tests.discovery.plugin_sources import Install
from uprobe_core.discovery.called import LOAD_SWITCH, TRACE_SWITCH, create
from uprobe_core.errors import PluginError
from uprobe_core.run_setup import RunSetup

GROUP = "uprobe.plugins"
RECORDER = """
from uprobe_core.hookspecs import hookimpl
CALLS = []

class A:
    @hookimpl
    def uprobe_configure(self, setup):
        CALLS.append("a")

class B:
    @hookimpl
    def uprobe_configure(self, setup):
        CALLS.append("b")
"""


def install_two(install: Install) -> list[str]:
    """Two plugins whose names sort against their order in the file; returns what they note."""
    install("third", GROUP, {"bbb": "third_two:B", "aaa": "third_two:A"}, {"third_two": RECORDER})
    import third_two  # type: ignore[import-not-found]

    calls: list[str] = third_two.CALLS
    return calls


def test_every_installed_plugin_is_called_in_the_order_of_names(install: Install) -> None:
    calls = install_two(install)
    create().hook.uprobe_configure(setup=RunSetup())
    assert calls == ["a", "b"]


@pytest.mark.parametrize(
    ("switch", "expected"), [("", []), ("bbb", ["b"]), ("aaa, bbb", ["a", "b"]), (None, ["a", "b"])]
)
def test_the_environment_chooses_which_are_loaded(
    install: Install, monkeypatch: pytest.MonkeyPatch, switch: str | None, expected: list[str]
) -> None:
    calls = install_two(install)
    if switch is None:
        monkeypatch.delenv(LOAD_SWITCH, raising=False)
    else:
        monkeypatch.setenv(LOAD_SWITCH, switch)
    create().hook.uprobe_configure(setup=RunSetup())
    assert calls == expected


def test_a_name_in_the_environment_that_is_not_installed_is_an_error(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_two(install)
    monkeypatch.setenv(LOAD_SWITCH, "ccc")
    with pytest.raises(PluginError, match="ccc, which is not installed") as caught:
        create()
    assert caught.value.hint == "installed: aaa, bbb"


def test_a_plugin_that_fails_is_reported_and_the_others_go_on(install: Install) -> None:
    install("fourth", GROUP, {"000": "third_bad:X"}, {"third_bad": "import third_missing"})
    calls = install_two(install)
    failures: list[PluginError] = []
    create(failures.append).hook.uprobe_configure(setup=RunSetup())
    assert [failure.plugin for failure in failures] == ["000"]
    assert calls == ["a", "b"]


def test_without_a_place_for_failures_a_bad_plugin_is_raised(install: Install) -> None:
    install("fourth", GROUP, {"000": "third_bad:X"}, {"third_bad": "import third_missing"})
    with pytest.raises(PluginError, match="third_missing"):
        create()


def test_a_misspelt_hook_is_refused_and_named(install: Install) -> None:
    source = (
        "from uprobe_core.hookspecs import hookimpl\n"
        "class X:\n    @hookimpl\n    def uprobe_confgure(self, setup): pass\n"
    )
    install("third", GROUP, {"typo": "third_typo:X"}, {"third_typo": source})
    with pytest.raises(PluginError, match="uprobe_confgure") as caught:
        create()
    assert caught.value.plugin == "typo"


def test_a_hook_that_asks_for_an_argument_that_there_is_not_is_refused(install: Install) -> None:
    source = (
        "from uprobe_core.hookspecs import hookimpl\n"
        "class X:\n    @hookimpl\n    def uprobe_configure(self, setup, more): pass\n"
    )
    install("third", GROUP, {"more": "third_more:X"}, {"third_more": source})
    with pytest.raises(PluginError, match="more"):
        create()


def test_a_module_can_be_a_plugin(install: Install) -> None:
    source = (
        "from uprobe_core.hookspecs import hookimpl\n"
        "SEEN = []\n@hookimpl\ndef uprobe_configure(setup): SEEN.append(setup)\n"
    )
    install("third", GROUP, {"mod": "third_mod"}, {"third_mod": source})
    setup = RunSetup()
    create().hook.uprobe_configure(setup=setup)
    import third_mod  # type: ignore[import-not-found]

    assert list(third_mod.SEEN) == [setup]


def test_hook_calls_can_be_traced(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install_two(install)
    monkeypatch.setenv(TRACE_SWITCH, "1")
    create().hook.uprobe_session_finish(session=None, status=None)
    assert "hook uprobe_session_finish(session=None, status=None)" in capsys.readouterr().err
