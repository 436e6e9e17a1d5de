"""AWS that answers what a test says, and remembers each request in full."""

from typing import Any

from botocore.exceptions import ClientError

Request = tuple[str, dict[str, Any]]


class Answers:
    """Clients: each operation has one answer, or one for each request; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.requests: list[Request] = []

    def __call__(self, service: str) -> "Client":
        return Client(self, service)

    def answer(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        self.requests.append((f"{service}:{operation}", request))
        given = self.answers[operation]
        found = given.pop(0) if isinstance(given, list) else given
        if isinstance(found, Exception):
            raise found
        return found


class Client:
    """A client of one service."""

    def __init__(self, aws: Answers, service: str) -> None:
        self.aws, self.service = aws, service

    def __getattr__(self, operation: str) -> Any:
        return lambda **request: self.aws.answer(self.service, operation, request)

    def get_paginator(self, operation: str) -> "Pages":
        return Pages(self, operation)


class Pages:
    """A paginator: one answer is one page, a tuple several."""

    def __init__(self, client: Client, operation: str) -> None:
        self.client, self.operation = client, operation

    def paginate(self, **request: Any) -> tuple[Any, ...]:
        found = self.client.aws.answer(self.client.service, self.operation, request)
        return found if isinstance(found, tuple) else (found,)


def refused(code: str, message: str = "no") -> ClientError:
    """Return AWS's refusal."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")
