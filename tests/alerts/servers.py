"""Servers on loopback that never say what is expected of them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Odd:
    """The port of a server, and how often something connected."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0


@contextmanager
def saying(text: bytes, *, pause: float = 0, for_ever: bytes = b"") -> Iterator[Odd]:
    """A server that says a text to whoever connects, byte by byte with a pause, then `for_ever` for ever.

    Without a text it says nothing. It reads nothing, and ends with the block.
    """
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    odd = Odd(listener.getsockname()[1])

    def talk(client: socket.socket) -> None:
        with suppress(OSError), client:
            for number in range(len(text)):
                client.sendall(text[number : number + 1])
                if stop.wait(pause):
                    return
            while for_ever and not stop.wait(pause):
                client.sendall(for_ever)
            stop.wait(60)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            odd.connections += 1
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield odd
    finally:
        stop.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
