"""A strict stand-in for RLBench 1.2."""
