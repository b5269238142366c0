"""The kernel's machinery: a registry of probed places, the life of a hit, XOL slots, returns, semaphores."""
