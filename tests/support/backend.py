"""A trace backend for tests: keeps what is exported to it over HTTP."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


class Backend:
    """The backend, which runs until it is closed.

    Args:
        code: What it answers.
        location: The address that it redirects to.
    """

    def __init__(self, code: int = 200, location: str = "") -> None:
        self._requests: Queue[tuple[str, bytes]] = Queue()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                backend._requests.put((self.path, body))
                self.send_response(code)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gave it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def spans(self, path: str = "/v1/traces") -> list[tuple[ResourceSpans, Span]]:
        """Returns each span that has come since the last call, with its resource."""
        found: list[tuple[ResourceSpans, Span]] = []
        while not self._requests.empty():
            asked, body = self._requests.get()
            assert asked == path
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [(resource, span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def bodies(self, path: str) -> list[bytes]:
        """Returns the bodies that have come to a path since the last call; those to others are forgotten."""
        found: list[bytes] = []
        while not self._requests.empty():
            asked, body = self._requests.get()
            found += [body] if asked == path else []
        return found

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def attributes_of(found: Span | ResourceSpans) -> dict[str, str]:
    """Returns the attributes of a span or a resource; those that are no strings are empty."""
    attributes = found.resource.attributes if isinstance(found, ResourceSpans) else found.attributes
    return {attribute.key: attribute.value.string_value for attribute in attributes}
