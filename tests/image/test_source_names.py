"""Names without parameters, beside binutils' c++filt; two functions are never shown by one name."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from uprobe_core.call_names import CallNames
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


def event(name: str, location: str, offset: int, kind: str = "p") -> EventSpec:
    return EventSpec(kind, "app", name, "/bin/app", offset, location=location)


def test_overloads_are_told_apart_by_their_parameters_and_namesakes_by_their_groups() -> None:
    events = [event("add", "add(int)", 1), event("add_2", "add(long)", 2), event("one", "one(int)", 3)]
    system_call = EventSpec("s", "s", "read", "", 0, location="read")
    names = CallNames([*events, event("read", "read", 9), system_call]).by_event()
    assert sorted(names.values()) == ["add(int)", "add(long)", "app/read", "one", "s/read"]


def test_a_return_is_called_as_its_entry() -> None:
    entry, back = event("add", "add(int)", 1), event("add__return", "add(int)", 1, "r")
    names = CallNames([entry, back])
    assert (names.of(entry), names.of(back)) == ("add", "add")


def test_an_event_that_came_later_is_called_by_its_place_or_its_name() -> None:
    assert CallNames([]).of(event("add", "add(int)", 1)) == "add"
    assert CallNames([]).of(event("p_app_0x10", "", 1)) == "p_app_0x10"
