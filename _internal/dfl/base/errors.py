"""The two kinds of failure a user meets: one they can mend, and one that is our bug."""


class UserError(Exception):
    """Something the user can mend. Shown as two lines without a traceback; exit code 2.

    `what` says what happened and names the file; `todo` says the way out.
    """

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what}\n{todo}")
        self.what = what
        self.todo = todo

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str]]:
        """Errors cross process borders: rebuild from the two texts, not from the joined one."""
        return UserError, (self.what, self.todo)


class Stopped(Exception):
    """The user stopped the run (Ctrl-C, or "no" to a question). Exit code 130; finished work is kept."""
