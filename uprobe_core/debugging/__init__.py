"""A run that stands still: served to gdb or to a Python prompt, and run again to earlier moments of it."""
