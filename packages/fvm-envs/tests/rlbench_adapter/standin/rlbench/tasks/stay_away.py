class StayAway:
    """Finds no place."""

    variations = 1
    hard_to_place = 1.0
