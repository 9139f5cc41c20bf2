"""Errors that a user is meant to read: what was received, what was expected, how to fix it."""


class LandscapeError(Exception):
    """Bad input or an impossible request; the command line prints it as one message, without a traceback."""


class CheckpointError(LandscapeError):
    """A checkpoint file that cannot be read, or that does not fit the network it is loaded into."""


class DataError(LandscapeError):
    """A data set that is missing, damaged, or does not hold what was asked for."""


class ResultError(LandscapeError):
    """A saved result that is missing, damaged, or cannot be combined with another."""
