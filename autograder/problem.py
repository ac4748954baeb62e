"""What the user can mend."""


class Problem(Exception):
    """Something that the user can mend; the message is a sentence that says what was wrong, where, and what to do."""
