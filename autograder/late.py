"""Points that a late submission loses: so much for each day, after a time of grace, up to a limit.

from autograder.late import LatePenalty

c.AssignLatePenalties.plugin_class = LatePenalty
c.LatePenalty.percent_per_day = 10
"""

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Bool, Float


class LatePenalty(LateSubmissionPlugin):
    """A share of the points reached, for each day late. nbgrader asks it when a submission is graded."""

    percent_per_day = Float(10, help="Percent of the points reached that a day costs.").tag(config=True)
    grace_minutes = Float(0, help="Minutes late that cost nothing.").tag(config=True)
    most_percent = Float(100, help="No submission loses more than this.").tag(config=True)
    whole_days = Bool(True, help="A day that has begun counts as a day; off: by the hour.").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        if total_seconds_late <= 60 * self.grace_minutes:
            return 0.0
        days = total_seconds_late / 86400
        days = math.ceil(days) if self.whole_days else days
        return round(score * min(days * self.percent_per_day, self.most_percent) / 100, 2)
