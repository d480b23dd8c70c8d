"""A TCP proxy on loopback whose connections can be cut, or go silent as in a broken network."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """Passes bytes between its own port and a server's until a fault is injected."""

    def __init__(self, port: int) -> None:
        """Forward to `port` on this machine."""
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._peers: dict[socket.socket, socket.socket] = {}
        self.mute: list[socket.socket] = []
        self.silent = False
        self._woken, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.close()
        self._thread.join(timeout=10)
        for one in (self._listening, self._woken, *self.mute):
            one.close()

    def cut(self) -> None:
        """Cut every connection; accept new ones."""
        self._tell(b"c")

    def silence(self) -> None:
        """Keep every connection open and pass nothing, as when packets are dropped on the way."""
        self._tell(b"s")

    def restore_after(self, seconds: float) -> None:
        """Accept new connections after a while; those from before stay silent."""
        timer = threading.Timer(seconds, self._tell, (b"r",))
        timer.daemon = True
        timer.start()

    def _tell(self, order: bytes) -> None:
        with suppress(OSError):  # a timer may come late
            self._wake.send(order)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    one: socket.socket = key.fileobj  # type: ignore[assignment]  # nothing else is registered
                    if one is self._woken:
                        orders = one.recv(100)
                        if not orders:
                            self._drop(selector, list(self._peers))
                            return
                        self._obey(orders, selector)
                    elif one is self._listening:
                        self._accept(selector)
                    elif one in self._peers:
                        self._pass(one, selector)

    def _obey(self, orders: bytes, selector: selectors.BaseSelector) -> None:
        for order in orders.decode():
            if order == "c":
                self._drop(selector, list(self._peers))
            elif order == "s":
                for one in self._peers:
                    selector.unregister(one)
                self.mute, self._peers, self.silent = [*self.mute, *self._peers], {}, True
            else:
                self.silent = False

    def _accept(self, selector: selectors.BaseSelector) -> None:
        one, _ = self._listening.accept()
        if self.silent:
            self.mute.append(one)
            return
        try:
            other = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            one.close()
            return
        self._peers |= {one: other, other: one}
        for each in (one, other):
            selector.register(each, selectors.EVENT_READ)

    def _pass(self, one: socket.socket, selector: selectors.BaseSelector) -> None:
        other = self._peers[one]
        try:
            data = one.recv(1 << 16)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        self._drop(selector, [one, other])

    def _drop(self, selector: selectors.BaseSelector, gone: list[socket.socket]) -> None:
        for one in gone:
            selector.unregister(one)
            self._peers.pop(one)
            one.close()
