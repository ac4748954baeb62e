"""How learning management systems name what they export: from the files of an export to the attempts of students.

Moodle       Ada Lovelace_123456_assignsubmission_file_/lesson.ipynb     mod/assign/feedback/file/importziplib.php of Moodle;
             Participant_123456_…, where marking is anonymous
Canvas       lovelaceada_LATE_12345_67890_lesson-1.ipynb                 lib/content_zipper.rb of Canvas
Brightspace  12345-67890 - Ada Lovelace - Nov 21, 2026 1036 AM/lesson.ipynb
nbgrader     ada/lesson/lesson.ipynb, and its exchange: ada+lesson+2026-11-21 10:36:00 UTC+random/lesson.ipynb
folder       ada/lesson.ipynb, ada.ipynb, ada_lesson.ipynb, ada.zip
"""

import re
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import PurePosixPath

import dateutil.parser
from nbgrader.utils import parse_utc

from autograder.archive import Entry

FORMS = ("moodle", "canvas", "brightspace", "exchange", "nbgrader", "folder")
_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_(?:assignsubmission|assignfeedback)_(?P<kind>[a-z]+)(?:_(?P<rest>.*))?")
_CANVAS = re.compile(
    r"(?:(?P<name>.*?)_(?P<late>LATE_)?(?P<id>\d+)|(?P<late_too>LATE_)?anon_(?P<anonymous>\w+?))_(?P<file>\d+)_(?P<rest>.+)"
)
_CANVAS_TEXT = re.compile(r"(?P<name>.+?)_(?:LATE_)?(?P<id>\d+)_(?:text|link)\.html")
_BRIGHTSPACE = re.compile(r"(?P<id>\d+)-\d+\s+-\s+(?P<name>.+)\s+-\s+(?P<time>[^-]*\d{3,4}.*)")
DAY_OR_MONTH = re.compile(r"\s*(\d{1,2})[/-](\d{1,2})[/-](?:\d{4}|\d{2})\b")
_NUMBERED = re.compile(r"\s*\((\d{1,3})\)$")  # the copy of a file
_COPY = re.compile(r"(?:\s*\(\d{1,3}\)|-\d{1,3})$")  # what browsers and Canvas put behind the name of a second one


@dataclass
class Attempt:
    """One time that one student handed in."""

    form: str
    key: str  # the folder or the beginning of the name, as the system wrote it: for giving back
    name: str = ""
    lms_id: str = ""
    login: str = ""
    submitted: datetime | None = None  # UTC, without a zone, as nbgrader keeps it
    said: str = ""  # the same, as it was written
    late: bool = False  # the system says so
    order: int = 0  # later ones are larger, where no time is told
    files: list[tuple[str, Entry]] = field(default_factory=list)
    note: str = ""
    source: str = ""  # the path of the export
    inside: str = ""  # the name of an unknown submission's folder, which a person has put into the student's
    without_group: tuple[str, ...] = ()  # the name, where a group may stand before it


def order_of(form: str, key: str) -> int:
    """The `order` of an attempt with this key.

    >>> order_of("canvas", "lovelaceada_LATE_11_5001"), order_of("folder", "ada (1).ipynb"), order_of("moodle", "Ada_11_")
    (5001, 1, 0)
    """
    found = _CANVAS.fullmatch(f"{key}_x") if form == "canvas" else None
    copy = _NUMBERED.search(PurePosixPath(key).stem) if form == "folder" else None
    return int(found["file"]) if found else int(copy[1]) if copy else 0


def recognise(
    entries: list[Entry], lesson: str, form: str | None, zone: tzinfo, notebooks=(), kept=lambda name: False
) -> tuple[str, list[Attempt], list[Entry]]:
    """The form of an export, its attempts, and the entries that belong to none. notebooks: the names that a lesson's may have;
    kept: whether a folder is one of ours, of a hand-in that was unknown."""
    candidates = [entry for entry in entries if entry.path.lower().endswith((".ipynb", ".zip"))] or entries
    # exports are often in one or two folders of their own
    depths = [d for d in range(3) if len({e.parts[:d] for e in entries}) < 2 and all(len(e.parts) > d for e in entries)]
    best = form or "folder", _depth_of_plain(entries, depths, lambda name: name in notebooks or kept(name)), 0
    for name in [form] if form and form != "folder" else [] if form else FORMS[:-1]:
        for depth in depths:
            hits = sum(_READERS[name](entry.parts[depth:], lesson, zone) is not None for entry in candidates)
            like = (
                sum(_of_any_lesson(entry.parts[depth:], lesson) for entry in candidates) if name == "nbgrader" else hits
            )
            enough = hits > 0 if name in ("exchange", form) else hits > 0 and 2 * like >= len(candidates)
            if enough and hits > best[2]:
                best = name, depth, hits
    attempts, left = _group(entries, _READERS[best[0]], best[1], lesson, zone)
    # in Moodle all have a group in front, or none
    if best[0] == "moodle" and len(attempts) > 1 and all("-" in attempt.name for attempt in attempts):
        for about in attempts:
            about.without_group = tuple(about.name.split("-", n)[-1] for n in range(1, about.name.count("-") + 1))
    if best[0] == "moodle":
        _tell_apart(attempts)
    return best[0], _together(attempts, notebooks), left


