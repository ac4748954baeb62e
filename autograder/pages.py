"""Feedback pages, through nbgrader's own exporter and steps, in a process of their own: what the gradebook says comes with the call."""

import functools
import pickle
from types import SimpleNamespace

import nbformat
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import getgrades
from traitlets.config import Config

SECTIONS = ("GenerateFeedback", "FeedbackExporter", "HTMLExporter", "TemplateExporter", "Exporter", "GetGrades")


def settings(config: Config) -> bytes:
    """The part of a course's settings that pages are made by, for `render`. Raises what pickle raises."""
    return pickle.dumps({name: dict(config[name]) for name in SECTIONS if name in config})


@functools.lru_cache(4)
def _exporter(settings):
    config = Config(pickle.loads(settings))
    converter = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
    converter.log.setLevel("ERROR")
    exporter = converter.exporter_class(parent=converter, config=converter.config)
    for step in converter.preprocessors:
        exporter.register_preprocessor(step)
    return exporter


def render(settings: bytes, notebook: str, lesson: str, student: str, said: dict) -> str:
    """The page of a graded notebook; `said` is what `standing.of` gives for it."""
    nb = nbformat.v4.reads(notebook)
    names = {"notebook": lesson, "assignment": lesson, "student": student, "db_url": ""}
    resources = {"metadata": {"name": lesson, "path": ""}, "unique_key": lesson, "nbgrader": names}
    theirs, getgrades.Gradebook = getgrades.Gradebook, lambda url: _Said(said)
    try:
        return _exporter(settings).from_notebook_node(nb, resources)[0]
    finally:
        getgrades.Gradebook = theirs


class _Said:
    """What nbgrader's GetGrades asks of a gradebook, from what was said of one submission."""

    def __init__(self, said):
        self.said = said

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def find_grade(self, name, *submission):
        score, points, waits = self.said["grades"][name]
        return SimpleNamespace(score=score, max_score=points, needs_manual_grade=waits)

    def find_comment(self, name, *submission):
        return SimpleNamespace(comment=self.said["comments"].get(name))

    def find_submission_notebook(self, *submission):
        grades = self.said["grades"].values()
        return SimpleNamespace(
            score=sum(score for score, _, _ in grades),
            max_score=sum(points for _, points, _ in grades),
            late_submission_penalty=self.said["penalty"],
        )
