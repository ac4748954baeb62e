"""The class report: one HTML page, without scripts and without a network, that says how a class did and who needs a look."""

import os
import statistics
import urllib.parse
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import jinja2

from autograder import mistakes, overlay, scores, similarity, store
from autograder.archive import plain
from autograder.collected import read as read_record
from autograder.execute import NOT_ISOLATED
from autograder.graded import cells, look_at_all
from autograder.problem import Problem
from autograder.wording import coded, duration

TEMPLATES = Path(__file__).with_name("templates")
BINS = ["0", *(f"{low}–{low + 9}" if low else "1–9" for low in range(0, 100, 10)), "100"]
NAMED = 60  # students named in one place; the page says how many more there are
FEW, MANY = 3, 10  # of what was wrong in an exercise: so many are shown at least, and at most


@dataclass
class Exercise:
    """A solution cell with the tests below it, or an answer that a person marks."""

    name: str
    cells: list = field(default_factory=list)
    points: float = 0.0
    by_hand: bool = False


def report(course: Path, lessons, output: Path, to: Path | None = None) -> Path:
    """Write the report on these lessons (default: all that were graded) and return its path. Raises Problem."""
    if to is not None and not to.parent.is_dir():
        raise Problem(f"There is no folder {to.parent} for the report; make it, or choose another place with --to.")
    to = to or output / "report.html"
    gradebook, lessons = scores.graded(output / "gradebook.db", lessons)
    with gradebook:
        pages = [_lesson(gradebook, course, output, to, name) for name in lessons]
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    environment.filters |= {"number": _number, "percent": lambda x: f"{100 * x:.0f}", "code": coded}
    page = environment.get_template("report/report.html.j2").render(
        lessons=pages, made=datetime.now().strftime("%d %B %Y, %H:%M").lstrip("0"), named=NAMED, bins=BINS
    )
    store.write(to, page)
    return to


def _number(value):
    return f"{round(value, 2):g}" if isinstance(value, float) else f"{value:,}"


def _lesson(gradebook, course, output, to, lesson):
    """All that the template needs to say of one lesson."""
    record = read_record(output, lesson)
    submissions, names = scores.of(gradebook, lesson), _names(gradebook)
    for one in submissions:
        one.name = names[one.student]
    exercises, stubs, title = _exercises(course, lesson, submissions)
    place = {cell: exercise.name for exercise in exercises for cell in exercise.cells}
    looks = look_at_all([output / "autograded" / one.student / lesson for one in submissions], place, stubs)
    for one, look in zip(submissions, looks, strict=True):
        one.notes, one.wrong, one.stopped, one.code = look.notes, look.wrong, look.stopped, look.code
        one.link = _link(output / "feedback" / one.student / lesson, to)
    tried = [
        one for one in submissions if not _why_unread(one)
    ]  # the others would look as if they had every test wrong
    shares = [one.share for one in submissions]
    return {
        "name": lesson,
        "title": title,
        "submissions": submissions,
        "points": max((one.points for one in submissions), default=0),
        "waiting": sum(one.waiting > 0 for one in submissions),
        "late": sum(bool(one.late) for one in submissions),
        "median": statistics.median(shares) if shares else 0,
        "mean": statistics.fmean(shares) if shares else 0,
        "histogram": _histogram(shares),
        "unread": len(submissions) - len(tried),
        "exercises": [_exercise(exercise, tried) for exercise in exercises],
        "mistakes": _mistakes(exercises, tried),
        "attention": _attention(submissions, record, names, _not_taken(output, lesson)),
        "alike": _alike(submissions),
        "not_isolated": sum(NOT_ISOLATED in one.notes for one in submissions),
        "unfinished": scores.unfinished(course, output, lesson, submissions, gradebook),
        "run": _run(output, lesson, submissions),
    }


