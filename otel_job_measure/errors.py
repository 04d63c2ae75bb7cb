"""The errors that the package raises.

::

    JobMeasureError
    ├── SettingsError (ValueError)        a setting, an argument or a variable is wrong
    ├── UsageError (TypeError)            an argument of a wrong kind: not callable, not a name
    ├── MisuseError (RuntimeError)        a call at the wrong time: `next` twice, `run()` entered twice
    ├── StateDirError (OSError)           a command cannot use the state directory
    ├── LineProtocolError (ValueError)    a line that is not line protocol
    ├── StoreError                        a store of runs, such as InfluxDB, cannot answer a question
    │   └── HistoryError                  the history cannot be read
    │       ├── BusyHistoryError          another process is using it
    │       ├── DamagedHistoryError       it was damaged and has been set aside
    │       └── NewerHistoryError         it was written by a newer version
    ├── NotifyError                       a target of notifications is wrong, or did not take a message
    │   └── PartlyTakenError              a mail server took a message, but not for all recipients
    ├── ScheduleError (ValueError)        a schedule or a limit of what should happen is wrong
    └── MissingDependencyError (ImportError)   an optional library is not installed

Set-up errors are raised at once. The package never raises into a job, except for programming errors (`UsageError`,
`MisuseError`).
"""


class JobMeasureError(Exception):
    """The base class of all errors of this package."""


class SettingsError(JobMeasureError, ValueError):
    """A setting is wrong; the message names it, the value it got and the values it takes."""


class UsageError(JobMeasureError, TypeError):
    """An argument of a call is of a wrong kind."""


class MisuseError(JobMeasureError, RuntimeError):
    """A call came at a wrong time."""


class StateDirError(JobMeasureError, OSError):
    """A command cannot use the state directory."""


class LineProtocolError(JobMeasureError, ValueError):
    """A line is not line protocol."""


class StoreError(JobMeasureError):
    """A store cannot answer a question; the message says why and what to do."""


class NotifyError(JobMeasureError):
    """A target of notifications cannot be used, or did not take a message; the text has no secrets."""


class PartlyTakenError(NotifyError):
    """A target took a message, but not for everybody: it is not sent again."""


class ScheduleError(JobMeasureError, ValueError):
    """A schedule or a limit is wrong; the message says which, what it got and what it takes."""


class HistoryError(StoreError):
    """The history cannot be read."""


class NewerHistoryError(HistoryError):
    """A newer version of this package wrote the history."""


class BusyHistoryError(HistoryError):
    """Another process is using the history; try again later."""


class DamagedHistoryError(HistoryError):
    """The history was damaged; it has been set aside, and the next transaction begins a new one."""


class MissingDependencyError(JobMeasureError, ImportError):
    """An optional library is missing; the message says how to install it."""
