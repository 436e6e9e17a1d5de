"""Notify systemd: sd_notify(3), one datagram to the socket in NOTIFY_SOCKET. No AWS."""

import os
import socket


def notify(state: str) -> None:
    """Send a state, for example ``READY=1``; does nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, sd_notify(3)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
        datagram.settimeout(1)
        datagram.connect(address)
        datagram.send(state.encode())
