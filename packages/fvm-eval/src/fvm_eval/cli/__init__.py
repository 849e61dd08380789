"""The command: its options, what it does with them, and how it speaks to any terminal."""
