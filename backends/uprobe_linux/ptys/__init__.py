"""Pseudo-terminals of the run's own: line discipline, ends, controlling terminals. None is the host's."""
