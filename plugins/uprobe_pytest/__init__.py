"""Probes in a pytest suite: the fixtures ``uprobe_program`` and ``uprobe_session``.

Found by pytest through its ``pytest11`` group.  Until a test asks for one of
the fixtures nothing but this package is imported.
"""
