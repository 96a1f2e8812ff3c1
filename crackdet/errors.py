"""The exceptions that crackdet raises for mistakes a user can mend."""


class CrackdetError(Exception):
    """A problem with a file, an option or a data set, told in one sentence with its remedy.

    The command line prints the sentence without a traceback and exits with 1.
    """


class UsageError(CrackdetError):
    """Options that say nothing sensible, or do not go together; the command line exits with 2."""


class CrackdetWarning(UserWarning):
    """Something that a user should know of, told in one sentence.

    The command line prints the sentence, and no warning of another kind.
    """
