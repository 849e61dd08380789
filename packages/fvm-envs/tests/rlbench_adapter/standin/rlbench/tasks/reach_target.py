class ReachTarget:
    variations = 20
