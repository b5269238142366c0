"""What a hit costs, beside what the same costs with nothing around it; ``python -m benchmarks``."""
