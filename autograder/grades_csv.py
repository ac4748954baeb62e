"""`grades.csv`: the columns that `nbgrader export` writes, with nothing where nothing was handed in, and no name that a spreadsheet computes."""

import csv
import io

from nbgrader.api import Gradebook, SubmittedAssignment
from sqlalchemy import select

from autograder.scores import counted
from autograder.tables import marked

STUDENT = "last_name", "first_name", "email"
SUBMISSION = "timestamp", "raw_score", "late_submission_penalty", "score"
COLUMNS = "assignment", "duedate", "timestamp", "student_id", *STUDENT, *SUBMISSION[1:], "max_score"


def text(gradebook: Gradebook) -> str:
    """All students of the gradebook, for each lesson in it. Every table is read once, whatever the size of the class."""
    one = SubmittedAssignment
    asked = select(one.assignment_id, one.student_id, one.timestamp, one.score, one.late_submission_penalty)
    handed_in = {(lesson, student): rest for lesson, student, *rest in gradebook.db.execute(asked)}
    students, out = gradebook.students, io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for lesson in gradebook.assignments:
        about = {"assignment": lesson.name, "duedate": lesson.duedate, "max_score": lesson.max_score}
        for student in students:
            row = about | {"student_id": student.id} | {name: getattr(student, name) for name in STUDENT}
            if (lesson.id, student.id) in handed_in:
                when, score, penalty = handed_in[lesson.id, student.id]
                row |= dict(zip(SUBMISSION, (when, score, penalty, counted(score, penalty)), strict=True))
            writer.writerow({name: marked(str(value)) for name, value in row.items() if value is not None})
    return out.getvalue()
