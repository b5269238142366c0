"""Debug information of one program file (DWARF 4 and 5): functions, variables, types, lines.

One unit is read, not the file.  Nothing is imported here; each module reads one kind of thing, when asked.
"""
