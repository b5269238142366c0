"""Processes and tasks: what they are, how they come about, what they share, how they end."""
