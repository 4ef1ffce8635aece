"""Options of the stages `clear-workspace` and `doctor`."""

from dfl.base.options import Options, option


class ClearWorkspaceOptions(Options):
    """Deleting asks first."""

    yes: bool = option(False, "No questions: nothing is deleted, as the default answer is no.")
    delete: bool = option(False, "Delete without asking.")


class DoctorOptions(Options):
    """What the doctor looks at beyond the quick checks."""

    engine: bool = option(False, "Start the engine too and tell its device; takes up to a minute.")
