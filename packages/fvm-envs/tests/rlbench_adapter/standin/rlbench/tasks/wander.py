class Wander:
    """Has no waypoints to be demonstrated by."""

    variations = 1
    waypoints = False
