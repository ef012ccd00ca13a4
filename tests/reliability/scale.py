"""How much of a reliability test to run: the short form in `make test`, the full one in `make reliability`."""
import os

FULL = os.environ.get("RELIABILITY") == "full"


def scale(short, full):
    """The count for this run."""
    return full if FULL else short
