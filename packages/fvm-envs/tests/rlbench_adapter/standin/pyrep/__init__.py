"""A strict stand-in for PyRep 4.1, after section 2 of the study's notes: one simulator a process."""

import os

_launched = False


class PyRep:
    def __init__(self):
        if "COPPELIASIM_ROOT" not in os.environ:
            raise RuntimeError("COPPELIASIM_ROOT not defined. See installation instructions.")

    def launch(self, scene_file="", headless=False):
        global _launched
        if _launched:
            raise RuntimeError("a second simulator in one process would crash")
        _launched = True

    def shutdown(self):
        global _launched
        _launched = False
