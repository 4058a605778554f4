"""Benchmarks that print ratios, and what they need: a simulated provider, a load client, a bare relay."""
