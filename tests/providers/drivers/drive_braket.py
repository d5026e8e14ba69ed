"""Drives the real amazon-braket-sdk and boto3.

    python drive_braket.py --endpoint BASE/braket --s3-url BASE/s3 --sts-url BASE/sts \\
        --token KEY --secret REAL_KEY_ID --secret REAL_SECRET --account 123456789012 [--isolated --foreign-job ARN]

The key travels as AWS_SESSION_TOKEN, as a user of the broker would set it, and the other two are anything. A token of
the form KEY_ID:SECRET is a real credential, for a run without a broker. Only documented settings are used.
"""

import contextlib
import json
import os
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor

from driver import Checks, Tap, expect, fresh_home, parser

ap = parser(__doc__.splitlines()[0])
ap.add_argument("--s3-url", required=True)
ap.add_argument("--sts-url", required=True)
ap.add_argument("--region", default="us-east-1")
ap.add_argument("--account", help="the real account, which GetCallerIdentity must not tell with --isolated")
ap.add_argument("--bucket", help="where results go; default: what the SDK finds out itself")
ap.add_argument("--through", choices=["AWS_ENDPOINT_URL_BRAKET", "BRAKET_ENDPOINT"], default="AWS_ENDPOINT_URL_BRAKET")
args = ap.parse_args()
fresh_home()
os.environ.update(
    {
        args.through: args.endpoint,
        "AWS_ENDPOINT_URL_S3": args.s3_url,
        "AWS_ENDPOINT_URL_STS": args.sts_url,
        "AWS_DEFAULT_REGION": args.region,
        "AWS_REGION": args.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)
if ":" in args.token:
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = args.token.split(":")
else:
    os.environ.update(AWS_ACCESS_KEY_ID="AKIAANYTHING", AWS_SECRET_ACCESS_KEY="anything", AWS_SESSION_TOKEN=args.token)
warnings.simplefilter("ignore")

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumTask, AwsSession
from braket.circuits import Circuit
from braket.tracking import Tracker

tap = Tap(args, also=(args.s3_url, args.sts_url)).hook_botocore()
checks = Checks(args, "aws")
QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
SLOW = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Slow"
FOREIGN_CLIENT_TOKEN = "foreign-client-token-0000000000000001"
# More than one try would hide how a refusal comes back.
once = Config(retries={"total_max_attempts": 1}, max_pool_connections=30)
braket_url = {"endpoint_url": args.endpoint} if args.through == "BRAKET_ENDPOINT" else {}
session = AwsSession(default_bucket=args.bucket)
braket = boto3.client("braket", config=once, **braket_url)
s3, sts = boto3.client("s3", config=once), boto3.client("sts", config=once)
bell = Circuit().h(0).cnot(0, 1)
own: dict[str, str] = {}


let_through: list[str] = []


def refused(call, what):
    """The provider's own kind of error, with a 4xx; AWS clients retry all others. `verdict` tells what was not refused."""
    try:
        got = call()
    except ClientError as error:
        status, said = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]
        if not 400 <= status < 500:
            let_through.append(f"{what} got {status} {said['Code']}")
        return f"{status} {said['Code']}: {said.get('Message', '')[:100]}"
    except Exception as error:  # noqa: BLE001, such as an answer that the client cannot read
        let_through.append(f"{what} got {type(error).__name__}: {str(error)[:120]}")
    else:
        let_through.append(f"{what} was accepted: {str(got.get('ResponseMetadata', {}).get('HTTPStatusCode'))}")
    return let_through[-1]


def verdict():
    """Fails the check if anything was let through; one hole does not hide others."""
    holes = "; ".join(let_through)
    let_through.clear()
    expect(not holes, holes)


