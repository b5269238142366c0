"""The outer wall: what a process gives up of its own rights before it runs a program it does not trust."""
