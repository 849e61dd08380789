"""The command `study`: what a user asks, and what is shown."""
