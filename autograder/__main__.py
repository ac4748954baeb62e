from autograder.cli import script

script()
