"""Where the sandbox cannot be had, the tests that need it are skipped; where AUTOGRADER_TEST_SANDBOX=required, they fail instead."""

import os

import pytest

from autograder.sandbox import SandboxError, require


def _problem():
    try:
        require()
    except SandboxError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def sandboxed():
    """Use this in a test that needs isolation."""
    problem = _problem()
    if problem and os.environ.get("AUTOGRADER_TEST_SANDBOX") == "required":
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)


@pytest.fixture(scope="session")
def isolate():
    """Whether students' code can be isolated here; the tests that need no isolation run either way."""
    problem = _problem()
    if problem and os.environ.get("AUTOGRADER_TEST_SANDBOX") == "required":
        pytest.fail(problem)
    return not problem
