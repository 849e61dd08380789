class HideAway:
    """Finds a place in one reset of two."""

    variations = 1
    hard_to_place = 0.5
