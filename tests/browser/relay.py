"""A wire between browser and server that a test can cut."""

import socket
import threading
from contextlib import suppress


class Relay:
    """Passes on what is sent to its port, until it is cut.

    Attributes
    ----------
    port : int
        Where it listens.
    """

    def __init__(self, server_port):
        self._server = ("127.0.0.1", server_port)
        self._ends = set()
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [self._start(self._listen)]

    def cut(self):
        """End all connections, and let no new one last."""
        self._is_cut = True
        for end in [*self._ends]:
            _end(end)

    def mend(self):
        self._is_cut = False

    def close(self):
        self.cut()
        _end(self._listener)
        for thread in self._threads:
            thread.join()

    def _listen(self):
        with self._listener, suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                self._threads.append(self._start(self._serve, browser))

    def _serve(self, browser):
        with browser, suppress(OSError):
            if self._is_cut:
                return
            with socket.create_connection(self._server) as server:
                self._ends |= {browser, server}
                up = self._start(_pass_on, browser, server)
                _pass_on(server, browser)
                up.join()
                self._ends -= {browser, server}

    @staticmethod
    def _start(work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread


def _pass_on(here, there):
    with suppress(OSError):
        while data := here.recv(2**16):
            there.sendall(data)
    _end(here)
    _end(there)


def _end(end):
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
