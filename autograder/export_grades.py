"""Grades and feedback pages in the forms that learning management systems import."""

import contextlib
import csv
import io
import re
import zipfile
from pathlib import Path

from autograder import people, scores, tables
from autograder.archive import plain
from autograder.collected import COUNTS
from autograder.collected import read as read_record
from autograder.problem import Problem
from autograder.store import Store, write, written
from autograder.tables import marked
from autograder.wording import many, some

FORMS = ("csv", "canvas", "moodle", "brightspace")
# the file that a system exports, and the columns of which it has one set at least
_OWN = {
    "canvas": (
        "the gradebook that Canvas exports, with the columns Student and ID",
        ({"student", "id"}, {"lastname", "firstname", "id"}),
    ),
    "moodle": (
        "the grading worksheet that Moodle exports, with the column Identifier, ID number, Email address or Username",
        ({"identifier"}, {"idnumber"}, {"emailaddress"}, {"username", "grade"}),
    ),
    "brightspace": (
        "the grades that Brightspace exports, with the column OrgDefinedId or Username",
        ({"orgdefinedid"}, {"username"}),
    ),
}
_HANDED_IN = (*COUNTS, "unreadable", "duplicate")  # states of what somebody handed in, the newest of each
# the column of the student's number in it, and those by which a student is found else
_ID = {"canvas": ("id",), "moodle": ("identifier",)}
_NUMBER = {"canvas": r"(\d+)", "moodle": r"\D*(\d+)"}  # Moodle writes `Participant 123456`
_SUFFIX = re.compile(r" (\(\d+\)|Points Grade\b.*)$")  # what Canvas and Brightspace write behind an assignment's name
_LOGIN = ("sisuserid", "sisloginid", "username", "idnumber", "orgdefinedid", "emailaddress", "email")


def export_grades(output: Path, lessons, form="csv", template=None, column=None, of=None, raw=False) -> list[str]:
    """Write OUTPUT/exported/; sentences that say what was written and what is missing. Raises Problem."""
    if form == "csv" and (template or column or of):
        raise Problem(
            "--template, --column and --of are for the file of a system; say whose with --form canvas, moodle or brightspace."
        )
    gradebook, lessons = scores.graded(output / "gradebook.db", lessons)
    folder = output / "exported"
    folder.mkdir(parents=True, exist_ok=True)
    said = []
    records = {lesson: read_record(output, lesson) for lesson in lessons}
    with gradebook:
        classes = {lesson: scores.of(gradebook, lesson) for lesson in lessons}
        known = [
            [s.id, *(plain(about or "") for about in (s.last_name, s.first_name, s.email))] for s in gradebook.students
        ]
        others = {lesson: scores.others(gradebook, classes[lesson]) for lesson in lessons}
        unfinished = {
            lesson: scores.unfinished(Path.cwd(), output, lesson, classes[lesson], gradebook) for lesson in lessons
        }
    if form == "csv":
        rows = [HEAD, *(row for lesson in lessons for row in _plain_rows(lesson, classes[lesson], known, raw))]
        name = f"{lessons[0]}-grades.csv" if len(lessons) == 1 else "grades.csv"
        said.append(f"Grades {_write(folder / name, rows)}")
    elif template is not None and len(lessons) != 1:
        raise Problem(f"A template is for one lesson, but {len(lessons)} were asked for: {', '.join(lessons)}.")
    else:
        outcomes = [
            _lesson(
                output,
                folder,
                lesson,
                classes[lesson],
                records[lesson],
                form,
                template,
                column,
                of,
                raw,
                others[lesson],
            )
            for lesson in lessons
        ]
        said += [sentence for _, sentences in outcomes for sentence in sentences]
        if not any(written for written, _ in outcomes):
            raise Problem(f"There is nothing to export. {' '.join(said)}")
    for lesson in lessons:
        said += [f"{lesson}: {unfinished[lesson]}"] if unfinished[lesson] else []
        said += _not_graded(output, lesson, classes[lesson], records[lesson])
        waiting = sum(one.waiting > one.again for one in classes[lesson])
        if waiting:
            said.append(
                f"{lesson}: points of {many(waiting, 'submission')} wait for your marks and are not in these grades yet."
            )
        again = sum(one.again > 0 for one in classes[lesson])
        if again:
            said.append(
                f"{lesson}: what you marked in {many(again, 'submission')} was changed since; the old points count until you mark it again."
            )
    return said