def _tell_apart(attempts):
    """Where Moodle hides the names, all are `Participant` in the language of whoever exports; the number is then part of the name."""
    said = {attempt.name.rpartition("-")[2] for attempt in attempts}  # a group may stand before it
    many = len({attempt.lms_id for attempt in attempts}) > 2
    if len(said) == 1 and (many or " " not in min(said)):  # people have two names in Moodle
        for attempt in attempts:
            attempt.name, attempt.without_group = f"{min(said)} {attempt.lms_id}", ()


def _depth_of_plain(entries, depths, of_a_student):
    """Below one folder that holds everybody's files; one that holds the lesson's notebook itself is a student's."""
    deeper = [depth for depth in depths[1:] if not any(of_a_student(e.parts[depth:][0]) for e in entries)]
    return (
        max([0, *deeper], key=lambda depth: (len({e.parts[depth] for e in entries}), -depth), default=0)
        if entries
        else 0
    )


def _group(entries, reader, depth, lesson, zone):
    attempts, left = {}, []
    for entry in entries:
        found = reader(entry.parts[depth:], lesson, zone)
        if found is None:
            left.append(entry)
            continue
        about, rest = found
        attempt = attempts.setdefault((about.key, about.order), about)
        attempt.note = attempt.note or about.note
        if rest:
            attempt.files.append((rest, entry))
    return list(attempts.values()), left


def _together(attempts, notebooks):
    """Canvas gives each file an attempt of its own; the newest of each name of one student are one hand-in."""
    if not attempts or attempts[0].form != "canvas":
        return attempts
    students = {}
    for attempt in sorted(attempts, key=lambda a: a.order):
        students.setdefault(attempt.lms_id, []).append(attempt)
    out = []
    for mine in students.values():
        newest = {}
        for attempt in mine:
            for rest, entry in attempt.files:
                name = base_name(rest, notebooks)
                name = rest if newest.get(name, (None,))[0] is attempt else name  # two of one hand-in are two
                newest[name] = attempt, rest, entry
        with_notebook = [attempt for attempt, rest, _ in newest.values() if rest.lower().endswith(".ipynb")]
        chosen = (with_notebook or mine)[-1]
        kept = {id(entry) for _, _, entry in newest.values()}
        chosen.note = " ".join(
            [chosen.note, *(f"{rest} was handed in later, and late." for attempt, rest, _ in newest.values()
                            if attempt.late and not chosen.late)]
        ).strip()  # fmt: skip
        out += [a for a in mine if a is not chosen and any(id(entry) not in kept for _, entry in a.files)]
        chosen.files = [(rest, entry) for _, rest, entry in newest.values()]
        out.append(chosen)
    return out


def base_name(name: str, known) -> str:
    """The name of `known` that a file has but for the number that a browser or Canvas puts behind it; else its own.

    >>> [base_name(name, {"lab-3.ipynb"}) for name in ("lab-3.ipynb", "lab-3-2.ipynb", "lab-3 (1).ipynb", "lab-4.ipynb")]
    ['lab-3.ipynb', 'lab-3.ipynb', 'lab-3.ipynb', 'lab-4.ipynb']
    """
    path = PurePosixPath(name)
    while path.name not in known and (stem := _COPY.sub("", path.stem)) not in ("", path.stem):
        path = path.with_name(stem + path.suffix)
    return path.name if path.name in known else name


def _moodle(parts, lesson, zone):
    match = _MOODLE.fullmatch(parts[0])
    if match is None:
        return None
    key = parts[0] if len(parts) > 1 else parts[0][: match.start("rest")] if match["rest"] else parts[0]
    about = Attempt("moodle", key, match["name"].replace("_", " ").strip(), match["id"])
    if match["kind"] != "file":  # text typed into a box of Moodle's is no notebook
        about.key = re.sub(r"_[a-z]+_?$", "_file_", key)
        about.note = "there is text typed into Moodle, which was not taken."
        return about, ""
    return about, "/".join(parts[1:]) or match["rest"] or ""


def _canvas(parts, lesson, zone):
    if len(parts) > 1:
        return None
    match = _CANVAS.fullmatch(parts[0])
    if match is None:
        typed = _CANVAS_TEXT.fullmatch(parts[0])
        note = "there is a text or a link typed into Canvas, which was not taken."
        return (Attempt("canvas", parts[0], typed["name"], typed["id"], note=note), "") if typed else None
    late = bool(match["late"] or match["late_too"])
    lms_id = match["id"] or f"anon_{match['anonymous']}"
    key = parts[0][: match.start("rest") - 1]
    return Attempt("canvas", key, match["name"] or lms_id, lms_id, late=late, order=int(match["file"])), match["rest"]


