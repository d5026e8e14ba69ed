"""Stands between a client whose HTTP cannot be listened to from Python and where it is pointed at, and takes all down.

A process of its own, because such a client may hold Python's global lock for as long as it waits for an answer:

    python recorder.py http://HOST:PORT exchanges.jsonl

The first line on stdout is the origin to use instead; paths, methods, headers and bodies pass unchanged.
"""

import base64
import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
origin, file = sys.argv[1:]
lock = threading.Lock()


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=60)
        target.putrequest(self.command, self.path, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                target.putheader(name, value)
        target.putheader("Content-Length", str(len(body)))
        target.endheaders(body)
        answer = target.getresponse()
        content = answer.read()
        record = {
            "method": self.command,
            "url": origin + self.path,
            "headers": dict(self.headers.items()),
            "status": answer.status,
            "answer_headers": dict(answer.getheaders()),
            "answer": base64.b64encode(content).decode(),
        }
        with lock, open(file, "a", encoding="utf-8") as records:
            records.write(json.dumps(record) + "\n")
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that wait, as many as a client may open at once


server = Server(("127.0.0.1", 0), Recorder)
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
