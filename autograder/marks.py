"""Marks that a person gave, where a submission is graded again: done while the answer is the one that was marked, else to be given again.

nbgrader lets every such mark wait again. Here the gradebook keeps, beside nbgrader's own tables, a hash of each answer that was graded.
"""

import json

from nbgrader import utils
from nbgrader.preprocessors import SaveAutoGrades, saveautogrades
from sqlalchemy import text

from autograder.store import digest

TABLE = "CREATE TABLE IF NOT EXISTS graded_answers (notebook_id VARCHAR(32) PRIMARY KEY, answers TEXT NOT NULL)"


class SaveGrades(SaveAutoGrades):
    """nbgrader's step, which takes no mark of a person's back unless the answer is another one."""

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        notebook, now = (names["notebook"], names["assignment"], names["student"]), answers(nb)
        with saveautogrades.Gradebook(names["db_url"]) as gradebook:
            before = _known(gradebook, notebook)
        self.same = {label for label, answer in now.items() if before.get(label) == answer}
        nb, resources = super().preprocess(nb, resources)
        with saveautogrades.Gradebook(names["db_url"]) as gradebook:
            _keep(gradebook, notebook, now)
        return nb, resources

    def _add_score(self, cell, resources):
        label = cell.metadata.nbgrader["grade_id"]
        grade = self.gradebook.find_grade(label, self.notebook_id, self.assignment_id, self.student_id)
        done = grade.manual_score is not None and not grade.needs_manual_grade
        super()._add_score(cell, resources)
        if done and label in self.same:
            grade.needs_manual_grade = False
            self.gradebook.db.commit()


def answers(nb) -> dict[str, str]:
    """{grade id: a hash of what the student wrote for it}; for a test, that is all of the student's code."""
    theirs = (utils.is_solution(cell) or cell.metadata.get("autograder", {}).get("own") for cell in nb.cells)
    code = [cell.source for cell, own in zip(nb.cells, theirs, strict=True) if own and cell.cell_type == "code"]
    of_code = digest(*code)
    return {
        cell.metadata.nbgrader["grade_id"]: utils.compute_checksum(cell) if utils.is_solution(cell) else of_code
        for cell in nb.cells
        if utils.is_grade(cell)
    }


def _known(gradebook, notebook):
    """The answers that were graded before; none where that is not known."""
    gradebook.db.execute(text(TABLE))
    names = {"id": gradebook.find_submission_notebook(*notebook).id}
    found = gradebook.db.scalar(text("SELECT answers FROM graded_answers WHERE notebook_id = :id"), names)
    gradebook.db.commit()
    return json.loads(found) if found else {}


def _keep(gradebook, notebook, now):
    names = {"id": gradebook.find_submission_notebook(*notebook).id, "answers": json.dumps(now)}
    gradebook.db.execute(text("INSERT OR REPLACE INTO graded_answers VALUES (:id, :answers)"), names)
    gradebook.db.commit()
