"""Sockets lie in ``tmp_path``."""

from tests.short_paths import tmp_path as tmp_path
