"""An HTTP client that gives a request so many seconds, however a server spends them."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from httpx2 import ReadTimeout, Request, Response
from openai import DefaultHttpxClient

T = TypeVar("T")


class PunctualClient(DefaultHttpxClient):  # type: ignore[misc]  # mypy sees no class there
    """A client whose own time-outs, each of which is for the next byte, end as a whole.

    Args:
        seconds: until an answer has begun, all of its headers included; or is whole, where it is not streamed.
        options: of the client.
    """

    def __init__(self, seconds: float, **options: Any) -> None:  # noqa: ANN401 - the client's own
        super().__init__(**options)
        self._seconds = seconds

    def send(self, request: Request, **how: Any) -> Response:  # noqa: ANN401 - the client's own
        """Send a request.

        Raises:
            ReadTimeout: it was not answered in time.
        """
        try:
            return within(self._seconds, lambda: super(PunctualClient, self).send(request, **how))
        except TimeoutError as error:
            raise ReadTimeout("headers without end", request=request) from error


def within(seconds: float, run: Callable[[], T]) -> T:
    """What ``run()`` gives; it runs in a thread of its own, which nobody waits for any longer than that.

    Raises:
        TimeoutError: it takes longer.
    """
    found = Future[T]()

    def work() -> None:
        try:
            found.set_result(run())
        except BaseException as error:  # whoever waits gets it
            found.set_exception(error)

    Thread(target=work, daemon=True).start()  # a server that goes on and on does not keep the process alive
    return found.result(seconds)
