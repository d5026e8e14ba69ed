"""A stand-in for Amazon Braket, and for the S3 and STS that its clients need: all on one port, all signatures checked.

    python fake_braket.py --expect-token KEY_ID:SECRET[:SESSION] [--account 123456789012] [--results-bucket NAME]

Which service a request is for is told by the scope that it is signed for, and the path must fit. Like the real ones:

* every task of the account is visible to its credential, whoever submitted it, and so are the results of all in S3
* a clientToken that was used before answers with the task that it made, whoever asks
* ARNs, buckets and GetCallerIdentity name the account; hybrid jobs, tags, spending limits and STS do far more

A task is QUEUED, then RUNNING, for --latency seconds in all. On the device whose name ends in "-Slow" it stays QUEUED,
so that it can be cancelled. Results are Bell pairs, half 00 and half 11, in the schema that the real SDK reads.
"""

import argparse
import json
import re
import time
import uuid
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urlsplit

import braket_device
import sigv4
from aws_storage import PRIVATE_BUCKET, Storage, s3_error, sts, sts_error
from upstream import Request, Response, Upstream, base_parser, serve

TASK = re.compile(r"/quantum-task/(arn%3A[^/]+)(/cancel)?")
PATHS = {"braket": r"/[a-z-]+(/.*)?", "sts": r"/", "s3": r"/.*"}
FOREIGN_CLIENT_TOKEN = "foreign-client-token-0000000000000001"


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Braket(Upstream):
    name = "aws"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.key_id, self.secret, *session = args.expect_token.split(":")
        self.session = session[0] if session else None
        self.bucket = args.results_bucket or f"amazon-braket-{args.region}-{args.account}"
        self.storage = Storage(self.bucket, args.region)
        self.tasks: dict[str, dict[str, Any]] = {}
        self._add_foreign()

    def _add_foreign(self) -> None:
        action = json.dumps(
            {"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, "source": "bit[2] b;"}
        )
        spec = {
            "clientToken": FOREIGN_CLIENT_TOKEN,
            "deviceArn": braket_device.QPU,
            "shots": 10,
            "outputS3Bucket": self.bucket,
            "outputS3KeyPrefix": "tasks",
            "action": action,
            "tags": {"owner": "FOREIGN"},
        }
        arn = self._create(spec).body
        task = self.tasks[json.loads(arn)["quantumTaskArn"]]
        task.update(foreign=True, created=time.time() - 100)
        self._finish(task)

    def reset(self) -> None:
        with self.lock:
            super().reset()
            self.storage.reset()
            self.tasks.clear()
            self._add_foreign()

    def secrets(self) -> list[str]:
        return [self.secret, self.key_id]

    def usage(self) -> dict[str, Any]:
        with self.lock:
            jobs = {arn: self._used(task) for arn, task in self.tasks.items()}
        created = sorted(set(self.storage.buckets) - {self.bucket, PRIVATE_BUCKET})
        return {"unit": "shots", "jobs": jobs, "buckets_created": created}

    def _used(self, task: dict[str, Any]) -> dict[str, Any]:
        status, shots = self._status(task), task["spec"]["shots"]
        amount = {"COMPLETED": shots, "CANCELLED": 0}.get(status)
        return {"status": status, "amount": amount, "tasks": 1, "shots": shots, "foreign": task["foreign"]}

    # -- dispatch

    def handle(self, req: Request) -> Response:
        host = urlsplit(self.args.public_url).netloc
        try:
            region, service = sigv4.verify(req, key_id=self.key_id, secret=self.secret, session=self.session, host=host)
            if service not in PATHS or not re.fullmatch(PATHS[service], urlsplit(req.raw_path).path):
                raise sigv4.Unsigned("InvalidSignatureException", f"signed for {service}, sent to {req.raw_path}")
        except sigv4.Unsigned as error:
            return self._denied(req, error)
        with self.lock:
            if service == "s3":
                for task in self.tasks.values():
                    self._finish(task)
                return self.storage.handle(req, region)
            if service == "sts":
                return sts(req, self.args.account, self.key_id)
            return self._braket(req, region)

    def _denied(self, req: Request, error: sigv4.Unsigned) -> Response:
        """In the form of the service that it was meant for: S3 and STS speak XML."""
        text = str(error) + (f" (key {self.key_id}, secret {self.secret})" if self.args.hazards else "")
        scope = req.headers.get("Authorization") or ""
        if "/s3/aws4_request" in scope:
            return s3_error(403, error.code, text)
        if "/sts/aws4_request" in scope:
            return sts_error(403, error.code, text)
        return self._error(403, error.code, text)

    def _error(self, status: int, code: str, text: str) -> Response:
        if self.args.hazards and self.secret not in text:
            text += f" (secret {self.secret})"
        return Response(status, {"message": text}, {"x-amzn-ErrorType": code, "x-amzn-RequestId": str(uuid.uuid4())})

    def _braket(self, req: Request, region: str) -> Response:
        method, path = req.method, urlsplit(req.raw_path).path
        if (method, path) == ("POST", "/quantum-task"):
            return self._create(req.json())
        if (method, path) == ("POST", "/quantum-tasks"):
            return self._search(req.json())
        if (method, path) == ("POST", "/devices"):
            rows = [braket_device.summary(arn) for arn in braket_device.DEVICES if braket_device.region(arn) == region]
            wanted = [v for f in req.json().get("filters", []) if f["name"] == "deviceArn" for v in f["values"]]
            return Response(200, {"devices": [row for row in rows if not wanted or row["deviceArn"] in wanted]})
        if method == "GET" and path.startswith("/device/"):
            arn = unquote(path.removeprefix("/device/"))
            if arn not in braket_device.DEVICES or braket_device.region(arn) != region:
                return self._error(404, "ResourceNotFoundException", f"Device {arn} not found")
            return Response(200, braket_device.description(arn))
        if task := TASK.fullmatch(path):
            return self._task(req, unquote(task[1]), bool(task[2]))
        return self._dangerous(method, path)

    def _dangerous(self, method: str, path: str) -> Response:
        """What a broker must not let through; each would be a success here."""
        job = f"arn:aws:braket:{self.args.region}:{self.args.account}:job/{uuid.uuid4()}"
        if path == "/job" and method == "POST":
            return Response(201, {"jobArn": job})
        if path == "/jobs" or path.startswith("/job/"):
            role = f"arn:aws:iam::{self.args.account}:role/PRIVATE-role"
            return Response(200, {"jobs": [], "jobArn": job, "roleArn": role})
        if path.startswith("/spending-limit"):
            return Response(200, {"spendingLimits": [], "spendingLimitArn": job.replace(":job/", ":spending-limit/")})
        if path.startswith("/tags/"):
            return Response(200, {"tags": {"cost-center": "PRIVATE-cost-center"}})
        return self._error(404, "UnknownOperationException", "no such operation")

    # -- tasks

    def _create(self, spec: dict[str, Any]) -> Response:
        for task in self.tasks.values():
            if task["spec"]["clientToken"] == spec["clientToken"]:
                return Response(201, {"quantumTaskArn": task["arn"]})
        if spec["deviceArn"] not in braket_device.DEVICES:
            return self._error(400, "ValidationException", "deviceArn is not valid")
        if spec["outputS3Bucket"] not in self.storage.buckets:
            return self._error(400, "ValidationException", f"Caller doesn't have access to {spec['outputS3Bucket']}")
        if not 1 <= spec["shots"] <= 10000:
            return self._error(400, "ValidationException", "shots is out of range")
        key = str(uuid.uuid4())
        arn = f"arn:aws:braket:{braket_device.region(spec['deviceArn'])}:{self.args.account}:quantum-task/{key}"
        directory = f"{spec['outputS3KeyPrefix']}/{key}"
        task = {
            "arn": arn,
            "spec": spec,
            "directory": directory,
            "created": time.time(),
            "cancelled": None,
            "foreign": False,
        }
        self.tasks[arn] = task
        return Response(201, {"quantumTaskArn": arn})

    def _status(self, task: dict[str, Any]) -> str:
        if task["cancelled"]:
            return "CANCELLED"
        age = time.time() - task["created"]
        if age < self.args.latency / 2 or task["spec"]["deviceArn"].endswith("-Slow"):
            return "QUEUED"
        return "RUNNING" if age < self.args.latency else "COMPLETED"

    def _finish(self, task: dict[str, Any]) -> None:
        """The results appear in S3 as soon as the task has completed."""
        key = f"{task['directory']}/results.json"
        bucket = self.storage.buckets.setdefault(task["spec"]["outputS3Bucket"], {})
        if self._status(task) == "COMPLETED" and key not in bucket:
            bucket[key] = json.dumps(braket_device.result(task["arn"], task["spec"])).encode()

    def _summary(self, task: dict[str, Any]) -> dict[str, Any]:
        spec, status = task["spec"], self._status(task)
        view = {
            "quantumTaskArn": task["arn"],
            "status": status,
            "deviceArn": spec["deviceArn"],
            "shots": spec["shots"],
            "outputS3Bucket": spec["outputS3Bucket"],
            "outputS3Directory": task["directory"],
            "createdAt": iso(task["created"]),
            "tags": spec.get("tags") or {},
        }
        if status in ("COMPLETED", "CANCELLED"):
            view["endedAt"] = iso(task["cancelled"] or task["created"] + self.args.latency)
        return view

    def _task(self, req: Request, arn: str, cancel: bool) -> Response:
        task = self.tasks.get(arn)
        if task is None:
            return self._error(404, "ResourceNotFoundException", f"QuantumTask {arn} not found")
        if cancel and req.method == "PUT":
            if self._status(task) == "COMPLETED":
                return self._error(409, "ConflictException", "The task is already in a terminal state")
            task["cancelled"] = task["cancelled"] or time.time()
            return Response(200, {"quantumTaskArn": arn, "cancellationStatus": "CANCELLED"})
        if req.method != "GET" or cancel:
            return self._error(405, "UnknownOperationException", "no such operation")
        view = self._summary(task) | {
            "deviceParameters": task["spec"].get("deviceParameters", "{}"),
            "associations": [],
        }
        if view["status"] == "COMPLETED":
            view["numSuccessfulShots"] = task["spec"]["shots"]
        if "QueueInfo" in req.query.get("additionalAttributeNames", []):
            position = "1" if view["status"] == "QUEUED" else "None"
            view["queueInfo"] = {"queue": "QUANTUM_TASKS_QUEUE", "position": position, "queuePriority": "Normal"}
        return Response(200, view)

    def _search(self, body: dict[str, Any]) -> Response:
        rows = sorted(self.tasks.values(), key=lambda task: -task["created"])
        views = [self._summary(task) for task in rows]
        for wanted in body.get("filters", []):
            if wanted["name"] in ("status", "deviceArn", "quantumTaskArn"):
                views = [view for view in views if view[wanted["name"]] in wanted["values"]]
        begin, size = int(body.get("nextToken") or 0), body.get("maxResults") or 10
        more = {"nextToken": str(begin + size)} if begin + size < len(views) else {}
        return Response(200, {"quantumTasks": views[begin : begin + size]} | more)


if __name__ == "__main__":
    parser = base_parser(__doc__.splitlines()[0], token="AKIAREALREALREALREAL:REAL/SECRET+REAL/SECRET+REAL/SECRET00")
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--region", default="us-east-1", help="of the results bucket")
    parser.add_argument("--results-bucket", help="default: the SDK's, amazon-braket-REGION-ACCOUNT")
    serve(Braket, parser.parse_args())
