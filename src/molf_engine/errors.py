"""Errors that a user can act on.

Every message says what failed, where, and what to do about it.  The command line prints the message alone and
exits with code 2; anything that is not a :class:`MolfError` is our mistake (exit code 1).
"""


class MolfError(Exception):
    """Something in the input or the settings that the user can put right."""


class SlideError(MolfError):
    """A slide that cannot be opened or read."""


class MissingScaleError(SlideError):
    """A slide that does not say how many um a pixel is."""


class NoTissueError(SlideError):
    """No tissue where patches were asked for."""


class ConfigError(MolfError):
    """A setting that is unknown, of the wrong type or out of range."""


class DataError(MolfError):
    """Expression data, features or splits that do not fit their description."""


class BundleError(MolfError):
    """A trained model that is missing, damaged or does not fit what it is used with."""


class PredictionError(MolfError):
    """A saved prediction that breaks its contract or was written by an unknown version."""


class RegionError(MolfError):
    """Regions that cannot be read, enclose nothing or lie on another slide."""


class Cancelled(Exception):
    """The user asked to stop.  Not a :class:`MolfError`: nothing is wrong."""
