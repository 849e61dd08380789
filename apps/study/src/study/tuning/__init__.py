"""Tuning on validation tasks: by a grid (`study tune`), or at random (`--tune`)."""
