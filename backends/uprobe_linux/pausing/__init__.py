"""Pauses of a run: where the program stands still, and copies of the machine that stand still with it."""
