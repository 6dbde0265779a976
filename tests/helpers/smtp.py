"""A small SMTP server on loopback that accepts every mail and keeps its envelope (RFC 5321)."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Received:
    """The port of the server, its connections so far, and the recipients and the text of each mail."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0
        self.mails: list[tuple[list[str], str]] = []


@contextmanager
def accepting() -> Iterator[Received]:
    """A server, as long as the block lasts."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            recipients: list[str] = []
            received.connections += 1
            self.wfile.write(b"220 ready\r\n")
            for line in self.rfile:
                text = line.decode().strip()
                word = text[:4].upper()
                if word == "RCPT":
                    recipients.append(text.partition("<")[2].rpartition(">")[0])
                if word == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    received.mails.append((recipients, b"".join(lines).decode()))
                    recipients = []
                self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 ok\r\n")
                if word == "QUIT":
                    return

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        received = Received(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
