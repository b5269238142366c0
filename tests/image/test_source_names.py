"""Names without parameters, beside binutils' c++filt; two functions are never shown by one name."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from uprobe_core.call_names import CallNames, readable_names
from uprobe_core.event_model import EventSpec
from uprobe_core.source_names import short, without_parameters

MANGLED = (
    "_ZN4verylsERi",
    "_ZltRK1AS1_",
    "_ZN1AclEi",
    "_ZN1AcvbEv",
    "_ZNKSt8functionIFivEEclEv",
    "_ZN12_GLOBAL__N_11fEi",
    "_ZlsIcERSoS0_RKT_",
    "_ZN6HolderIiSt8functionIFiRKSsEEE3putERKiS2_",
    "_ZZ4mainENKUliiE_clEii",
    "_Z4eachIZ4mainEUliiE_EvT_",
    "_ZN1AixEi",
    "_ZnwmPv",
    "_ZN1ApLEi",
    "_ZN1AdeEv",
    "_Z3fooi",
)


@pytest.mark.skipif(shutil.which("c++filt") is None, reason="needs c++filt (package binutils)")
@pytest.mark.parametrize("name", MANGLED)
def test_it_is_what_a_demangler_says_without_parameters(name: str) -> None:
    whole, bare = (
        subprocess.run(["c++filt", *options, name], capture_output=True, text=True, check=True).stdout.strip()
        for options in ((), ("-p",))
    )
    assert short(whole) == bare


def test_the_parameters_of_a_type_in_it_stay() -> None:
    assert without_parameters("each<main::{lambda(int)#1}>(int)") == "each<main::{lambda(int)#1}>"
    assert without_parameters("f.c:12") == "f.c:12"


def event(name: str, location: str, offset: int, kind: str = "p", *, is_named: bool = False) -> EventSpec:
    return EventSpec(kind, "app", name, "/bin/app", offset, location=location, is_named=is_named)


def test_overloads_are_told_apart_by_their_parameters_and_namesakes_by_their_groups() -> None:
    events = [event("add", "add(int)", 1), event("add_2", "add(long)", 2), event("one", "one(int)", 3)]
    system_call = EventSpec("s", "s", "read", "", 0, location="read")
    names = CallNames([*events, event("read", "read", 9), system_call]).by_event()
    assert sorted(names.values()) == ["add(int)", "add(long)", "app/read", "one", "s/read"]


def test_namesakes_of_one_group_are_told_apart_by_where_they_are() -> None:
    events = [event("help_1a", "help(int)", 0x1A), event("help_2b", "help(int)", 0x2B)]
    assert list(CallNames(events).by_event().values()) == ["help(int)@0x1a", "help(int)@0x2b"]
    assert list(readable_names(events).values()) == ["app/help(int)@0x1a", "app/help(int)@0x2b"]


def test_an_event_is_called_after_its_place_unless_somebody_named_it() -> None:
    events = [
        event("add", "add(int)", 1),
        event("add_2", "add(long)", 2),
        event("f", "one(int)", 3, is_named=True),
    ]
    events += [event("all__return", "all()", 4, "r"), event("p_app_0x10", "", 16)]
    assert readable_names(events) == {
        "app/add": "app/add(int)",
        "app/add_2": "app/add(long)",
        "app/f": "app/f",
        "app/all__return": "app/all__return",
        "app/p_app_0x10": "app/p_app_0x10",
    }


def test_a_name_that_somebody_gave_is_not_taken_by_a_place() -> None:
    events = [event("add_1", "add", 1), event("add", "", 2, is_named=True)]
    assert list(readable_names(events).values()) == ["app/add@0x1", "app/add"]


def test_a_return_is_called_as_its_entry() -> None:
    entry, back = event("add", "add(int)", 1), event("add__return", "add(int)", 1, "r")
    names = CallNames([entry, back])
    assert (names.of(entry), names.of(back)) == ("add", "add")


def test_an_event_that_came_later_is_called_by_its_place_or_its_name() -> None:
    assert CallNames([]).of(event("add", "add(int)", 1)) == "add"
    assert CallNames([]).of(event("p_app_0x10", "", 1)) == "p_app_0x10"