def _not_graded(output, lesson, submissions, record):
    """Sentences on who handed in and has no grade, whatever the form."""
    graded = {one.student for one in submissions} | Store(output / ".graded").unfinished(lesson)
    others = {line.student for line in record if line.student and line.state in _HANDED_IN} - graded
    gone = {
        line.student for line in record if line.counts and not (output / "submitted" / line.student / lesson).is_dir()
    }
    others -= gone  # as of who has left
    ready = {line.student for line in record if line.counts} & others
    for some_of_them, then in (
        (ready, f"`autograder grade {lesson}` grades it now."),
        (others - ready, f"collected/{lesson}.csv says why."),
    ):
        if some_of_them:
            who = some(sorted(some_of_them), 10)
            yield f"{lesson}: {who} handed in what was not graded, and their grades are not in the file: {then}"


def _plain_rows(lesson, submissions, known, raw):
    """A row for each student of the gradebook, by id; who has no grade has nothing in the columns of the points."""
    by_id = {one.student: one for one in submissions}
    points = max(one.points for one in submissions)
    for student, *about in sorted(known):
        grade = ["", "", "", "", "", _points(points), ""]
        if one := by_id.get(student):
            when = f"{one.submitted:%Y-%m-%d %H:%M:%S}" if one.submitted else ""
            numbers = one.score, one.penalty, _grade(one, raw), one.points, one.waiting
            grade = [when, one.late, *map(_points, numbers)]
        yield [lesson, student, *about, *grade]


HEAD = ["lesson", "student", "last_name", "first_name", "email", "submitted", "late", "score", "late_penalty", "total", "points", "to_mark"]  # fmt: skip


def _grade(one, raw):
    return one.score if raw else one.total


def _points(value):
    """A number of points as a number, with two decimals at most, as Canvas keeps them."""
    value = round(float(value), 2)
    return int(value) if value == int(value) else value


def _lesson(output, folder, lesson, submissions, lines, form, template, column, of, raw, others):
    """One lesson's grades, and its feedback pages where we know how the system calls the submissions.

    Whether there was a grade to write, and sentences.
    """
    record = _given_back(lines, form)
    most = max((one.points for one in submissions), default=0)
    scale = of / most if of and most else 1
    grades = {one.student: _points(_grade(one, raw) * scale) for one in submissions}
    if template is None:
        rows, missing, said = BUILD[form](lesson, submissions, record, grades, _points(most * scale), column)
    else:
        rows, missing, said = _filled(
            Path(template), lesson, submissions, record, grades, form, column, most, of, others
        )
    if missing:
        where = f"in {template}" if template else "known by their number there"
        said.append(
            f"{lesson}: {many(len(missing), 'student')} with a grade not {where}, so these are not in the file: {some(missing, 10)}."
            + ("" if template else f" {form.title()}'s own file can be filled in with --template.")
        )
    if len(missing) == len(submissions):
        return False, said
    said.insert(0, f"Grades {_write(folder / f'{lesson}-{form}.csv', rows)}")
    pages, without = _feedback(output, folder, lesson, submissions, record, form)
    if pages:
        said.append(f"Feedback {pages}")
    if without:
        said.append(
            f"{lesson}: not in a zip: {many(without, 'feedback page')}, of what was not collected from {form.title()}."
        )
    return True, said


def _given_back(lines, form):
    """{student: the line by which a system knows what counts of that student's, or what could not be read}"""
    works = {line.student: line.work for line in lines if line.counts}
    back = [line for line in lines if line.form == form and line.student and line.key and line.state != "unknown"]
    # the line of what counts, else of the same work, else of any
    back.sort(key=lambda line: (line.counts, bool(line.work) and line.work == works.get(line.student), line.run))
    return {line.student: line for line in back}


