"""pyproject.toml says what the project needs; environment.yml and requirements.lock must say the same."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"msgpack-python": "msgpack"}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def bounds(lines):
    """{name: set of bounds} of requirement lines, by PyPI's name."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        found[CONDA_NAMES.get(name, name)] = {str(s) for s in requirement.specifier}
    return found


def conda(text):
    """The requirements of an environment.yml, those for pip included."""
    lines = []
    for entry in yaml.safe_load(text)["dependencies"]:
        lines += [line for line in entry["pip"] if not line.startswith("-")] if isinstance(entry, dict) else [entry]
    return bounds(lines)


def differences(pyproject, environment):
    """What differs between the two, as sentences."""
    wanted = bounds(pyproject["dependencies"]) | {"python": bounds(["python" + pyproject["requires-python"]])["python"]}
    given = {name: spec for name, spec in conda(environment).items() if name != "pip"}
    names = sorted(wanted.keys() ^ given.keys())
    return [f"{name} is in one file only" for name in names] + [
        f"{name}: {sorted(wanted[name])} against {sorted(given[name])}"
        for name in sorted(wanted.keys() & given.keys())
        if wanted[name] != given[name]
    ]


def locked():
    """{name: [requirements]} of the lock that hold on this Python."""
    found = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(default_environment()):
                found[re.sub(r"[-_.]+", "-", requirement.name).lower()] = requirement
    return found


def test_environment_yml_is_in_step():
    text = (ROOT / "environment.yml").read_text()
    assert differences(project(), text) == []
    assert yaml.safe_load(text)["channels"] == ["conda-forge"]
    assert "--no-deps --editable ." in text


@pytest.mark.parametrize(
    ("old", "new"), [("numpy>=2.3,<3", "numpy>=2.2,<3"), ("  - rich>=14,<16\n", ""), ("python>=3.11", "python>=3.10")]
)
def test_a_difference_is_found(old, new):
    text = (ROOT / "environment.yml").read_text()
    assert old in text
    assert differences(project(), text.replace(old, new)) != []


def test_the_lock_satisfies_the_bounds():
    pins = locked()
    for line in project()["dependencies"] + project()["optional-dependencies"]["dev"]:
        requirement = Requirement(line)
        (pin,) = pins[requirement.name.lower()].specifier
        assert pin.operator == "==" and requirement.specifier.contains(pin.version), line


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml", "pyproject.toml", "Makefile"])
def test_no_address_of_a_registry(name):
    assert not re.search(r"https?://|@ ", (ROOT / name).read_text())


def test_every_import_is_declared():
    declared = {re.sub(r"[-_.]+", "-", Requirement(line).name).lower() for line in project()["dependencies"]}
    # what nbgrader and jupyter themselves bring and cannot do without
    brought = {
        "nbconvert",
        "traitlets",
        "ipython",
        "matplotlib-inline",
        "sqlalchemy",
        "pyyaml",
        "scipy",
        "pillow",
        "bleach",
    }
    owners = packages_distributions()
    missing = set()
    for path in [*ROOT.glob("cnnlib/**/*.py"), *ROOT.glob("autograder/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in names:
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top in ("cnnlib", "autograder"):
                    continue
                if not {owner.lower().replace("_", "-") for owner in owners.get(top, ["?"])} & (declared | brought):
                    missing.add(f"{path.relative_to(ROOT)} imports {top}")
    assert missing == set()
