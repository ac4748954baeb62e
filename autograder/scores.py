"""What the gradebook holds of a lesson: one question for a whole class."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from nbgrader.api import Gradebook
from sqlalchemy import text

from autograder import known_ids, stamps, standing
from autograder.archive import plain
from autograder.problem import Problem
from autograder.store import Store
from autograder.wording import lateness, many

GRADES = """
select student.id, student.first_name, student.last_name, student.email, student.lms_user_id, submitted_assignment.timestamp, assignment.duedate,
       submitted_assignment.extension, submitted_notebook.id, submitted_notebook.late_submission_penalty,
       notebook.name, base_cell.name, coalesce(grade_cells.max_score, task_cells.max_score, 0),
       grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade
from grade
join submitted_notebook on grade.notebook_id = submitted_notebook.id
join notebook on submitted_notebook.notebook_id = notebook.id
join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
join assignment on submitted_assignment.assignment_id = assignment.id
join student on submitted_assignment.student_id = student.id
join base_cell on grade.cell_id = base_cell.id
left join grade_cells on grade_cells.id = grade.cell_id
left join task_cells on task_cells.id = grade.cell_id
where assignment.name = :lesson
"""


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
    for row in gradebook.db.execute(text(GRADES), {"lesson": lesson}):
        (
            student,
            first,
            last,
            email,
            lms_id,
            when,
            due,
            extension,
            notebook,
            penalty,
            _,
            cell,
            points,
            auto,
            manual,
            extra,
            waits,
        ) = row
        one = found.get(student)
        if one is None:
            first, last = plain(first or ""), plain(last or "")
            name = f"{first} {last}".strip() or plain(student)
            one = found[student] = Submission(student, name, first, last, plain(email or ""), lms_id or "")
            theirs = ids.get(student, {})
            one.sis = tuple(next(iter(theirs.get(kind, ())), "") for kind in known_ids.SIS)
            one.submitted, one.late = _time(when), _late(_time(when), _time(due), _time(extension))
            if stamps.late_by_unknown(one.submitted):
                one.submitted, one.late = None, one.late and stamps.NOT_KNOWN
        if notebook not in notebooks:
            notebooks.add(notebook)
            one.penalty += penalty or 0
        score = (manual if manual is not None else auto or 0) + (extra or 0)
        one.cells[cell] = score, points, bool(waits)
        one.score, one.points = one.score + score, one.points + points
        one.waiting += points if waits else 0
        one.again += points if waits and manual is not None else 0
    return sorted(found.values(), key=lambda one: one.student)


def _time(value):
    """SQLite hands times out as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _late(when, due, extension):
    if when is None or due is None:
        return ""
    epoch = datetime(1970, 1, 1)  # nbgrader keeps an extension as a time since then
    return lateness((when - due - ((extension or epoch) - epoch)).total_seconds())


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
