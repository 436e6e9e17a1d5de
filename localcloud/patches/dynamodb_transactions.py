"""A transaction of DynamoDB has up to 100 items.

"Amazon DynamoDB Transactions: How it works" (docs.aws.amazon.com/amazondynamodb/latest/
developerguide/transaction-apis.html) says so of TransactWriteItems and TransactGetItems. moto reads
no more than 25, an earlier limit, and counts no writes.
"""

from moto.dynamodb import responses

from localcloud.world import World

MOST_ITEMS = 100


def install() -> None:
    """Raise moto's limit."""
    responses.TRANSACTION_MAX_ITEMS = MOST_ITEMS


def attach(world: World) -> None:
    """Nothing happens by itself."""
