"""Choosing one plugin by name: what is listed, imported, refused and blamed."""

from __future__ import annotations

import os
import re
import sys

import pytest

from tests.discovery.plugin_sources import GOOD_CONSUMER, GOOD_DECODER, Install
from uprobe_core.decoder import Decoder
from uprobe_core.discovery.entries import Kind, entries, names
from uprobe_core.discovery.importing import PATIENCE_SWITCH
from uprobe_core.discovery.load import load_arch, load_backend, load_consumer, load_decoder
from uprobe_core.discovery.survey import survey
from uprobe_core.errors import PluginError, UsageError


def test_names_are_listed_without_importing_anything(install: Install) -> None:
    install("third", "uprobe.decoders", {"third": "third_bomb:X"}, {"third_bomb": "raise SystemError"})
    assert "third" in names(Kind.DECODER)
    assert "third_bomb" not in sys.modules


def test_a_third_partys_decoder_is_loaded_by_name(install: Install) -> None:
    install("third", "uprobe.decoders", {"third": "third_dec:D"}, {"third_dec": GOOD_DECODER})
    decoder = load_decoder("third")
    assert isinstance(decoder, Decoder)
    assert decoder.decode(b"", 0) is None


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("from uprobe_core.events.model import Record", "is in uprobe_core.writer now"),
        ("import uprobe_core.dispatch", "files at the top of uprobe_core"),
        ("from uprobe_core.types import Gone", "uprobe_core.types"),
    ],
)
def test_an_import_of_ours_that_is_gone_says_where_to_look(install: Install, line: str, remedy: str) -> None:
    install("third", "uprobe.decoders", {"third": "third_old:D"}, {"third_old": line})
    with pytest.raises(PluginError) as caught:
        load_decoder("third")
    assert remedy in f"{caught.value}\n{caught.value.hint}"


def test_only_the_named_plugin_is_imported(install: Install) -> None:
    install(
        "third",
        "uprobe.decoders",
        {"good": "third_dec:D", "bad": "third_bomb:X"},
        {"third_dec": GOOD_DECODER, "third_bomb": "raise SystemError"},
    )
    load_decoder("good")
    assert "third_bomb" not in sys.modules


def test_an_unknown_name_is_a_usage_error_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no backend is called 'unicron'") as caught:
        load_backend("unicron")
    assert "did you mean 'unicorn'?" in caught.value.hint
    assert caught.value.exit_status == 2


def test_an_import_error_names_plugin_package_and_reason(install: Install) -> None:
    install("third", "uprobe.decoders", {"third": "third_bad:D"}, {"third_bad": "import third_missing"})
    with pytest.raises(PluginError) as caught:
        load_decoder("third")
    message = str(caught.value)
    assert "'third'" in message
    assert "third 1.0" in message
    assert "No module named 'third_missing'" in message
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert caught.value.plugin == "third"


@pytest.mark.parametrize("source", ["assert False, 'told so'", "raise ValueError('told so')", "1 / 0"])
def test_whatever_an_import_raises_becomes_a_plugin_error(install: Install, source: str) -> None:
    install("third", "uprobe.decoders", {"third": "third_bad:D"}, {"third_bad": source})
    with pytest.raises(PluginError, match="failed to import"):
        load_decoder("third")


def test_a_missing_attribute_is_an_import_failure(install: Install) -> None:
    install("third", "uprobe.decoders", {"third": "third_dec:Nope"}, {"third_dec": GOOD_DECODER})
    with pytest.raises(PluginError, match="Nope"):
        load_decoder("third")


def test_a_name_that_two_packages_claim_is_refused_naming_both(install: Install) -> None:
    install(
        "third",
        "uprobe.decoders",
        {"same": "third_dec:D", "other": "third_dec:D"},
        {"third_dec": GOOD_DECODER},
    )
    install("fourth", "uprobe.decoders", {"same": "third_dec2:D"}, {"third_dec2": GOOD_DECODER})
    with pytest.raises(PluginError, match="claimed twice") as caught:
        load_decoder("same")
    assert "third 1.0" in str(caught.value)
    assert "fourth 1.0" in str(caught.value)
    assert "third_dec" not in sys.modules
    assert caught.value.hint == "say which: fourth:same or third:same"
    assert load_decoder("third:same").__class__.__module__ == "third_dec"
    assert load_decoder("fourth:same").__class__.__module__ == "third_dec2"


