"""Which machines reach which in the simulation: their addresses, and the cables that are cut."""

from collections.abc import Callable

from node.contract import RAY_PORTS
from tests.simulation.machine import NODES, Machine


class Silence(Exception):
    """No answer comes: packets are lost, or no machine has that address."""


class NobodyListens(Exception):
    """The connection is refused at once."""


class Network:
    """Addresses and cables. ``balance`` turns a load balancer's address into a target's."""

    def __init__(self) -> None:
        self.balance: Callable[[str, int], str | None] = lambda address, port: address
        self._machines: dict[str, Machine] = {}

    def connect(self, machine: Machine) -> None:
        """Give a machine its address."""
        self._machines[machine.address] = machine

    def disconnect(self, machine: Machine) -> None:
        """Remove the address of a terminated machine."""
        if self._machines.get(machine.address) is machine:
            del self._machines[machine.address]

    def reach(self, origin: Machine | None, address: str, port: int) -> Machine:
        """Return the machine that answers there; ``origin`` None is the load balancer itself.

        A relay's connection ends where the relay leads. Raises Silence or NobodyListens.
        """
        target = self.balance(address, port) if origin else address
        if target is None:
            raise NobodyListens(address)
        machine = self._station(origin, target)
        if machine.passes_on and port in RAY_PORTS:
            return self._station(machine, machine.passes_on)
        return machine

    def _station(self, origin: Machine | None, target: str) -> Machine:
        machine = self._machines.get(target)
        if machine is None or not machine.is_up:
            raise Silence(target)
        cut = origin.cuts & {NODES, target} if origin else set()
        if origin is not machine and (cut or NODES in machine.cuts):
            raise Silence(target)
        return machine