def _exercises(course, lesson, submissions):
    """The exercises in the lesson's order, the stubs of its solution cells, and its title."""
    points = {cell: p for one in submissions for cell, (_, p, _) in one.cells.items()}
    exercises, stubs, prose, current = [], {}, [], None
    for path in sorted((course / "notebooks" / lesson).glob("*.ipynb")) or sorted(
        (course / "solutions" / lesson).glob("*.ipynb")
    ):
        for cell in cells(path):
            if cell["kind"] == "markdown":
                prose.append(cell["source"])
            label, grade, solution = cell["id"], cell["grade"], cell["solution"]
            if solution and not grade:
                current = Exercise(label)
                stubs[label] = cell["source"]
                exercises.append(current)
            elif grade and label in points:
                if solution or current is None:
                    exercises.append(Exercise(label, [label], points[label], by_hand=solution))
                    continue
                current.cells.append(label)
                current.points += points[label]
    known = {label for exercise in exercises for label in exercise.cells}
    exercises += [Exercise(cell, [cell], p) for cell, p in points.items() if cell not in known]
    return [exercise for exercise in exercises if exercise.cells], stubs, plain(overlay.title(prose, lesson))


def _histogram(shares):
    counts = Counter(0 if s <= 0 else 11 if s >= 1 else 1 + min(9, int(s * 10)) for s in shares)
    most = max(counts.values(), default=1)
    return [(label, counts[place], counts[place] / most) for place, label in enumerate(BINS)]


def _exercise(exercise, submissions):
    """How many had all of it, some of it, none; who waits for a person is none of these."""
    full = part = none = waits = 0
    shares = []
    for one in submissions:
        cells = [one.cells[cell] for cell in exercise.cells if cell in one.cells]
        points, score = sum(p for _, p, _ in cells), sum(s for s, _, _ in cells)
        if any(w for _, _, w in cells):
            waits += 1
            continue
        shares.append(score / points if points else 1.0)
        full, part, none = full + (score >= points), part + (0 < score < points), none + (score <= 0 < points)
    return {
        "name": exercise.name,
        "points": exercise.points,
        "by_hand": exercise.by_hand,
        "parts": [
            ("full", "all points", full),
            ("part", "some", part),
            ("none", "none", none),
            ("waits", "wait for you", waits),
        ],
        "all": len(submissions),
        "mean": statistics.fmean(shares) if shares and not (exercise.by_hand and waits) else None,
    }


def _mistakes(exercises, submissions):
    """By exercise, what was wrong, for how many and whom; the known mistakes are marked. What stands out, and the rest apart."""
    out = []
    for exercise in exercises:
        who = defaultdict(list)
        for one in submissions:
            for what in one.wrong.get(exercise.name, ()):
                who[what].append(one)
        known = mistakes.sentences()
        found = sorted(who.items(), key=lambda item: (-len(item[1]), item[0] not in known, item[0]))
        if found:
            most = len(found[0][1])
            lines = [(what, what in known, len(w), w[:NAMED], len(w) / most) for what, w in found]
            first = max(FEW, min(MANY, sum(count > 1 or marked for _, marked, count, _, _ in lines)))
            out.append((exercise.name, lines[:first], lines[first:]))
    return out


def _names(gradebook):
    """{id: the name, or the id where the gradebook has none; both where several have one name}"""
    names = {s.id: plain(f"{s.first_name or ''} {s.last_name or ''}".strip() or s.id) for s in gradebook.students}
    count = Counter(names.values())
    return {id_: name if count[name] == 1 else f"{name} ({plain(id_)})" for id_, name in names.items()}


def _not_taken(output, lesson):
    """What the last run found among this lesson's submissions and could not take as one."""
    run = store.read(output / ".graded" / "run.json")
    others = [f", {other}" for other in run.get("lessons", ()) if other != lesson]
    lines = [line.partition(": ") for line in run.get("not_graded", ()) if lesson in run.get("lessons", ())]
    return [
        (plain(who.removesuffix(f", {lesson}")), plain(why), "")
        for who, _, why in lines
        if not any(map(who.endswith, others))
    ]