@pytest.mark.parametrize("version", ["2.0", "0.9"])
def test_a_plugin_for_another_major_version_of_its_contract_is_refused(
    install: Install, version: str
) -> None:
    source = f"{GOOD_DECODER}\n    contract = {version!r}\n"
    install("third", "uprobe.decoders", {"third": "third_old:D"}, {"third_old": source})
    with pytest.raises(PluginError, match=f"made for version {version} of the decoder contract") as caught:
        load_decoder("third")
    assert caught.value.slug == "plugin-version"


@pytest.mark.parametrize("version", ["1", "1.0", "1.7"])
def test_a_plugin_for_the_same_major_version_is_taken(install: Install, version: str) -> None:
    source = f"{GOOD_DECODER}\n    contract = {version!r}\n"
    install("third", "uprobe.decoders", {"third": "third_new:D"}, {"third_new": source})
    assert load_decoder("third").name


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class D:\n    name = 'd'", "decode missing"),
        ("class D:\n    def decode(self, code, address): return None", "name missing"),
        ("class D:\n    name = 'd'\n    def decode(self, code): return None", r"decode\(code, address\)"),
    ],
)
def test_a_decoder_that_does_not_fit_its_contract_is_told_what_is_wrong(
    install: Install, source: str, complaint: str
) -> None:
    install("third", "uprobe.decoders", {"third": "third_bad:D"}, {"third_bad": source})
    with pytest.raises(PluginError, match=complaint) as caught:
        load_decoder("third")
    assert caught.value.slug == "plugin-contract"
    assert "decoder 'third'" in str(caught.value)


def test_a_class_that_cannot_be_constructed_is_blamed(install: Install) -> None:
    source = "class D:\n    def __init__(self): raise OSError('no device')"
    install("third", "uprobe.decoders", {"third": "third_bad:D"}, {"third_bad": source})
    with pytest.raises(PluginError, match="cannot be constructed: OSError: no device"):
        load_decoder("third")


def test_an_arch_without_its_hooks_is_told_which_are_missing(install: Install) -> None:
    source = (
        "from uprobe_core.arch_hooks import hookimpl\n"
        "class A:\n    @hookimpl\n    def swbp_insn(self): return b''\n"
    )
    install("third", "uprobe.archs", {"third": "third_arch:A"}, {"third_arch": source})
    with pytest.raises(PluginError, match=r"post_xol.*missing"):
        load_arch("third")


def test_an_arch_with_a_misspelt_hook_is_told_so(install: Install) -> None:
    source = (
        "from uprobe_core.arch_hooks import hookimpl\n"
        "class A:\n    @hookimpl\n    def pre_xoll(self, task, utask): return True\n"
    )
    install("third", "uprobe.archs", {"third": "third_arch:A"}, {"third_arch": source})
    with pytest.raises(PluginError, match="pre_xoll"):
        load_arch("third")


def test_a_consumer_gets_its_options(install: Install) -> None:
    install("third", "uprobe.consumers", {"third": "third_con:C"}, {"third_con": GOOD_CONSUMER})
    plugin = load_consumer("third", {"a": "1"})
    assert plugin.options == {"a": "1"}  # type: ignore[attr-defined]


def test_a_consumers_own_usage_error_comes_through(install: Install) -> None:
    source = (
        GOOD_CONSUMER
        + "\nfrom uprobe_core.errors import UsageError\nclass R(C):\n"
        + "    def __init__(self, options): raise UsageError('no option x')\n"
    )
    install("third", "uprobe.consumers", {"third": "third_con:R"}, {"third_con": source})
    with pytest.raises(UsageError, match="no option x"):
        load_consumer("third", {"x": ""})


def test_the_survey_keeps_errors_and_goes_on(install: Install) -> None:
    install(
        "third",
        "uprobe.decoders",
        {"aaa": "third_bad:D", "bbb": "third_dec:D"},
        {"third_bad": "import third_missing", "third_dec": GOOD_DECODER},
    )
    found = {status.entry.name: status for status in survey()}
    assert "third_missing" in found["aaa"].error
    assert "Traceback" in found["aaa"].traceback
    assert found["bbb"].error == ""


def test_everything_that_we_ship_loads_and_fits() -> None:
    ours = [s for s in survey() if s.entry.distribution.startswith("uprobe ")]
    assert {s.entry.kind for s in ours} >= {Kind.BACKEND, Kind.DECODER, Kind.ARCH, Kind.CONSUMER}
    assert [s.error for s in ours if s.error] == []


