"""By which ids a student is known beside the one in the gradebook: a table of ours beside nbgrader's, filled from rosters."""

from sqlalchemy import inspect, text

TABLE = """CREATE TABLE IF NOT EXISTS student_ids
(student_id VARCHAR(128), kind VARCHAR(16), value VARCHAR(128), PRIMARY KEY (student_id, kind, value))"""
SIS = "sis_user", "sis_login"  # what Canvas calls SIS User ID and SIS Login ID


def of_all(gradebook) -> dict[str, dict[str, set[str]]]:
    """{student: {kind: ids}}"""
    if not inspect(gradebook.engine).has_table("student_ids"):
        return {}
    found = {}
    for student, kind, value in gradebook.db.execute(text("SELECT student_id, kind, value FROM student_ids")):
        found.setdefault(student, {}).setdefault(kind, set()).add(value)
    return found


def keep(gradebook, students) -> None:
    """Keep the ids that a roster gives its students. Of each of Canvas's two, a student has the newest alone."""
    gradebook.db.execute(text(TABLE))
    before, new = of_all(gradebook), []
    for student in students:
        had = before.get(student.id, {})
        for kind in SIS:
            if getattr(student, kind) and had.get(kind) != {getattr(student, kind)}:
                names = {"student": student.id, "kind": kind}
                gradebook.db.execute(
                    text("DELETE FROM student_ids WHERE student_id = :student AND kind = :kind"), names
                )
                new.append({**names, "value": getattr(student, kind)})
        others = student.others - {student.lms_id} - had.get("other", set())
        new += [{"student": student.id, "kind": "other", "value": value} for value in others]
    if new:
        gradebook.db.execute(text("INSERT INTO student_ids VALUES (:student, :kind, :value)"), new)