def _attention(submissions, record, names, not_taken):
    """[(heading, what to do, [(who, why, link)])] for those who need a person."""

    def entry(one, why):
        return one.name, why, one.link

    unread = [entry(one, note) for one in submissions for note in _why_unread(one)]
    seen = {who for who, _, _ in unread}
    there = {one.student for one in submissions}
    lost = [
        (names.get(line.student) or plain(line.student or line.origin), plain(line.sentence), "")
        for line in record
        if line.state in ("unknown", "duplicate", "unreadable") and line.student not in there
    ]
    missing = {line.student for line in record if line.state == "missing"} - there
    absent = [(names.get(student, student), "", "") for student in sorted(missing)]
    stopped = [entry(one, "; ".join(sorted(one.stopped))) for one in submissions if one.stopped]
    zero = [entry(one, _reason(one)) for one in submissions if one.score <= 0 and one.name not in seen]
    waits = [entry(one, _waits(one)) for one in submissions if one.waiting]
    late = [
        entry(one, one.late + (f", loses {_number(float(one.penalty))} points" if one.penalty else ""))
        for one in submissions
        if one.late
    ]
    notes = [
        entry(one, note) for one in submissions for note in one.notes
        if note != NOT_ISOLATED and (one.name, note, one.link) not in unread
    ]  # fmt: skip
    said = {line.student: plain(line.sentence) for line in record if line.counts and line.sentence}
    notes += [
        entry(one, said[one.student]) for one in submissions
        if one.student in said and not any(note in said[one.student] for note in one.notes)
    ]  # fmt: skip
    parts = [
        ("Not graded", "Their submissions were put aside when they were collected; mend this and collect again.", lost),
        ("Not taken", "The last run found these and could not grade them.", not_taken),
        ("No notebook of this lesson", "They got 0 points; ask for the right file.", unread),
        ("No points", "A first look at what most of their tests said.", zero),
        ("Stopped at a limit", "Only the tests that were stopped cost points.", stopped),
        ("Other notes, when collected or graded", "", notes),
        ("Late", "", late),
        (
            "Wait for your marks",
            "`make lab` opens JupyterLab: its menu Nbgrader has Formgrader. Until you mark them, points are missing, or those of an earlier answer count.",
            waits,
        ),
        ("Handed in nothing", "", absent),
    ]
    return [part for part in parts if part[2]]


def _why_unread(one):
    """The grader's notes on a submission that is no notebook of this lesson."""
    words = ("a notebook", "another notebook", "is empty", "opened", "most that")
    return [
        note for note in one.notes if note != NOT_ISOLATED and one.score <= 0 and any(word in note for word in words)
    ]


def _waits(one):
    points = f"{_number(float(one.waiting))} points"
    return (
        f"{points}, {_number(float(one.again))} of them for an answer that was marked and then changed"
        if one.again
        else points
    )


def _reason(one):
    said = Counter(what for found in one.wrong.values() for what in found)
    return said.most_common(1)[0][0] if said else ""


def _alike(submissions):
    by_student = {one.student: one for one in submissions}
    found = similarity.groups({one.student: one.code for one in submissions})
    return [
        (
            [by_student[key] for key in keys],
            least,
            [(likeness, by_student[a], by_student[b]) for likeness, a, b in closest],
        )
        for keys, least, closest in found
    ]


def _link(folder, page):
    """A feedback page's address from the report, where there is one."""
    pages = sorted(folder.glob("*.html"))
    return urllib.parse.quote(os.path.relpath(pages[0], page.parent).replace(os.sep, "/")) if pages else ""


def _run(output, lesson, submissions):
    """[(label, value)] about the time and the cost of grading, as far as the grader left them."""
    run = store.read(output / ".graded" / "run.json")
    marks = {
        one.student: store.read(output / ".graded" / "marks" / one.student / lesson).get("seconds")
        for one in submissions
    }
    each = {name: seconds for name, seconds in marks.items() if isinstance(seconds, int | float)}
    facts = []
    if lesson in run.get("lessons", ()) and isinstance(run.get("seconds"), int | float):
        with_others = " for all its lessons" if len(run["lessons"]) > 1 else ""
        facts.append((f"the last run{with_others}", duration(run["seconds"])))
        facts.append(("submissions that were new to it", f"{run.get('graded', 0):,} of {run.get('submissions', 0):,}"))
        facts.append(("at a time", f"{run.get('slots', 1)}"))
    if each:
        facts.append(("their code and tests, all together", duration(sum(each.values()))))
        slowest = max(each, key=each.get)
        facts.append(("a submission, in the middle", duration(statistics.median(each.values()))))
        name = next(one.name for one in submissions if one.student == slowest)
        facts.append((f"the slowest, {name}", duration(each[slowest])))
    return facts
