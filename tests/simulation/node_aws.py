"""AWS as a simulated node reaches it: the same botocore clients, over a cable that can be cut."""

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from moto.dynamodb.exceptions import ConditionalCheckFailed, ResourceNotFoundException
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends

from localcloud.account import ACCOUNT, REGION
from tests.simulation.machine import AWS, Machine

# The timeout of a call without an answer: node/clients.py.
LEASE_SECONDS = 1.0
OTHERS_SECONDS = 7.0


@cache
def client(service: str) -> Any:
    """Return a client; created once in a process, since moto answers for the current world."""
    session = boto3.session.Session(
        aws_access_key_id="NODE",
        aws_secret_access_key="node",
        region_name=REGION,
    )
    return session.client(service)


class NodeClient:
    """One service for one node; raises botocore's errors when the route is cut."""

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
        """Raise ConnectTimeoutError after the timeout when the service cannot be reached."""
        if self._machine.cuts & {AWS, self._service}:
            self._machine.wait(self._seconds)
            raise ConnectTimeoutError(endpoint_url=self._service)

    def _answer(self, operation: str, arguments: dict[str, Any]) -> Any:
        return getattr(client(self._service), operation)(**arguments)


class LeaseClient(NodeClient):
    """DynamoDB for the lease: straight to moto's table, since a thousand nodes ask for it.

    A renewal goes there, too, since each head renews every second.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "dynamodb", LEASE_SECONDS)

    def _answer(self, operation: str, arguments: dict[str, Any]) -> Any:
        direct = DIRECT.get(operation)
        if direct is None:
            return super()._answer(operation, arguments)
        try:
            return direct(dynamodb_backends[ACCOUNT][REGION], arguments)
        except (ConditionalCheckFailed, ResourceNotFoundException) as error:
            code = error.error_type.rpartition("#")[2]
            raise ClientError({"Error": {"Code": code}}, operation) from error


def _get_item(table: DynamoDBBackend, arguments: dict[str, Any]) -> dict[str, Any]:
    item = table.get_item(arguments["TableName"], arguments["Key"])
    return {"Item": item.to_json()["Attributes"]} if item else {}


def _update_item(table: DynamoDBBackend, arguments: dict[str, Any]) -> dict[str, Any]:
    item = table.update_item(
        arguments["TableName"],
        arguments["Key"],
        update_expression=arguments["UpdateExpression"],
        expression_attribute_names={},
        expression_attribute_values=arguments["ExpressionAttributeValues"],
        condition_expression=arguments["ConditionExpression"],
    )
    return {"Attributes": item.to_json()["Attributes"]}


DIRECT = {"get_item": _get_item, "update_item": _update_item}