def submit(**changes):
    """CreateQuantumTask by hand, with what the SDK would send."""
    action = {
        "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
        "source": bell.to_ir("OPENQASM").source,
    }
    body = {
        "clientToken": str(uuid.uuid4()),
        "deviceArn": QPU,
        "shots": 10,
        "outputS3Bucket": session.default_bucket(),
        "outputS3KeyPrefix": "tasks",
        "action": json.dumps(action),
    }
    return braket.create_quantum_task(**(body | changes))["quantumTaskArn"]


def done(arn):
    """The task, once it is in a terminal state."""
    deadline = time.time() + 30
    while time.time() < deadline:
        task = braket.get_quantum_task(quantumTaskArn=arn)
        if task["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
            return task
        time.sleep(0.1)
    raise AssertionError(f"{arn} never ended")


def searched(**filters):
    rows = []
    for page in braket.get_paginator("search_quantum_tasks").paginate(filters=[], maxResults=5, **filters):
        rows += page["quantumTasks"]
    return rows


def default_bucket():
    """GetCallerIdentity and CreateBucket, where no bucket is given."""
    name = session.default_bucket()
    expect(name, "a name")
    return {"bucket": name, "again": AwsSession(default_bucket=args.bucket).default_bucket() == name}


def devices():
    found = AwsDevice.get_devices(types=["QPU"], statuses=["ONLINE"], aws_session=session)
    expect(QPU in {device.arn for device in found}, f"the device is not among {found}")
    device = checks.facts["device"] = AwsDevice(QPU, aws_session=session)
    expect(device.is_available and device.properties.paradigm.qubitCount == 4, "the properties")
    depth = device.queue_depth().quantum_tasks
    return {"devices": [found.name for found in found], "queue": {str(key): value for key, value in depth.items()}}


def run():
    with Tracker() as tracker:
        task = AwsDevice(QPU, aws_session=session).run(bell, shots=100, poll_interval_seconds=0.1)
        counts = dict(task.result().measurement_counts)
    expect(counts == {"00": 50, "11": 50}, f"counts {counts}")
    own["task"] = task.id
    return {"arn": task.id, "counts": counts, "tracked": str(tracker.quantum_tasks_statistics())[:120]}


def folder():
    """A destination named by the user."""
    place = (session.default_bucket(), "tasks")
    task = AwsDevice(QPU, aws_session=session).run(bell, place, shots=11, poll_interval_seconds=0.1)
    expect(sum(task.result().measurement_counts.values()) == 11, "shots")
    return task.id


def batch():
    """Twenty at once, with the SDK's own batch."""
    tasks = AwsDevice(QPU, aws_session=session).run_batch(
        [bell] * 20, shots=8, max_parallel=20, poll_interval_seconds=0.1
    )
    results = tasks.results(fail_unsuccessful=True)
    expect(all(sum(result.measurement_counts.values()) == 8 for result in results), "every result has its shots")
    expect(len({task.id for task in tasks.tasks}) == 20, "twenty tasks have twenty ids")
    return len(results)


def retrieve():
    task = AwsQuantumTask(own["task"], aws_session=AwsSession(default_bucket=args.bucket))
    expect(sum(task.result().measurement_counts.values()) == 100, "the result again")
    return {"state": task.state(), "position": str(task.queue_position())}


def idempotent():
    """One clientToken, one task, one booking."""
    token = str(uuid.uuid4())
    with ThreadPoolExecutor(5) as pool:
        arns = set(pool.map(lambda _: submit(clientToken=token, shots=13), range(5)))
    expect(len(arns) == 1, f"one clientToken made {arns}")
    task = done(arns.pop())
    return {"arn": task["quantumTaskArn"], "numSuccessfulShots": task["numSuccessfulShots"]}


def results_by_hand():
    """HEAD, GET and a list in the results bucket."""
    task = done(own["task"])
    place = {"Bucket": task["outputS3Bucket"], "Key": f"{task['outputS3Directory']}/results.json"}
    size = s3.head_object(**place)["ContentLength"]
    content = s3.get_object(**place)["Body"].read()
    expect(len(content) == size and len(json.loads(content)["measurements"]) == 100, "the result")
    listed = None
    with contextlib.suppress(ClientError):
        listed = s3.list_objects_v2(Bucket=place["Bucket"], Prefix=task["outputS3Directory"])["KeyCount"]
    return {"bucket": place["Bucket"], "bytes": size, "listed": listed}


def abandoned():
    """Nobody ever asks for this one again."""
    return submit(shots=17)


def cancel():
    task = AwsDevice(SLOW, aws_session=session).run(bell, shots=9, poll_interval_seconds=0.1)
    expect(task.state() == "QUEUED", task.state())
    task.cancel()
    expect(done(task.id)["status"] == "CANCELLED", "not cancelled")
    return task.id


def search():
    rows = searched()
    mine = [row for row in rows if row["quantumTaskArn"] == own["task"]]
    expect(mine, "the own task is not listed")
    foreign = [row["quantumTaskArn"] for row in rows if row["quantumTaskArn"] in args.foreign_job]
    expect(not (foreign and args.isolated), "somebody else's task is listed")
    return {"rows": len(rows), "foreign": len(foreign)}


def identity():
    who = sts.get_caller_identity()
    who.pop("ResponseMetadata")
    expect(not args.isolated or args.account not in json.dumps(who), f"the account is told: {who}")
    return who


def wrong_key():
    """Refused at once, in the form of each service: Braket speaks JSON, S3 and STS speak XML."""
    other = {
        "aws_access_key_id": "AKIAANYTHING",
        "aws_secret_access_key": "anything",
        "aws_session_token": args.token + "x",
    }
    wrong_braket = boto3.client("braket", config=once, endpoint_url=args.endpoint, **other)
    wrong_sts, wrong_s3 = (boto3.client(name, config=once, **other) for name in ("sts", "s3"))
    told = {
        "braket": refused(lambda: wrong_braket.search_devices(filters=[]), "Braket with a wrong key"),
        "sts": refused(wrong_sts.get_caller_identity, "STS with a wrong key"),
        "s3": refused(lambda: wrong_s3.list_objects_v2(Bucket=session.default_bucket()), "S3 with a wrong key"),
    }
    verdict()
    return told


def tampered():
    """The stand-in's own strictness: what was changed after it was signed is refused. Only with a real credential."""

    def decode_path(request):
        request.url = request.url.replace("%3A", ":").replace("%2F", "/")

    def change_body(request):
        request.body = (request.body or b"") + b" "
        request.headers["Content-Length"] = str(len(request.body))

    def change_query(request):
        request.url += "?more=1"

    def add_header(request):
        request.headers["X-Amz-Security-Token"] = "anything"

    def other_host(request):
        request.headers["Host"] = "braket.us-east-1.amazonaws.com"

    def old_date(request):
        request.headers["X-Amz-Date"] = "20200101T000000Z"

    told = {}
    for change in (decode_path, change_body, change_query, add_header, other_host, old_date):
        client = boto3.client("braket", config=once, endpoint_url=args.endpoint)
        client.meta.events.register("before-send.braket", lambda request, change=change, **_: change(request))
        call = client.search_devices if change is change_body else client.get_quantum_task
        given = {"filters": []} if change is change_body else {"quantumTaskArn": own["task"]}
        told[change.__name__] = refused(lambda call=call, given=given: call(**given), change.__name__)
    verdict()
    return told


def isolation():
    """Other people's tasks and results, the account, and operations that cost or reveal more."""
    task = done(own["task"])
    bucket, job = task["outputS3Bucket"], own["task"].replace("quantum-task", "job")
    algorithm = {"scriptModeConfig": {"entryPoint": "x", "s3Uri": "s3://x/y", "compressionType": "GZIP"}}
    destination, role = {"s3Path": f"s3://{bucket}/x"}, "arn:aws:iam::000000000000:role/service-role/x"
    create_job = {
        "clientToken": str(uuid.uuid4()),
        "algorithmSpecification": algorithm,
        "outputDataConfig": destination,
        "jobName": "job",
        "roleArn": role,
        "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
        "deviceConfig": {"device": QPU},
    }
    told = {
        "CreateJob": refused(lambda: braket.create_job(**create_job), "a hybrid job"),
        "SearchJobs": refused(lambda: braket.search_jobs(filters=[]), "searching hybrid jobs"),
        "GetJob": refused(lambda: braket.get_job(jobArn=job), "reading a hybrid job"),
        "ListTags": refused(lambda: braket.list_tags_for_resource(resourceArn=own["task"]), "reading tags"),
        "TagResource": refused(lambda: braket.tag_resource(resourceArn=own["task"], tags={"a": "b"}), "setting tags"),
        "AssumeRole": refused(lambda: sts.assume_role(RoleArn=role, RoleSessionName="session"), "AssumeRole"),
        "GetSessionToken": refused(lambda: sts.get_session_token(), "GetSessionToken"),
        "ListBuckets": refused(lambda: s3.list_buckets(), "ListBuckets"),
        "other bucket": refused(
            lambda: s3.get_object(Bucket="amazon-braket-finance", Key="payroll/2026.csv"), "another bucket"
        ),
        "other bucket's list": refused(
            lambda: s3.list_objects_v2(Bucket="amazon-braket-finance"), "another bucket's list"
        ),
        "other prefix": refused(
            lambda: s3.get_object(Bucket=bucket, Key="scripts/train.py"), "an object outside the tasks"
        ),
        "upload": refused(lambda: s3.put_object(Bucket=bucket, Key="tasks/planted", Body=b"x"), "an upload"),
        "acl": refused(lambda: s3.get_bucket_acl(Bucket=bucket), "the bucket's ACL"),
    }
    with contextlib.suppress(ClientError):
        keys = [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        if any("scripts/" in key for key in keys):
            let_through.append(f"the whole bucket is listed: {keys[:5]}")
        checks.facts["listed"] = len(keys)
    with contextlib.suppress(ClientError):
        arn = submit(outputS3Bucket="amazon-braket-finance")
        if done(arn)["outputS3Bucket"] != bucket:
            let_through.append("results went to a bucket that the caller named")
    for arn in args.foreign_job:
        key = f"tasks/{arn.rsplit('/', 1)[1]}/results.json"
        told["foreign task"] = refused(lambda arn=arn: braket.get_quantum_task(quantumTaskArn=arn), "another's task")
        told["foreign cancel"] = refused(
            lambda arn=arn: braket.cancel_quantum_task(quantumTaskArn=arn, clientToken=str(uuid.uuid4())),
            "cancelling it",
        )
        told["foreign result"] = refused(lambda key=key: s3.get_object(Bucket=bucket, Key=key), "another's result")
        told["foreign HEAD"] = refused(
            lambda key=key: s3.head_object(Bucket=bucket, Key=key), "another's result's HEAD"
        )
        listed = [{"name": "quantumTaskArn", "operator": "EQUAL", "values": [arn]}]
        rows = braket.search_quantum_tasks(filters=listed)["quantumTasks"]
        if rows:
            let_through.append("another's task is found by its ARN")
        got = submit(clientToken=FOREIGN_CLIENT_TOKEN)
        if got == arn:
            let_through.append("another's clientToken gave another's task")
    verdict()
    return told


for check in (
    default_bucket,
    devices,
    run,
    folder,
    batch,
    retrieve,
    idempotent,
    results_by_hand,
    cancel,
    search,
    identity,
):
    checks.run(check)
checks.run(wrong_key)
if ":" in args.token:
    checks.run(tampered)
if args.isolated:
    checks.run(isolation)
checks.facts.pop("device", None)
checks.finish(tap)
