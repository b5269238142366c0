"""Breakpoints, steps and code hooks of one process, as the core asks for them."""
