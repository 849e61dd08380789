class BoundaryError(Exception):
    pass


class WaypointError(Exception):
    pass


class DemoError(Exception):
    pass


class NoWaypointsError(Exception):
    pass


class TaskEnvironmentError(Exception):
    pass


class InvalidActionError(Exception):
    pass
