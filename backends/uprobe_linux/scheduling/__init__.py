"""Who runs next and until when: slices, futexes, timers, the clock, limits."""
