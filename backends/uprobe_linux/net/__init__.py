"""The network of a run without ``--allow-net``."""
