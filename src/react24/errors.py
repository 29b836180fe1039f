"""Errors a user can act on."""


class InputError(ValueError):
    """Something the user gave us cannot be used.

    The message names the file (and row, frame or second), says what was found, what is accepted
    and what to do.
    """


class InputErrors(InputError):
    """Several input errors found in one pass, reported together.

    Attributes:
        problems: One sentence per problem, in the order in which they were found.
    """

    def __init__(self, title: str, problems: list[str]):
        self.problems = list(problems)
        lines = "\n".join(f"  {i}. {p}" for i, p in enumerate(self.problems, start=1))
        super().__init__(f"{title}\n{lines}")