def _canvas(lesson, submissions, record, grades, most, column):
    """The columns that Canvas's importer asks for (lib/gradebook_importer.rb).

    It looks for a student's number as ID, then in both SIS columns, then for the name; an id may be one or the other of a SIS.
    """
    rows = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column or lesson],
        ["    Points Possible", "", "", "", "", most],
    ]
    for one in submissions:
        number = record[one.student].lms_id if one.student in record else one.lms_id
        name = f"{one.last_name}, {one.first_name}" if one.last_name and one.first_name else one.name
        ids = one.sis if any(one.sis) else (one.student, one.student)
        rows.append([name, number, *ids, "", grades[one.student]])
    unknown = [one.student for one, row in zip(submissions, rows[2:], strict=True) if not row[1]]
    said = (
        f"{lesson}: Canvas's own number of {many(len(unknown), 'student')} is not known: {some(unknown, 10)}. It will take their ids "
        "for SIS User ID or SIS Login ID, else go by their names; look at whom it finds, or fill in its gradebook with --template."
    )
    return rows, [], [said] if unknown else []


def _moodle(lesson, submissions, record, grades, most, column):
    """The columns of Moodle's grading worksheet; without `Feedback comments`, which an import would empty."""
    rows = [["Identifier", "Full name", "Email address", "Maximum Grade", "Grade", "Last modified (grade)"]]
    known = [one for one in submissions if one.student in record]
    for one in known:
        number = f"Participant {record[one.student].lms_id}"
        rows.append([number, one.name, one.email, most, grades[one.student], "-"])
    return rows, [one.student for one in submissions if one.student not in record], []


def _brightspace(lesson, submissions, record, grades, most, column):
    """The columns of D2L's sample import file."""
    rows = [["Username", column or f"{lesson} Points Grade", "End-of-Line Indicator"]]
    return rows + [[one.student, grades[one.student], "#"] for one in submissions], [], []


BUILD = {"canvas": _canvas, "moodle": _moodle, "brightspace": _brightspace}


def _filled(template, lesson, submissions, record, grades, form, column, most, of, others=()):
    """The system's own file with the grades filled in, and nothing else changed. Raises Problem for another file."""
    rows = tables.read(template)
    if len(rows) < 2:
        raise Problem(f"{template} has no students; export it again with all of them.")
    heads = list(map(_head, rows[0]))
    fits = [whose for whose, (_, kinds) in _OWN.items() if any(kind.issubset(heads) for kind in kinds)]
    if form not in fits:
        other = f"it looks like one for --form {fits[0]}" if fits else f"it has: {some(rows[0], 12)}"
        raise Problem(f"{template} is not {_OWN[form][0]}; {other}. Give the right one, or leave out --template.")
    place = _column(rows[0], heads, lesson, form, column, template)
    whose = _Whose(form, heads, [*submissions, *others], record)
    if whose.another_assignment(rows[1:]):
        raise Problem(
            f"{template} has none of the numbers of these submissions; it seems to be the worksheet of another assignment."
        )
    found, warnings, possible, torn, strong, weak = set(), [], None, [], [], []
    for row in rows[1:]:
        row += [""] * (len(heads) - len(row))
        if form == "canvas" and "points possible" in row[0].casefold():
            possible = row[place]
            continue
        students, by_id = whose(row)
        if len(students) > 1:
            torn.append(" and ".join(sorted(students)))
        elif students:
            (strong if by_id else weak).append((*students, row))
    for student, row in strong + weak:  # an email may be a family's
        if student in grades and student not in found:  # what was handed in may be nothing to grade
            found.add(student)
            row[place] = grades[student]
    if torn:
        warnings.append(
            f"{lesson}: a line of {template} is by its number one student's and by its id another's, and stays as it is: {some(torn, 5)}."
        )
    if form == "moodle" and "maximumgrade" in heads:
        possible = rows[1][heads.index("maximumgrade")]
    if form == "brightspace" and (match := re.search(r"MaxPoints:([\d.]+)", rows[0][place])):
        possible = match[1]
    number = re.match(r"\s*(\d+(?:\.\d+)?)", possible or "")
    if number and abs(float(number[1]) - (of or most)) > 0.005:
        theirs = float(number[1])
        ours = f"--of made these grades out of {of:g}" if of else f"the lesson has {most:g}"
        mend = "leave out --of" if abs(theirs - most) <= 0.005 else f"convert the grades with --of {theirs:g}"
        warnings.append(f"{lesson}: {form.title()} expects {theirs:g} points, and {ours}. Change it there, or {mend}.")
    return rows, [one.student for one in submissions if one.student not in found], warnings


