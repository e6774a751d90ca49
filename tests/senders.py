"""Pooled's side of the line: several connections that send signed webhooks, and note what came of each."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from flask_pooled import sign_body

#: Pooled waits for an answer for so long, seconds.
PATIENCE = 10

#: How long to wait for a server that is being started, seconds.
_STARTING = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one delivery."""

    #: Which one, counted from 0.
    number: int
    #: ``None``: the connection broke, or nothing came in time.
    status: int | None
    seconds: float
    #: What broke.
    error: str = ""


class Senders:
    """Connections to a server on this machine, each of which sends the next delivery that nobody has sent yet.

    :param secret: signs the delivery of that number.
    :param connections: how many.
    :param pause: of each connection between two deliveries, seconds.
    :param keep: whether a connection is used again, or each delivery has its own.
    :param patient: whether to wait for a server that accepts no connection, to which nothing was sent so far.
    """

    def __init__(
        self,
        port: int,
        bodies: Sequence[bytes],
        secret: Callable[[int], str],
        *,
        connections: int = 4,
        pause: float = 0,
        keep: bool = True,
        patient: bool = False,
    ) -> None:
        self._port = port
        self._bodies = bodies
        self._secret = secret
        self._pause = pause
        self._keep = keep
        self._patient = patient
        self._next = itertools.count()
        self._stopping = threading.Event()
        self.answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._send_all) for _ in range(connections)]

    def start(self) -> Senders:
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    @property
    def sending(self) -> bool:
        """Whether any delivery is left."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()

    def join(self) -> list[Answer]:
        """Wait for the last answer; returns all of them."""
        for thread in self._threads:
            thread.join()
        return self.answers

    def _send_all(self) -> None:
        connection = self._connection()
        while not self._stopping.is_set() and (number := next(self._next)) < len(self._bodies):
            if not self._keep:
                connection.close()
                connection = self._connection()
            answer = self._send(connection, number)
            if answer.status is None:
                connection.close()
                connection = self._connection()
            self.answers.append(answer)
            self._stopping.wait(self._pause)
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)

    def _send(self, connection: http.client.HTTPConnection, number: int) -> Answer:
        body = self._bodies[number]
        headers = {"X-Pooled-Signature": sign_body(body, self._secret(number))}
        began = time.monotonic()
        try:
            if connection.sock is None:
                began = self._connect(connection)
            connection.request("POST", "/pooled/webhook", body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(number, None, time.monotonic() - began, repr(error))
        return Answer(number, response.status, time.monotonic() - began)

    def _connect(self, connection: http.client.HTTPConnection) -> float:
        waited_until = time.monotonic() + _STARTING
        while True:
            began = time.monotonic()
            try:
                connection.connect()
            except ConnectionRefusedError:
                if not self._patient or began > waited_until:
                    raise
                time.sleep(0.02)
            else:
                return began
