"""The stand-in AWS, for what is reached through it."""

from tests.unit.localcloud.conftest import aws  # noqa: F401 - a fixture
