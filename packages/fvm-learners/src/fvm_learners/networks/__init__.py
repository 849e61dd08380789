"""Encoders, memory, heads and noisy layers, of which learners make their networks."""
