"""Signals: numbers, siginfo, dispositions and queues, stack frames, delivery."""
