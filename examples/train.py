"""A training loop that goes on from its last checkpoint after the head, or a worker, is lost.

    invoke job.submit --working-dir examples --follow -- \\
        python train.py --bucket my-bucket --group gpu

The trainer runs on a worker of the group, which needs ``s3_read`` and ``s3_write`` on
``checkpoints/*``. A lost worker is replaced while the job runs. A lost head ends the job: submit it
again, and it goes on. What to change for your own: ``Trainer.step``, and what a checkpoint has.
"""

import argparse
import json
import random
import time
from typing import TypedDict

import boto3
import ray
from botocore.exceptions import ClientError

GROUP_LABEL = "ray.io/node-group"
RATE = 0.05
# What is learnt, from samples with some noise.
SLOPE, INTERCEPT = 3.0, -1.0


class State(TypedDict):
    """What a checkpoint has."""

    step: int
    slope: float
    intercept: float


@ray.remote(max_restarts=-1, max_task_retries=-1)
class Trainer:
    """Fits a line by gradient descent; starts from the checkpoint, wherever it is started."""

    def __init__(self, bucket: str, key: str) -> None:
        self._s3, self._place = boto3.client("s3"), {"Bucket": bucket, "Key": key}
        self._state = self._loaded()

    def state(self) -> State:
        """Return the state of now."""
        return self._state

    def train_to(self, step: int, pause: float) -> State:
        """Train until this step, write a checkpoint, and return the state."""
        while self._state["step"] < step:
            self.step()
            time.sleep(pause)
        self._s3.put_object(**self._place, Body=json.dumps(self._state).encode())
        return self._state

    def step(self) -> None:
        """Take one step on one sample."""
        x = random.uniform(-1, 1)  # noqa: S311 # no secret
        error = SLOPE * x + INTERCEPT + random.gauss(0, 0.1)
        error -= self._state["slope"] * x + self._state["intercept"]
        self._state = {
            "step": self._state["step"] + 1,
            "slope": self._state["slope"] + RATE * error * x,
            "intercept": self._state["intercept"] + RATE * error,
        }

    def _loaded(self) -> State:
        try:
            found: State = json.loads(self._s3.get_object(**self._place)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return {"step": 0, "slope": 0.0, "intercept": 0.0}
        return found


def main() -> None:
    """Train, with a checkpoint every so many steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--group", default="", help="the group of workers (default: any)")
    parser.add_argument("--key", default="checkpoints/line.json")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=100, help="steps between two checkpoints")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a step takes more")
    given = parser.parse_args()
    ray.init(logging_level="warning")
    where = {GROUP_LABEL: given.group} if given.group else {}
    trainer = Trainer.options(label_selector=where).remote(given.bucket, given.key)
    state = ray.get(trainer.state.remote())
    print(f"goes on from step {state['step']}" if state["step"] else "starts at step 0", flush=True)
    while state["step"] < given.steps:
        step = min(state["step"] + given.every, given.steps)
        state = ray.get(trainer.train_to.remote(step, given.pause))
        print(f"checkpoint at step {state['step']}", flush=True)
    print(f"y = {state['slope']:.1f} x + {state['intercept']:.1f} after {state['step']} steps")


if __name__ == "__main__":
    main()
