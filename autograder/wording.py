"""How tests' words and times are put to a person."""

import html
import re

from markupsafe import Markup

from autograder.archive import plain


def coded(text: str) -> str:
    """Words of a test as HTML, what stands in backticks set as code.

    >>> str(coded("Is its `return` <missing>?"))
    'Is its <code>return</code> &lt;missing&gt;?'
    """
    return Markup(
        re.sub(r"`([^`\n]+)`", r"<code>\1</code>", "\n".join(html.escape(plain(line)) for line in text.split("\n")))
    )


def many(count: int, things: str) -> str:
    """How many of them: "1 submission", "2,000 submissions".

    >>> many(1, "submission"), many(2000, "submission")
    ('1 submission', '2,000 submissions')
    """
    return f"{count:,} {things}{'s' * (count != 1)}"


def some(names, most: int) -> str:
    """A list that fits in a sentence.

    >>> some(["ada", "bob", "cleo"], 2)
    'ada, bob and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def duration(seconds: float) -> str:
    """How long, in a short form.

    >>> duration(7.54), duration(75), duration(754), duration(7300)
    ('7.5 s', '75 s', '13 min', '2.0 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def lateness(seconds: float) -> str:
    """How late, in words; nothing for what was in time.

    >>> lateness(-5), lateness(30), lateness(5400), lateness(200000)
    ('', 'under a minute', '1 h 30 min', '2 days 7 h')
    """
    minutes = int(seconds // 60)
    if seconds <= 0:
        return ""
    if minutes == 0:
        return "under a minute"
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} day{'s' * (days > 1)}" + (
            f" {hours} h" if hours else f" {minutes % 60} min" if minutes % 60 else ""
        )
    return (f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h") if hours else f"{minutes} min"


def capital(sentence: str) -> str:
    """With a capital letter, unless it begins with the name of a file."""
    return sentence if "." in sentence.split(" ")[0] else sentence[:1].upper() + sentence[1:]
