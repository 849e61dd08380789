class FallAsleep:
    """Answers no more."""

    variations = 1
    hangs = True
