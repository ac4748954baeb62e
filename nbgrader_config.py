"""nbgrader's settings for this course; its own commands and Formgrader read them when started in this folder."""

from autograder.execute import configure

c = get_config()  # noqa: F821 - nbgrader defines it
c.CourseDirectory.course_id = "cnn-by-hand"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
c.GenerateAssignment.force = True  # the student's version is always built again from the source
configure(c)
