"""`autograder build | slides | pages | check | collect | grade | export | report | doctor`"""

import argparse
import difflib
import gc
import os
import re
import select
import signal
import sys
from pathlib import Path

from autograder.problem import Problem
from autograder.sandbox import SandboxError

FORMS = (
    "moodle",
    "canvas",
    "brightspace",
    "exchange",
    "nbgrader",
    "folder",
)  # of autograder.lms, which takes time to import
LEAST_MEMORY = 100 << 20  # bytes that a submission's process needs before its first line


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="autograder", description="Build the notebooks of a course and grade submissions in isolation."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    build = commands.add_parser(
        "build", help="make the instructor's and the student's notebooks from the lesson sources"
    )
    build.add_argument("lesson", nargs="*", help="such as 05_conv_backward; default: all")

    for kind, each in (("slides", "slides for a lecture"), ("pages", "one page to read")):
        command = commands.add_parser(kind, help=f"run the demos and make each lesson {each}: an HTML file, offline")
        command.add_argument("lesson", nargs="*", help="such as 05_conv_backward; default: all")

    check = commands.add_parser(
        "check", help="grade the instructor's version (full marks) and the release (none) of a lesson"
    )
    check.add_argument("lesson", nargs="*")

    grade = commands.add_parser("grade", help="grade a folder of submissions: gradebook, CSV, feedback pages, a table")
    grade.add_argument("lesson", nargs="+", help="such as 05_conv_backward")
    grade.add_argument(
        "--submissions",
        type=Path,
        default=Path("submitted"),
        help="folder STUDENT/LESSON/LESSON.ipynb (default: submitted)",
    )
    grade.add_argument("--output", type=Path, help="where the results go (default: the course folder)")
    grade.add_argument("--only", "--student", nargs="+", metavar="STUDENT", help="grade these students only")
    grade.add_argument("--force", action="store_true", help="grade again what was graded already")
    grade.add_argument("--jobs", type=_count, metavar="N", help="submissions at a time (default: one for each core)")
    grade.add_argument("--scheduler", metavar="ADDRESS", help="grade on the workers of this Dask scheduler instead")
    grade.add_argument(
        "--memory",
        type=_bytes,
        metavar="SIZE",
        help="what the processes of a submission may use together, such as 4G (2G)",
    )
    grade.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help="limit for one call of a student's function (10); a cell may take three times that",
    )

    collect = commands.add_parser(
        "collect", help="what a learning management system exports, to submitted/STUDENT/LESSON"
    )
    collect.add_argument("lesson", help="such as 05_conv_backward")
    collect.add_argument(
        "source", nargs="+", type=Path, help="zip or folder from Moodle, Canvas, Brightspace, nbgrader"
    )
    collect.add_argument(
        "--roster",
        type=Path,
        action=_Once,
        metavar="CSV",
        help="the class, as your system exports it; kept in the gradebook",
    )
    collect.add_argument("--form", choices=FORMS, help="how the export is named (default: seen from the names)")
    collect.add_argument(
        "--due", metavar="TIME", help="when it was due, such as '2026-11-21 23:59'; kept in the gradebook"
    )
    collect.add_argument(
        "--timezone", metavar="ZONE", help="of the times in exports and of --due (default: this machine's)"
    )
    collect.add_argument("--output", type=Path, help="where submitted/ and collected/ go (default: the course folder)")

    export = commands.add_parser("export", help="grades and feedback pages, as learning management systems import them")
    export.add_argument("lesson", nargs="*", help="such as 05_conv_backward; default: all that were graded")
    export.add_argument("--form", choices=("csv", "canvas", "moodle", "brightspace"), default="csv")
    export.add_argument(
        "--template", type=Path, metavar="CSV", help="the file that your system exports, to be filled in"
    )
    export.add_argument("--column", metavar="NAME", help="the column of the system's file that gets the grades")
    export.add_argument("--of", type=_positive, metavar="POINTS", help="convert the grades to so many points")
    export.add_argument(
        "--raw", action="store_true", help="without the penalty for being late, where your system takes it"
    )
    export.add_argument("--output", type=Path, help="where the results are (default: the course folder)")

    report = commands.add_parser(
        "report", help="one page on how a class did: points, mistakes, who needs a look, who is alike"
    )
    report.add_argument("lesson", nargs="*", help="such as 05_conv_backward; default: all that were graded")
    report.add_argument("--output", type=Path, help="where the results are (default: the course folder)")
    report.add_argument("--to", type=Path, metavar="FILE", help="the page (default: report.html beside the gradebook)")

    doctor = commands.add_parser("doctor", help="say whether this machine and this folder are ready to grade")
    doctor.add_argument("--isolation", action="store_true", help="look at the isolation of students' code alone")
    for command in (check, grade):
        command.add_argument(
            "--no-sandbox", action="store_true", help="run without isolation, with limits only; every output says so"
        )

    args, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(commands.choices[args.command], unknown)
    try:
        return COMMANDS[args.command](args) or 0
    except (Problem, SandboxError) as problem:
        print(f"autograder: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return _quietly()
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"autograder: {error.strerror}{where}. Nothing that was graded before is lost; mend this and run the command again.",
            file=sys.stderr,
        )
        return 1
    except Exception as error:
        import sqlite3

        why = getattr(error, "orig", error)  # what SQLAlchemy says, or SQLite itself
        if type(why) not in (sqlite3.DatabaseError, sqlite3.OperationalError):
            raise
        where = getattr(args, "output", None) or Path()
        print(
            f"autograder: the gradebook in {where} cannot be read or written ({why}). `autograder doctor` in that folder says what to do.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt as stop:
        so_far = str(stop) or "What was done is kept; run the command again to go on."
        print(f"autograder: stopped. {so_far}", file=sys.stderr)
        return 130


def _refuse(command, unknown):
    """End with the usage of this command, and with the option that was meant if one is near."""
    options = re.findall(r"--[a-z-]+", command.format_help())
    near = difflib.get_close_matches(unknown[0].partition("=")[0], options, 1)
    command.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; did you mean {near[0]}?" if near else ""))


def _nobody_reads():
    """Whether what we print goes nowhere, as when `head` has seen enough."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # Windows has no poll, and a test no file
        return False


def _quietly():
    """Write nothing more to the standard output; the exit status."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 1


def _positive(text):
    """A positive number. argparse makes a sentence of the error."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return number


def _count(text):
    """A whole number from 1 on. argparse makes a sentence of the error."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return int(text)


class _Once(argparse.Action):
    """An option of which the last would hide the others."""

    def __call__(self, parser, namespace, value, option=None):
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option} is given more than once; collect once with each")
        setattr(namespace, self.dest, value)


