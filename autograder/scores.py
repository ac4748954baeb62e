"""What the gradebook holds of a lesson: one question for a whole class."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from nbgrader.api import (
    Assignment,
    BaseCell,
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import bindparam, select, text

from autograder import known_ids, stamps, standing
from autograder.archive import plain
from autograder.problem import Problem
from autograder.store import Store
from autograder.wording import lateness, many, some

# a row for each cell that gives points; what counts of it is nbgrader's to say, as it is in `standing`
GRADES = (
    select(
        Student.id.label("student"),
        Student.first_name,
        Student.last_name,
        Student.email,
        Student.lms_user_id,
        SubmittedAssignment.timestamp,
        Assignment.duedate,
        SubmittedAssignment.extension,
        SubmittedNotebook.id.label("notebook"),
        SubmittedNotebook.late_submission_penalty.label("penalty"),
        BaseCell.name.label("cell"),
        Grade.score,
        Grade.max_score.label("points"),
        Grade.manual_score,
        Grade.needs_manual_grade.label("waits"),
    )
    .select_from(Grade)
    .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
    .join(SubmittedNotebook.assignment)
    .join(SubmittedAssignment.assignment)
    .join(SubmittedAssignment.student)
    .join(BaseCell, BaseCell.id == Grade.cell_id)
    .where(Assignment.name == bindparam("lesson"))
)

GRADED = """
select distinct assignment.name from grade
join submitted_notebook on grade.notebook_id = submitted_notebook.id
join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
join assignment on submitted_assignment.assignment_id = assignment.id
order by assignment.name
"""


@dataclass
class Submission:
    """One student's work on one lesson."""

    student: str
    name: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""
    sis: tuple[str, str] = ("", "")  # what Canvas calls SIS User ID and SIS Login ID
    submitted: datetime | None = None
    score: float = 0.0
    points: float = 0.0
    waiting: float = 0.0  # points that wait for a person
    again: float = 0.0  # points of these that had a mark before, which counts until then
    penalty: float = 0.0
    late: str = ""
    cells: dict = field(default_factory=dict)  # {grade id: (score, points, waits)}
    notes: list = field(default_factory=list)
    wrong: dict = field(default_factory=dict)  # {exercise: {what was wrong}}
    stopped: set = field(default_factory=set)
    code: str = ""
    link: str = ""

    @property
    def share(self) -> float:
        """Of the points that are given so far, the share reached."""
        given = self.points - self.waiting
        return min(1.0, self.total / given) if given > 0 else 0.0

    @property
    def total(self) -> float:
        return counted(self.score, self.penalty)


def counted(score: float, penalty: float | None) -> float:
    """What counts of a score, as nbgrader has it: late work loses no more than it has."""
    return max(0.0, score - (penalty or 0))


def of(gradebook: Gradebook, lesson: str) -> list[Submission]:
    """The submissions of a lesson, by student."""
    found, notebooks, ids = {}, set(), known_ids.of_all(gradebook)
    for row in gradebook.db.execute(GRADES, {"lesson": lesson}):
        one = found.get(row.student)
        if one is None:
            first, last = plain(row.first_name or ""), plain(row.last_name or "")
            name = f"{first} {last}".strip() or plain(row.student)
            one = Submission(row.student, name, first, last, plain(row.email or ""), row.lms_user_id or "")
            found[row.student] = one
            one.sis = _sis(ids, row.student)
            one.submitted, one.late = row.timestamp, _late(row.timestamp, row.duedate, row.extension)
            if stamps.late_by_unknown(one.submitted):
                one.submitted, one.late = None, one.late and stamps.NOT_KNOWN
        if row.notebook not in notebooks:
            notebooks.add(row.notebook)
            one.penalty += row.penalty or 0
        one.cells[row.cell] = row.score, row.points, bool(row.waits)
        one.score, one.points = one.score + row.score, one.points + row.points
        one.waiting += row.points if row.waits else 0
        one.again += row.points if row.waits and row.manual_score is not None else 0
    return sorted(found.values(), key=lambda one: one.student)


