"""The gradebook's list of a class: filled from a roster, and kept for later."""

from nbgrader.api import Student as Row

from autograder import known_ids, roster
from autograder.problem import Problem
from autograder.wording import many, some


def load(gradebook, students: roster.Roster) -> roster.Roster:
    """Put the students of a roster into the gradebook, at once; what the roster does not say is left as it is.

    The roster as the gradebook has it: who is known there by another id of the roster's has the id from there. Raises Problem
    where somebody of the same name is known there and is not in the roster: one person would be two students.
    """
    known, others = {row.id: row for row in gradebook.db.query(Row)}, known_ids.of_all(gradebook)
    students = students.known_as({id_: {row.email, *_every(others, id_)} for id_, row in known.items()})
    if twice := _twice(students.students, known):
        raise Problem(
            f"Nothing was collected: {many(len(twice), 'student')} of the roster may be known to the gradebook by another id: {some(twice, 5)}. "
            "If they are the same people, give the roster a column `student_id` with the gradebook's ids; if not, let an `email` of each tell them apart; "
            "an id that is too much goes with `nbgrader db student remove ID`."
        )
    for student in students.students:
        row = known.get(student.id)
        if row is None:
            gradebook.db.add(row := Row(id=student.id))
        values = {"first_name": student.first_name, "last_name": student.last_name, "email": student.email}
        had = roster.squeezed(f"{row.first_name or ''} {row.last_name or ''}")
        if student.guessed and had == roster.squeezed(student.name):  # an earlier list may have had them apart
            del values["first_name"], values["last_name"]
        if students.lasting_ids:
            values["lms_user_id"] = student.lms_id
        for name, value in values.items():
            if value:
                setattr(row, name, value)
    known_ids.keep(gradebook, students.students)
    gradebook.db.commit()
    return students


def _twice(students, known):
    """New students by whose name the gradebook knows somebody who is not in the list, where no email tells them apart."""
    listed, by_name = {student.id for student in students}, {}
    for row in known.values():
        if row.id not in listed:
            by_name.setdefault(roster.squeezed(f"{row.first_name or ''} {row.last_name or ''}"), []).append(row)
    return [
        f"{student.name} ({student.id}, and {row.id} there)"
        for student in students
        if student.id not in known and roster.squeezed(student.name)
        for row in by_name.get(roster.squeezed(f"{student.first_name} {student.last_name}"), ())
        if not (student.email and row.email) or student.email.casefold() == row.email.casefold()
    ]


def _every(others, id_):
    """All ids by which a student is known beside `id_`."""
    return set().union(*others.get(id_, {}).values())


def kept(gradebook):
    """The roster that the gradebook holds since an earlier time; empty where it knows ids alone."""
    rows = [row for row in gradebook.db.query(Row) if row.first_name or row.last_name or row.email]
    every, others = (gradebook.db.query(Row) if rows else []), known_ids.of_all(gradebook)
    return roster.Roster(
        [
            roster.Student(
                r.id,
                r.first_name or "",
                r.last_name or "",
                r.email or "",
                r.lms_user_id or "",
                others=_every(others, r.id),
            )
            for r in every
        ]
    )
