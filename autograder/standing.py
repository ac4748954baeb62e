"""What a gradebook says of a submission: grades, comments, lateness. By it we know whether its feedback page is up to date."""

import functools
import json
from itertools import groupby
from operator import itemgetter

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    Notebook,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import bindparam, select

from autograder.store import digest


def of(gradebook: Gradebook, lesson: str, student: str | None = None):
    """What it has, one by one: yields (student, {"grades": {cell: [score, points, needs a person]}, "comments":
    {cell: text}, "penalty": points, "due": time}).
    """
    names = {"lesson": lesson, "student": student}
    grades, comments, late = (
        groupby(gradebook.db.execute(query, names), itemgetter(0)) for query in _queries(one=student is not None)
    )
    by_name = {"grades": next(grades, None), "comments": next(comments, None)}
    following = {"grades": grades, "comments": comments}
    for name, ((_, penalty, due, extension),) in ((name, list(found)) for name, found in late):
        said = {"grades": {}, "comments": {}, "penalty": penalty, "due": str((due, extension))}
        for part in following:
            if by_name[part] is not None and by_name[part][0] == name:
                for _, label, *values in by_name[part][1]:
                    said[part][label] = values if part == "grades" else values[0]
                by_name[part] = next(following[part], None)
        yield name, said


def fingerprint(said: dict) -> str:
    """The same where the gradebook says the same."""
    return digest(json.dumps(said, sort_keys=True))


@functools.cache
def _queries(one):
    """What `of` asks for: grades, comments, and what tells a penalty; of one student or of all, in one order."""

    def query(*columns, kind=None):
        asked = select(SubmittedAssignment.student_id, *columns).select_from(SubmittedNotebook)
        asked = asked.join(SubmittedNotebook.assignment).join(SubmittedAssignment.assignment)
        asked = asked.join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
        if kind is not None:
            asked = asked.join(kind, kind.notebook_id == SubmittedNotebook.id).join(
                BaseCell, BaseCell.id == kind.cell_id
            )
        asked = asked.where(Assignment.name == bindparam("lesson"), Notebook.name == bindparam("lesson"))
        if one:
            asked = asked.where(SubmittedAssignment.student_id == bindparam("student"))
        return asked.order_by(SubmittedAssignment.student_id).execution_options(yield_per=500)

    return (
        query(BaseCell.name, Grade.score, Grade.max_score, Grade.needs_manual_grade, kind=Grade),
        query(BaseCell.name, Comment.comment, kind=Comment),
        query(SubmittedNotebook.late_submission_penalty, Assignment.duedate, SubmittedAssignment.extension),
    )
