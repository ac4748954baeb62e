"""The gradebook's list of a class: filled from a roster, and kept for later."""

from nbgrader.api import Student as Row

from autograder import known_ids
from autograder.people import People, Student, known_otherwise, somebody_else, squeezed
from autograder.problem import Problem
from autograder.wording import many, some


def load(gradebook, students: People, collected=()) -> People:
    """Put the students of a roster into the gradebook, at once; what the roster does not say is left as it is.

    The roster as the gradebook has it: who is known there by another id of the roster's has the id from there. Raises Problem
    where somebody of the same name is known there and is not in the roster, or only among those `collected` already: one person
    would be two students; and where an id is known as that of somebody else.
    """
    known, others = {row.id: row for row in gradebook.db.query(Row)}, known_ids.of_all(gradebook)
    known |= {id_: Row(id=id_) for id_ in collected if id_ not in known}
    people = {id_: _student(row, others) for id_, row in known.items()}
    students = students.known_as({id_: {row.email, *_every(others, id_)} for id_, row in known.items()}, people)
    students = students.named_as(people)
    if otherwise := known_otherwise(students, people):
        raise Problem(
            f"Nothing was collected: {many(len(otherwise), 'student')} of the roster may be known by another id, in the gradebook or in "
            f"`submitted/`: {some(otherwise, 5)}. If they are the same people, add a column `student_id` with the ids from there to the roster; "
            "if they are not, add a line with the id from there for each of those."
        )
    if somebody := somebody_else(students, people):
        raise Problem(
            f"Nothing was collected: {many(len(somebody), 'id')} of the roster may be that of somebody else in the gradebook: "
            f"{some(somebody, 5)}. Mend the roster; or where the gradebook is wrong, or somebody has a new name, first say so: "
            "`nbgrader db student add ID --first-name NAME --last-name NAME --email ADDRESS`."
        )
    for student in students.students:
        row = known.setdefault(student.id, Row(id=student.id))
        gradebook.db.add(row)
        values = {"first_name": student.first_name, "last_name": student.last_name, "email": student.email}
        had = squeezed(f"{row.first_name or ''} {row.last_name or ''}")
        if student.guessed and had == squeezed(student.name):  # an earlier list may have had them apart
            del values["first_name"], values["last_name"]
        if students.lasting_ids:
            values["lms_user_id"] = student.lms_id
        for name, value in values.items():
            if value:
                setattr(row, name, value)
    known_ids.keep(gradebook, students.students)
    gradebook.db.commit()
    return students


def _every(others, id_):
    """All ids by which a student is known beside `id_`."""
    return set().union(*others.get(id_, {}).values())


def of(gradebook) -> People:
    """The roster that the gradebook holds since an earlier time; empty where it knows ids alone."""
    rows, others = list(gradebook.db.query(Row)), known_ids.of_all(gradebook)
    known = any(row.first_name or row.last_name or row.email for row in rows)
    return People([_student(row, others) for row in rows] if known else [])


def _student(row, others):
    about = (value or "" for value in (row.first_name, row.last_name, row.email, row.lms_user_id))
    student = Student(row.id, *about, others=_every(others, row.id))
    student.nameless = not student.name
    student.full = student.name or row.id  # which was made from a name where there was no list
    return student