def _bytes(text):
    """A size such as 512M or 4G, as bytes. argparse makes a sentence of the error."""
    found = re.fullmatch(r"(\d+)([MG])B?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1]) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no size; write it as 512M or 4G")
    size = int(found[1]) << {"M": 20, "G": 30}[found[2].upper()]
    if size < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text} is too little for numpy and a notebook; give 100M or more")
    return size


def _course():
    """The folder of the course, which is where the command runs. Raises Problem elsewhere."""
    folder = Path.cwd()
    if not (folder / "nbgrader_config.py").exists():
        raise Problem(
            f"{folder} is no course folder: it has no nbgrader_config.py. Run this in the folder of the course."
        )
    return folder


def _build(args):
    from autograder.build import BuildError, build

    try:
        changed = build(_course(), args.lesson or None)
    except BuildError as error:
        raise Problem(str(error)) from None
    print("\n".join(map(str, changed)) or "The notebooks are up to date.")


def _export(args):
    from autograder.export import export

    for path in export(_course(), args.command, args.lesson):
        print(path.relative_to(Path.cwd()), flush=True)


def _check(args):
    from autograder.grade import check_lessons

    return check_lessons(_course(), args.lesson, isolate=not args.no_sandbox)


def _grade(args):
    if sys.stderr.isatty():  # somebody waits, and what is imported next takes seconds
        print(f"Reading the submissions in {args.submissions} …", file=sys.stderr, flush=True)
    from autograder import batch

    batch.prepare()
    from autograder.grade import Options, grade_class

    options = Options(
        isolate=not args.no_sandbox,
        only=args.only,
        force=args.force,
        timeout=args.timeout,
        memory=args.memory,
        jobs=args.jobs,
        scheduler=args.scheduler,
    )
    return grade_class(_course(), args.lesson, args.submissions, args.output or Path.cwd(), options)


def _collect(args):
    from autograder.collect import collect_class

    where = args.output or Path.cwd()
    return collect_class(
        _course(), args.lesson, args.source, where, args.roster, args.form, due=args.due, timezone=args.timezone
    )


def _export_grades(args):
    from autograder.export_grades import export_grades

    where = args.output or Path.cwd()
    for line in export_grades(where, args.lesson, args.form, args.template, args.column, args.of, args.raw):
        print(line)


def _report(args):
    from autograder.report import report

    print(f"Report {report(_course(), args.lesson, args.output or Path.cwd(), args.to)}")


def _doctor(args):
    from autograder.doctor import doctor

    return doctor(Path.cwd(), args.isolation)


COMMANDS = {
    "build": _build,
    "slides": _export,
    "pages": _export,
    "check": _check,
    "collect": _collect,
    "grade": _grade,
    "export": _export_grades,
    "report": _report,
    "doctor": _doctor,
}


def script():
    """The command: `main`, and then no more interrupts, since all is done and a thread that ends would complain of one."""
    code = main()
    if _nobody_reads():
        code = _quietly()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # or Python would take a second to look through all that was imported, and end nothing sooner
    sys.exit(code)
