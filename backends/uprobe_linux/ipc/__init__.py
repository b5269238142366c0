"""System V IPC objects that all processes of a run share."""