# --- what happens while a plugin is imported ----------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import sys; sys.exit(3)", r"exited while it was imported \(status 3\)"),
        ("raise SystemExit('enough')", r"exited while it was imported \(status enough\)"),
        ("import time; time.sleep(60)", r"was still importing after 0\.3 s"),
        ("while True: pass", r"was still importing after 0\.3 s"),
        ("try:\n    while True: pass\nexcept Exception: pass", r"was still importing after 0\.3 s"),
    ],
)
def test_a_plugin_that_exits_or_hangs_while_it_is_imported_is_named(
    install: Install, monkeypatch: pytest.MonkeyPatch, source: str, complaint: str
) -> None:
    monkeypatch.setenv(PATIENCE_SWITCH, "0.3")
    install("third", "uprobe.decoders", {"third": "third_bad:D"}, {"third_bad": source})
    with pytest.raises(PluginError, match=complaint) as caught:
        load_decoder("third")
    assert "decoder 'third' (third_bad:D, from third 1.0)" in str(caught.value)


def test_a_plugin_that_hangs_is_stopped_even_if_python_loses_the_first_exception(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    monkeypatch.setenv(PATIENCE_SWITCH, "0.1")
    finalizer = "class C:\n    def __del__(self):\n        while not lost: pass\n"
    source = f"import sys\nlost = sys.unraisablehook.__self__\n{finalizer}C()\nwhile True: pass"
    install("third", "uprobe.decoders", {"third": "third_bad:D"}, {"third_bad": source})
    with pytest.raises(PluginError, match="was still importing after"):
        load_decoder("third")
    assert len(lost) == 1


@pytest.mark.parametrize(
    "call",
    [
        "os._exit(0)",
        "os.abort()",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.closerange(3, 9)",
        "signal.alarm(9)",
        "sys.setrecursionlimit(99)",
    ],
)
def test_a_plugin_that_would_leave_the_process_raises_whenever_we_call_it(
    install: Install, call: str
) -> None:
    """Not the plugin's package when it calls us: it may be somebody's program."""
    leaves = f"import os, signal, sys\nclass D:\n    name = 'd'\n    def __init__(self): {call}\n"
    more = "def main(run): return run(os.fork)\n"
    install(
        "third",
        "uprobe.decoders",
        {"third": "third_dec:D", "fourth": "third_bad:D"},
        {"third_dec": leaves + more, "third_bad": f"import os, signal, sys; {call}"},
    )
    with pytest.raises(
        PluginError, match=rf"failed to import: RuntimeError: {re.escape(call.partition('(')[0])}\(\)"
    ):
        load_decoder("fourth")
    with pytest.raises(PluginError, match="cannot be constructed: RuntimeError: "):
        load_decoder("third")
    child = sys.modules["third_dec"].main(lambda fork: fork())
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize("source", ["print('hello')", "import os; os.write(1, b'hello')"])
def test_what_a_plugin_prints_while_it_is_imported_is_no_output_of_the_program(
    install: Install, capfd: pytest.CaptureFixture[str], source: str
) -> None:
    install("third", "uprobe.decoders", {"third": "third_dec:D"}, {"third_dec": f"{source}\n{GOOD_DECODER}"})
    load_decoder("third")
    out, err = capfd.readouterr()
    assert out == ""
    assert "decoder 'third' (third_dec:D, from third 1.0) printed while it was imported: 'hello'" in err


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import sys; sys.exit(3)", "exited while it was imported (status 3)"),
        ("import ctypes; ctypes.CDLL(None)._exit(3)", "ended the process while it was tried (status 3)"),
        (
            "import ctypes, faulthandler; faulthandler.disable(); ctypes.CDLL(None).abort()",
            "crashed while it was tried (SIGABRT)",
        ),
        ("import time; time.sleep(60)", "was still importing after 0.5 s"),
        (
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\nwhile True: pass",
            "was not done after 0.5 s",
        ),
        (f"print('hello')\n{GOOD_DECODER}", "printed while it was imported: 'hello'"),
    ],
)
def test_the_survey_names_who_exits_hangs_crashes_or_prints_and_shows_the_others(
    install: Install, monkeypatch: pytest.MonkeyPatch, source: str, complaint: str
) -> None:
    install("third", "uprobe.decoders", {"aaa": "third_bad:D"}, {"third_bad": source})
    install("fourth", "uprobe.decoders", {"bbb": "third_dec:D"}, {"third_dec": GOOD_DECODER})
    kept = [entry for entry in entries(Kind.DECODER) if entry.name in ("aaa", "bbb")]
    monkeypatch.setattr(
        "uprobe_core.discovery.survey.entries", lambda kind: kept if kind is Kind.DECODER else []
    )
    monkeypatch.setenv(PATIENCE_SWITCH, "0.5")
    bad, good = survey()
    assert complaint in bad.error
    assert good.error == ""
