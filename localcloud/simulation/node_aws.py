"""AWS as a simulated node reaches it: the same botocore clients, over a cable that can be cut."""

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from moto.dynamodb.exceptions import ResourceNotFoundException
from moto.dynamodb.models import dynamodb_backends

from localcloud.account import ACCOUNT, REGION
from localcloud.simulation.machine import AWS, Machine

# How long a call takes that nobody answers: node/clients.py.
LEASE_SECONDS = 1.0
OTHERS_SECONDS = 7.0


@cache
def client(service: str) -> Any:
    """Return a client; made once a process, since moto answers for whichever world is there."""
    session = boto3.session.Session(
        aws_access_key_id="NODE",
        aws_secret_access_key="node",  # noqa: S106 - signs nothing that is checked
        region_name=REGION,
    )
    return session.client(service)


class NodeClient:
    """One service for one node; raises what botocore does when the way is cut."""

    def __init__(self, machine: Machine, service: str, seconds: float = OTHERS_SECONDS) -> None:
        self._machine, self._service, self._seconds = machine, service, seconds

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.connect()
            answer = self._answer(operation, arguments)
            if self._machine.loses_answers:
                self._machine.wait(self._seconds)
                raise ReadTimeoutError(endpoint_url=self._service)
            return answer

        return call

    def connect(self) -> None:
        """Raise ConnectTimeoutError after the time-out when the service cannot be reached."""
        if self._machine.cuts & {AWS, self._service}:
            self._machine.wait(self._seconds)
            raise ConnectTimeoutError(endpoint_url=self._service)

    def _answer(self, operation: str, arguments: dict[str, Any]) -> Any:
        return getattr(client(self._service), operation)(**arguments)


class LeaseClient(NodeClient):
    """DynamoDB for the lease: GetItem straight from moto's table, since a thousand nodes ask."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "dynamodb", LEASE_SECONDS)

    def _answer(self, operation: str, arguments: dict[str, Any]) -> Any:
        if operation != "get_item":
            return super()._answer(operation, arguments)
        backend = dynamodb_backends[ACCOUNT][REGION]
        try:
            item = backend.get_item(arguments["TableName"], arguments["Key"])
        except ResourceNotFoundException as error:
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException"}}, "GetItem"
            ) from error
        return {"Item": item.to_json()["Attributes"]} if item else {}
