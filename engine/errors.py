"""The errors a person can cause or meet. Each message says where, what was found, and what to do.

One odd model reply is data, not an error; `assert` is for our own mistakes.
"""


class JudgeStudioError(Exception):
    """An expected failure. The command line prints it as one sentence and exits with `exit_code`."""

    exit_code = 1


class SettingsError(JudgeStudioError):
    """A setting is unknown, has a value out of range, or contradicts another."""


class UsageError(JudgeStudioError):
    """The command was called wrongly."""

    exit_code = 2


class SourceError(JudgeStudioError):
    """A source of images is missing, unreadable, or holds nothing usable."""


class ModelError(JudgeStudioError):
    """A model or adapter cannot be loaded, or is not of the kind that is needed."""


class BackendError(JudgeStudioError):
    """A backend could not do the work asked for: out of memory at batch size one, server gone, and so on."""


class WorkspaceError(JudgeStudioError):
    """The workspace is missing, of a newer layout, or a file in it cannot be read or written."""


class DamagedError(WorkspaceError):
    """A file of the workspace does not hold what was written there, e.g. after a power loss."""


class LockedError(WorkspaceError):
    """Another process writes to this run."""


class IdentityError(WorkspaceError):
    """Finished work was made with other settings than those asked for now."""


class TrainingError(JudgeStudioError):
    """Training could not start or its result is unusable: nothing kept, adapter without effect, loss not a number."""


class StopRequested(JudgeStudioError):
    """Somebody asked the run to stop; finished work is on disk. Exit code 0: it is not a failure."""

    exit_code = 0
