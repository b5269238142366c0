"""The native engine: which sites it takes, what it is told, what it found; itself it lies in ``c/``."""
