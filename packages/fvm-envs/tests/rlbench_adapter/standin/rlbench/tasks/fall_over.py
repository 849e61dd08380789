class FallOver:
    """Dies as Qt and GL do, by a signal."""

    variations = 1
    dies = True
