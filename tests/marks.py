"""Marks that tests in several folders have."""

import pytest

# What `./run.sh test` has no sample of: a variant of what it tests already, or one of many cases.
THOROUGH_ONLY = pytest.mark.thorough(sample=False)
