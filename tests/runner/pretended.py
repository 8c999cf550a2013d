"""An API server of Kubernetes that keeps what it is sent and says of each job that it has failed:
what the plugin asks a cluster for can be looked at without one.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Answers(BaseHTTPRequestHandler):
    """Whatever is posted is taken as it is."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")

    def do_POST(self) -> None:
        sent = self.body()
        self.server.sent.append((self.path.rsplit("/", 1)[-1], sent))  # type: ignore[attr-defined]
        self.answer(sent, 201)

    def do_DELETE(self) -> None:
        self.body()
        self.answer({"kind": "Status", "status": "Success"})

    def do_GET(self) -> None:
        self.answer({"status": {"failed": 1}} if "/jobs/" in self.path else {"items": []})


@contextlib.contextmanager
def cluster(kubeconfig: Path) -> Iterator[list[tuple[str, Any]]]:
    """Such a server, and the file by which a client finds it; yields what it is sent, as pairs of
    a collection ("jobs", "secrets") and what is put into it.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.sent = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = {"server": f"http://127.0.0.1:{server.server_port}"}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": where}],
                "users": [{"name": "me", "user": {}}],
            }
        )
    )
    try:
        yield server.sent  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def faults(content: Any, kind: str, where: str = "") -> list[str]:
    """What is wrong with a part of a manifest by the schema of Kubernetes, from which the classes
    of its client are made: fields that it doesn't have, and values of another type.
    """
    from kubernetes import client

    if kind.startswith("list["):
        if not isinstance(content, list):
            return [f"{where}: no list"]
        return [
            f for n, one in enumerate(content) for f in faults(one, kind[5:-1], f"{where}[{n}]")
        ]
    if kind.startswith("dict("):
        inner = kind[5:-1].split(", ")[1]
        if not isinstance(content, dict):
            return [f"{where}: no mapping"]
        return [f for name, one in content.items() for f in faults(one, inner, f"{where}.{name}")]
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}
    if kind in plain:
        return [] if isinstance(content, plain[kind]) else [f"{where}: {content!r} is no {kind}"]
    model = getattr(client, kind)
    if not isinstance(content, dict):
        return [f"{where}: no {kind}"]
    fields = {name: model.openapi_types[own] for own, name in model.attribute_map.items()}
    found = [f"{where}.{name}: {kind} has no such field" for name in content.keys() - fields.keys()]
    for name in content.keys() & fields.keys():
        found += faults(content[name], fields[name], f"{where}.{name}")
    try:  # what must be there: the client refuses to make an object without it
        model(**{own: content.get(name) for own, name in model.attribute_map.items()})
    except ValueError as error:
        found.append(f"{where}: {error}")
    return found
