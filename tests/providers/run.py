"""Real clients, through the service, to stand-ins for their providers; `scripts/test-providers` prepares and calls it.

run.py --environments DIR --logs DIR --binary FILE [SUITE …]     through a service of its own
run.py --environments DIR --logs DIR --direct [SUITE …]          without: are stand-ins and drivers in order?
"""

import argparse
import math
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from service import Service, member
from stand_in import Failed, StandIn, drive
from suites import SUITES, Suite

PATIENCE = 60  # seconds for usage that a provider tells late, or that nobody asked for


def ledger(service: Service, organization: str, token: str, kind: str) -> dict[str, int]:
    """What the service has booked, by the provider's id of the job or session, in the provider's unit; but not what costs nothing."""
    booked: dict[str, int] = {}
    cursor = ""
    while cursor is not None:
        path = f"/v1/organizations/{organization}/qpu-tokens/{token}/usage/jobs?limit=200{cursor}"
        status, answer = service.call("GET", path)
        if status != 200:
            raise Failed(f"the ledger cannot be read: {status} {answer}")
        rows = [row for row in answer["items"] if row["kind"] == kind and row["state"] == "settled"]
        booked |= {row["provider_job_id"]: row["used"] for row in rows if row["used"]}
        cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else None
    return booked


def compare(service: Service, organization: str, token: str, fake: StandIn) -> str:
    """Job by job. What costs nothing may be booked as 0 or not at all."""
    deadline = time.time() + PATIENCE
    while True:
        usage = fake.usage()
        truth = {key: job["amount"] for key, job in usage["jobs"].items() if not job["foreign"] and job["amount"]}
        sessions = {key: math.ceil(session["elapsed_seconds"]) for key, session in usage.get("sessions", {}).items()}
        booked, in_sessions = (ledger(service, organization, token, kind) for kind in ("job", "session"))
        if booked == truth and in_sessions == sessions:
            return f"{len(truth)} jobs, {sum(truth.values())} {usage['unit']}"
        if time.time() > deadline:
            wrong = {key: (booked.get(key), truth.get(key)) for key in booked.keys() | truth.keys()}
            differing = [f"{key}: booked {b}, used {t}" for key, (b, t) in wrong.items() if b != t]
            raise Failed(f"the ledger differs in {len(differing)} of {len(wrong)} jobs: {'; '.join(differing[:5])}")
        time.sleep(0.5)


def through_service(name: str, suite: Suite, fake: StandIn, service: Service, args: argparse.Namespace) -> str:
    """Two members, one token: what each does works, and neither reaches the other's."""
    body = {"name": f"Stand-in for {name}", "provider": name, "credential": fake.credential}
    token = service.created(f"/v1/organizations/{service.organization}/qpu-tokens", body)
    use = token.get("use_url") or f"{service.base_url}/v1/qpu/{token['id']}"
    before = fake.foreign()
    keys = [member(service, f"{name}-{number}") for number in (1, 2)]
    for key in keys:
        fake.forbid(key)

    run = partial(drive, name, suite, args, use=use, secrets=fake.secrets(), isolated=True)
    run(token=keys[0], foreign=list(before), log="first")
    for variant, arguments in suite.variants.items():
        run(token=keys[0], foreign=list(before), log=variant, only=suite.quick, arguments=arguments)
    mine = [key for key, job in fake.usage()["jobs"].items() if not job["foreign"] and job["amount"]]
    run(token=keys[1], foreign=[*before, *mine[:1]], log="second", only=suite.neighbour)
    if suite.at_root:
        root = service.mount(token["id"])
        arguments = [*suite.arguments, "--root", root]
        use = f"{service.base_url}/v1/qpu/{token['id']}"
        run(token=keys[1], foreign=mine[:1], log="root", only=suite.at_root, arguments=arguments, use=use)

    fake.check()
    if fake.foreign() != before:
        raise Failed(f"somebody else's job was touched: {before} is now {fake.foreign()}")
    booked = "not compared" if args.without_ledger else compare(service, service.organization, token["id"], fake)
    service.check_log([*fake.secrets(), *keys])
    return f"the ledger: {booked}"


def direct(name: str, suite: Suite, fake: StandIn, args: argparse.Namespace) -> str:
    """The driver must succeed with the real credential; and its isolation checks must fail, or they prove nothing."""
    run = partial(drive, name, suite, args, use=f"{fake.url}{fake.PREFIX}", token=fake.token, secrets=fake.secrets())
    plain = partial(run, foreign=list(fake.foreign()), more=["--allow-leak"])
    plain(log="direct")
    for variant, arguments in suite.variants.items():
        plain(log=f"direct-{variant}", only=suite.quick, arguments=arguments)
    fake.reset()
    foreign = list(fake.foreign())
    verdict = run(foreign=foreign, log="direct-isolated", isolated=True, only=suite.neighbour, must_fail=True)
    failed = {check["check"] for check in verdict["checks"] if not check["ok"]}
    if "isolation" not in failed or not verdict["leaks"]:
        raise Failed(f"no isolation, and yet {failed} failed alone, with {len(verdict['leaks'])} leaks seen")
    return f"and without isolation failed: {', '.join(sorted(failed))}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environments", type=Path, required=True, help="each suite's virtual environment")
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--binary", help="the service's program")
    parser.add_argument("--direct", action="store_true", help="without the service")
    parser.add_argument("--without-ledger", action="store_true", help="leave out the comparison with the usage ledger")
    parser.add_argument("suites", nargs="*", default=list(SUITES))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by a signal"))

    fakes, service, failed = {}, None, []
    try:
        for name in args.suites:
            fakes[name] = StandIn(name, SUITES[name], args.logs, mounted=args.direct)
        if not args.direct:
            configuration = {"LUNA_ORGANIZATIONS_BROKER__SETTLE_AFTER_SECONDS": "1"}
            for name, fake in fakes.items():
                for key, value in SUITES[name].configuration.items():
                    configuration[f"LUNA_ORGANIZATIONS_PROVIDERS__{key}"] = value.replace("{fake}", fake.url)
            service = Service(args.binary, args.logs / "server.log", os.environ | configuration)
        for name, fake in fakes.items():
            begin = time.time()
            try:
                if service:
                    told = through_service(name, SUITES[name], fake, service, args)
                else:
                    told = direct(name, SUITES[name], fake, args)
                print(f"ok      {name:<12} {time.time() - begin:4.0f} s   {told}", flush=True)
            except Failed as error:
                failed.append(name)
                print(f"FAILED  {name:<12} {time.time() - begin:4.0f} s   {error}", flush=True)
    except Failed as error:
        failed = list(args.suites)
        print(error, file=sys.stderr)
    finally:
        for running in (service, *fakes.values()):
            if running:
                running.stop()
    print(f"{len(args.suites) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