def _brightspace(parts, lesson, zone):
    match = _BRIGHTSPACE.fullmatch(parts[0])
    if match is None or len(parts) < 2:
        return None
    try:
        when, note = time_of(match["time"], zone), ""
    except ValueError as error:
        when, note = None, f"the time {match['time']!r} cannot be read: {error}."
    return Attempt("brightspace", parts[0], match["name"].strip(), match["id"], submitted=when, note=note), "/".join(
        parts[1:]
    )


def _exchange(parts, lesson, zone):
    if parts[0] == "inbound":
        parts = parts[1:]
    match = re.fullmatch(rf"(?P<login>.+)\+{re.escape(lesson)}\+(?P<time>\d{{4}}-[^+]*)(?:\+.*)?", parts[0])
    if match is None or len(parts) < 2:
        return None
    try:
        when = parse_utc(match["time"]).replace(microsecond=0)
    except (ValueError, OverflowError):
        when = None
    rest = "/".join(parts[1:])
    return Attempt(
        "exchange", parts[0], login=match["login"], submitted=when
    ), "" if rest == "submission_secret.txt" else rest


def is_exchange(entry: Entry) -> bool:
    """Whether it lies as the exchange has it, of whatever lesson."""
    parts = entry.parts[1:] if entry.parts[0] == "inbound" else entry.parts
    return len(parts) > 1 and re.fullmatch(r".+\+.+\+\d{4}-[^+]*(\+.*)?", parts[0]) is not None


def _nbgrader(parts, lesson, zone):
    if len(parts) < 3 or parts[1] != lesson:
        return None
    return Attempt("nbgrader", parts[0], login=parts[0]), "/".join(parts[2:])


def _of_any_lesson(parts, lesson):
    """Whether it is where nbgrader has a notebook, of this lesson or of another."""
    return len(parts) > 2 and (parts[1] == lesson or parts[2] == f"{parts[1]}.ipynb")


def _plain_folder(parts, lesson, zone):
    if len(parts) > 1:
        return Attempt("folder", parts[0], login=parts[0]), "/".join(parts[1:])
    path = PurePosixPath(parts[0])
    if path.suffix.lower() not in (".ipynb", ".zip"):
        return None
    copy = _NUMBERED.search(path.stem)
    stem = path.stem[: copy.start()] if copy else path.stem
    login = re.sub(rf"[\s_.+-]*{re.escape(lesson)}[\s_.+-]*", "", stem, flags=re.IGNORECASE)
    name = f"{lesson}.ipynb" if path.suffix.lower() == ".ipynb" else parts[0]
    return Attempt("folder", parts[0], login=login, order=int(copy[1]) if copy else 0), name


def time_of(text: str, zone: tzinfo, day_first: bool | None = None) -> datetime | None:
    """A time as a system writes it in `zone`, in UTC without a zone; None where there is none. Raises ValueError where it cannot be read.

    >>> from zoneinfo import ZoneInfo
    >>> str(time_of("Nov 21, 2026 1036 AM", ZoneInfo("Europe/Berlin")))
    '2026-11-21 09:36:00'
    >>> str(time_of("4.11.2026 10:36", UTC)), time_of("-", UTC) is None
    ('2026-11-04 10:36:00', True)
    """
    text = re.sub(r"(?<![\d.:])(\d{1,2})(\d{2})(?=\s*[AaPp]\.?[Mm]|\s*$)(?<!\b20\d\d)", r"\1:\2", text.strip())
    if sum(map(str.isdigit, text)) < 5:
        return None
    if re.match(r"\s*\d{1,2}-\d{1,2}-\d\d\b", text):
        raise ValueError("the year has two digits")
    either = DAY_OR_MONTH.match(text)
    if either and day_first is None and either[1] != either[2] and max(int(either[1]), int(either[2])) <= 12:
        raise ValueError("the day and the month may be one or the other")
    try:
        with warnings.catch_warnings(action="error", category=dateutil.parser.UnknownTimezoneWarning):
            when = dateutil.parser.parse(text, dayfirst=bool((either and day_first) or re.match(r"\d{1,2}\.\d", text)))
        if when.year < 1990:  # what a database writes for no time
            return None
        when = when if when.tzinfo else when.replace(tzinfo=zone)
        return when.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    except dateutil.parser.UnknownTimezoneWarning:
        raise ValueError("its zone is not known") from None
    except (ValueError, OverflowError, ArithmeticError):
        raise ValueError("it is no time in English or in numbers") from None


_READERS = {
    "moodle": _moodle,
    "canvas": _canvas,
    "brightspace": _brightspace,
    "exchange": _exchange,
    "nbgrader": _nbgrader,
    "folder": _plain_folder,
}
