"""The scheduler's promises: the same seed gives the same run, another seed another order."""

from __future__ import annotations

from tests.linux.guests import build, run


def test_same_seed_gives_the_same_interleaving() -> None:
    """Byte for byte."""
    program = build("interleave")
    assert run(program, seed=5).stdout == run(program, seed=5).stdout


def test_other_seeds_give_other_interleavings_and_the_same_result() -> None:
    """Eight seeds: hardly any two orders agree, all counts do."""
    program = build("interleave")
    outputs = [run(program, seed=seed).stdout.splitlines() for seed in range(8)]
    assert len({order for order, _ in outputs}) >= 6
    assert {result for _, result in outputs} == {"1000 1000 1000 1000"}


def test_threads_take_turns_within_their_work() -> None:
    """No thread runs to its end before another starts."""
    order = run(build("interleave"), seed=1).stdout.splitlines()[0].split()
    assert len(order) > 8
