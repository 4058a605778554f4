"""A model provider that costs almost nothing, for benchmarks and tests: `python -m bench.simulator`."""