class _Whose:
    """Whom a row of a system's own file names: by the system's number, and by ids and email; what two students share names nobody."""

    def __init__(self, form, heads, submissions, record):
        self.form = form
        self.numbers = [heads.index(name) for name in _ID.get(form, ()) if name in heads]
        self.logins = [heads.index(name) for name in _LOGIN if name in heads]
        of_system = {(line.lms_id, student) for student, line in record.items()}
        of_system |= {(one.lms_id, one.student) for one in submissions if form == "canvas"}
        names = {(name, one.student) for one in submissions for name in (one.student, one.email, *one.sis)}
        self.by_number, self.by_name = people.only_ones(of_system), people.only_ones(names)
        self.by_folded = people.only_ones({(name.casefold(), student) for name, student in names})

    def __call__(self, row):
        """The students whom the row names, and whether by more than an email."""
        logins = [row[at].strip().lstrip("#") for at in self.logins]
        named = {login: self.by_name.get(login) or self.by_folded.get(login.casefold()) for login in logins}
        by_id = {student for login, student in named.items() if "@" not in login}
        by_id |= {self.by_number.get(number) for number in self._of(row)}
        return (by_id | set(named.values())) - {None}, bool(by_id - {None})

    def _of(self, row):
        found = (re.fullmatch(_NUMBER[self.form], row[at].strip()) for at in self.numbers if at < len(row))
        return [number[1] for number in found if number]

    def another_assignment(self, rows):
        """Whether Moodle's numbers, which it makes anew for each assignment, are none of these submissions'."""
        numbers = {number for row in rows for number in self._of(row)}
        return self.form == "moodle" and numbers and len(self.by_number) > 2 and not numbers & self.by_number.keys()


def _head(cell):
    """The name of a column, however it is written."""
    return re.sub(r"[\W_]", "", cell.casefold())


def _column(header, heads, lesson, form, column, template):
    """The place of the column to fill. Raises Problem where it is not clear."""
    names = [_SUFFIX.sub("", cell.strip()) for cell in header]
    if column is not None:
        fits = [n for n, cell in enumerate(header) if column.strip() in (cell.strip(), names[n])]
    elif form == "moodle":
        fits = [n for n, head in enumerate(heads) if head == "grade"]
    else:
        fits = [n for n, name in enumerate(names) if _head(name) == _head(lesson)]
    if len(fits) != 1:
        there = ", ".join(header)
        raise Problem(
            f"{template} has {many(len(fits), 'column') if fits else 'no column'} for {column or lesson!r}; say which with --column. It has: {there}."
        )
    return fits[0]


def _feedback(output, folder, lesson, submissions, record, form):
    """A zip of the feedback pages, each where the system looks for it: under the name that it gave the submission."""
    pages = {one.student: sorted((output / "feedback" / one.student / lesson).glob("*.html")) for one in submissions}
    pages = {student: found for student, found in pages.items() if found}
    known = {student: found for student, found in pages.items() if student in record}
    if not known:
        return None, 0 if record or not pages else len(pages)
    path = folder / f"{lesson}-{form}-feedback.zip"
    with written(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, found in known.items():
            key = record[student].key
            for page in found:
                with contextlib.suppress(FileNotFoundError):  # a grader at work makes it anew
                    archive.write(page, f"{key}_{page.name}" if form == "canvas" else f"{key}/{page.name}")
    return path, len(pages) - len(known)


def _write(path, rows):
    """A CSV file. What is the system's own is handed back as it came, other cells so that no spreadsheet computes them."""
    theirs, out = isinstance(rows, tables.Table), io.StringIO()
    form = rows if theirs else tables.Table()
    writer = csv.writer(out, delimiter=form.delimiter, lineterminator=form.end)
    writer.writerows(rows if theirs else [[marked(cell) for cell in row] for row in rows])
    write(path, out.getvalue().encode(form.encoding, errors="replace"))
    return path