def others(gradebook: Gradebook, submissions: list[Submission]) -> list[Submission]:
    """The students of the class who are not among them, without points: by these, they are not taken for one who is."""
    graded, ids = {one.student for one in submissions}, known_ids.of_all(gradebook)
    return [
        Submission(
            s.id, "", s.first_name or "", s.last_name or "", s.email or "", s.lms_user_id or "", sis=_sis(ids, s.id)
        )
        for s in gradebook.students
        if s.id not in graded
    ]


def _sis(ids, student):
    return tuple(next(iter(ids.get(student, {}).get(kind, ())), "") for kind in known_ids.SIS)


def _late(when, due, extension):
    if when is None or due is None:
        return ""
    return lateness((when - due - (extension or timedelta())).total_seconds())


def graded(book, lessons=None) -> tuple[Gradebook, list[str]]:
    """The gradebook in the file `book`, and the lessons asked for, or all that were graded. Raises Problem."""
    if not book.exists():
        raise Problem(
            f"There is no gradebook {book}; grade a lesson first, or say where the results are with --output."
        )
    gradebook = Gradebook(f"sqlite:///{book.resolve()}")
    there = [name for (name,) in gradebook.db.execute(text(GRADED))]
    for lesson in lessons or ():
        if lesson not in there:
            raise Problem(f"No grade of {lesson!r} is in {book}; graded are: {', '.join(there) or 'none'}.")
    if not there:
        raise Problem(f"{book} holds no grade; grade a lesson first.")
    return gradebook, list(lessons or there)


def unfinished(course: Path, output: Path, lesson: str, submissions: list[Submission], gradebook: Gradebook) -> str:
    """What a person must know where grades or pages are not those of now; else nothing."""
    parts = _to_be_graded(course, output, lesson, submissions, gradebook), _withdrawn(output, lesson, submissions)
    return " ".join(filter(None, parts))


def _withdrawn(output, lesson, submissions):
    """Whose grades stay in the gradebook although their work is gone."""
    place = output / "submitted"
    gone = [one.student for one in submissions if not (place / one.student / lesson).is_dir()]
    if not gone or not place.is_dir():
        return ""
    return (
        f"The work of {many(len(gone), 'student')} with a grade is no longer in submitted/: {some(gone, 10)}. "
        "Put it back, or take the grade back as the guide says (docs/instructor.md, Who leaves)."
    )


def _to_be_graded(course, output, lesson, submissions, gradebook):
    """Why `autograder grade` should be run; "" if there is no need."""
    store, graded = Store(output / ".graded"), {one.student for one in submissions}
    if students := store.unfinished(lesson):
        left = len(students - graded)
        some = f"{left:,} of {len(students):,} handed in are not graded yet" if left else "Not all were looked at again"
        if store.at_work():
            return f"{some}: a grader is at work. Wait until it has ended, and do this again."
        return (
            f"{some}: the last run did not come to its end. "
            f"Run `autograder grade {lesson}` again, with the same options; it goes on where it stopped."
        )
    if anew := len(store.collected(lesson) & graded):
        return (
            f"The grades of {many(anew, 'student')} are from before the last `autograder collect`, which brought other work, "
            f"times or another deadline. `autograder grade {lesson}` makes the new ones."
        )
    if others := store.other_sources(lesson, course):
        have = f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'}"
        return f"{have} changed since this was graded. `autograder grade {lesson}` brings the grades up to date."
    if changed := len(list(_changed(store, gradebook, lesson))):
        return (
            f"Of {many(changed, 'student')}, marks, an extension or the deadline changed since the feedback page was made. "
            f"`autograder grade {lesson}` brings the pages up to date, and what lateness costs; it runs nothing again."
        )
    return ""


def _changed(store, gradebook, lesson):
    """Of whom the gradebook says other than when their page was made."""
    for student, said in standing.of(gradebook, lesson):
        page = store.mark(student, lesson).get("page")
        withdrawn = not (store.folder.parent / "submitted" / student / lesson).is_dir()
        if page and not withdrawn and page[1] != standing.fingerprint(said):
            yield student
