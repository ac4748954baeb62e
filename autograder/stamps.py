"""`timestamp.txt`, by which nbgrader knows when a submission was handed in.

Where a system says that it was late and not when, the file holds the first microsecond behind the deadline. It is written
as nobody else writes it, with a T, so it is known again, and goes where the deadline goes; other times have whole seconds.
"""

import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nbgrader.utils import parse_utc

from autograder import store

NAME = "timestamp.txt"
NOT_KNOWN = "not known by how much"


def read(folder: Path) -> datetime | None:
    """The time, in UTC without a zone; None where there is none that can be read."""
    try:
        path = folder / NAME
        text = path.read_text().strip() if stat.S_ISREG(path.lstat().st_mode) else ""
        when = parse_utc(text)
        return when if re.search(r"\dT\d", text) else when.replace(microsecond=0)
    except (OSError, ValueError, OverflowError):
        return None


def write(folder: Path, when: datetime | None) -> None:
    """Put a time there; None: take it away."""
    for left in folder.glob(".new-*"):  # of a run that was killed here
        left.unlink()
    if when is None:
        (folder / NAME).unlink(missing_ok=True)
    else:
        form = "%Y-%m-%dT%H:%M:%S.%f" if late_by_unknown(when) else "%Y-%m-%d %H:%M:%S"
        store.write(folder / NAME, f"{when:{form}} UTC\n")


def behind(deadline: datetime | None) -> datetime:
    """The time of what was late by nobody knows how much; without a deadline, now."""
    when = deadline or datetime.now(UTC).replace(tzinfo=None)
    return when.replace(microsecond=1) + timedelta(seconds=when.microsecond > 0)


def late_by_unknown(when: datetime | None) -> bool:
    """Whether `behind` made that time.

    >>> late_by_unknown(behind(datetime(2026, 11, 20))), late_by_unknown(datetime(2026, 11, 20)), late_by_unknown(None)
    (True, False, False)
    """
    return when is not None and when.microsecond == 1


def follow(folder: Path, deadline: datetime | None) -> None:
    """Move a time that `behind` made to where the deadline is now."""
    when = read(folder)
    if deadline is not None and late_by_unknown(when) and when != behind(deadline):
        write(folder, behind(deadline))
