"""What is in a program file: symbols, source lines, markers.

Nothing is imported here; each module reads one kind of thing and only when asked.
"""
