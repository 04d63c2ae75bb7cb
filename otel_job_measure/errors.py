"""The errors that a programmer can see.

::

    JobMeasureError
    ├── SettingsError (ValueError)        a setting, an argument or a variable is wrong
    ├── UsageError (TypeError)            a call that cannot work: not callable, not a name
    ├── MisuseError (RuntimeError)        a call at the wrong time: `next` twice, `run()` entered twice
    ├── StateDirError (OSError)           a command cannot use the state directory
    ├── LineProtocolError (ValueError)    a line that is not line protocol
    ├── HistoryError                      the history cannot be read
    │   └── NewerHistoryError             it was written by a newer version
    └── MissingDependencyError (ImportError)   an optional library is not installed

Set-up errors are raised at once. At run time nothing of ours is ever raised into a job.
"""


class JobMeasureError(Exception):
    """The base of every error of this package."""


class SettingsError(JobMeasureError, ValueError):
    """A setting is wrong; the message names it, what it got and what it takes."""


class UsageError(JobMeasureError, TypeError):
    """A call was given something that it cannot work with."""


class MisuseError(JobMeasureError, RuntimeError):
    """A call came at a time when it means nothing."""


class StateDirError(JobMeasureError, OSError):
    """The state directory cannot be used, and the command needs it."""


class LineProtocolError(JobMeasureError, ValueError):
    """A line is not line protocol."""


class HistoryError(JobMeasureError):
    """The history cannot be read."""


class NewerHistoryError(HistoryError):
    """The history was written by a newer version of this package."""


class MissingDependencyError(JobMeasureError, ImportError):
    """An optional library is missing; the message has the line that installs it."""
