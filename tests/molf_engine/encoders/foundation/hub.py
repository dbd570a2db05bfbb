"""A hub on this machine that answers the few questions the real client asks, with or without a gate."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = "a" * 40


@contextmanager
def serve(files: dict[str, Path], *, gated: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a hub whose every repository holds ``files``, and the list of paths that it is asked for."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            if path.startswith("/api/models/"):
                names = [{"rfilename": name, "size": place.stat().st_size} for name, place in files.items()]
                if "/tree/" in path:
                    tree = [
                        {"type": "file", "path": name, "size": place.stat().st_size, "oid": "0" * 40}
                        for name, place in files.items()
                    ]
                    self.send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"}, body)
                    return
                found = {"_id": "0", "id": "x/y", "modelId": "x/y", "sha": REVISION, "siblings": names, "tags": []}
                self.send(200, json.dumps(found).encode(), {"Content-Type": "application/json"}, body)
            elif gated:
                self.send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}, body)
            elif (name := path.rpartition("/")[2]) in files:
                content = files[name].read_bytes()
                tags = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": REVISION}
                self.send(200, content, tags, body)
            else:
                self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)

        def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
