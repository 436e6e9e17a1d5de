"""Answer on Ray Serve: ``python -m documents.serve``, beside the head.

A proxy on every node that has a replica listens on the port of the settings. The application is
deployed anew with each start, and stays when this process ends (docs.ray.io/en/latest/serve/
api/doc/ray.serve.run.html).
"""

from typing import Any

from ray import serve

from common.clients import Clients
from common.errors import Refused
from documents.entry import connect, selector
from documents.log import JsonLog
from documents.program import run
from documents.settings import Settings, load_settings
from documents.web.app import make_api, make_app

NAME = "documents"
HEAD = {"node:__internal_head__": 0.001}  # the head alone has it (ray_constants.py, 2.60)


def build() -> Any:
    """Return the ASGI application; called on each replica, with the settings of its node."""
    settings = load_settings()
    return make_app(make_api(settings, Clients(settings.region)))


def deploy(settings: Settings, replicas: int = 1, name: str = NAME) -> None:
    """Deploy to the cluster that Ray is connected to, and wait until it answers.

    Raises Refused without a token: what is served holds the content of documents.
    """
    if not settings.token.get_secret_value():
        raise Refused("there is no token", hint="set DOCUMENTS_TOKEN, from a secret")
    serve.start(http_options={"host": "0.0.0.0", "port": settings.port})  # noqa: S104 # in its VPC
    # A replica mostly waits, and must start on a cluster whose consumers take every CPU. Where the
    # cluster is the pipeline's own, it is on the head, which stays when workers come and go, and
    # may search.
    place = {"label_selector": selector(settings.group)} if settings.group else {"resources": HEAD}
    deployment = serve.deployment(
        serve.ingress(build)(),
        name="answers",
        num_replicas=replicas,
        max_ongoing_requests=32,
        ray_actor_options={"num_cpus": 0, **place},
    )
    serve.run(deployment.bind(), name=name, route_prefix="/")


def main() -> None:
    """Deploy, and end."""
    settings = load_settings()
    connect()
    deploy(settings)
    JsonLog("serve")("deployed", port=settings.port)


if __name__ == "__main__":
    run(main)
