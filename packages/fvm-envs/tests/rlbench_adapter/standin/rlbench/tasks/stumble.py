class Stumble:
    """Its demonstrations fail."""

    variations = 1
    hard_to_demonstrate = 1.0
