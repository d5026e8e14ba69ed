"""Proves that all contenders do what they are compared for, then measures them in turn, round after round.

    measure.py PLAN_JSON [CONTENDER...]

The plan comes from scripts/bench-broker: contenders with their ports and processes, members, tokens, rounds and seconds.
Ratios are of medians. CPU is what the kernel has booked for the processes (utime and stime in /proc), in µs per request.
"""

import base64
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).parent
PATH = "/sapi/v2/solvers/remote/"
CONTENT_TYPE = "application/vnd.dwave.sapi.solver-definition-list+json; version=3.0.0"
TICK = 1e6 / os.sysconf("SC_CLK_TCK")  # µs


def stat(pid: int) -> tuple[int, float, float] | None:
    """Parent, user and system time in µs; None if there is no such process (any more)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[11]) * TICK, int(fields[12]) * TICK


def busy() -> float:
    """The CPU time that everything on the machine has used, in µs."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK


class Processes:
    """A group of processes, and what CPU time they have used."""

    def __init__(self, pids: list[int], families: list[int]):
        """`families` are counted with their children: nginx's workers, PostgreSQL's connections."""
        self.pids, self.families = pids, families

    def times(self) -> dict[int, tuple[float, float]]:
        """User and system time of each."""
        found = {}
        for pid in [*self.pids, *self.families] + (self._children() if self.families else []):
            if state := stat(pid):
                found[pid] = state[1:]
        return found

    def _children(self) -> list[int]:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if (state := stat(pid)) and state[0] in self.families]


def used(before: dict, after: dict) -> tuple[float, float]:
    """User and system time between the two. (A process that was not there before started at 0.)"""
    sums = [sum(times[kind] - before.get(pid, (0, 0))[kind] for pid, times in after.items()) for kind in (0, 1)]
    return sums[0], sums[1]


class Contender:
    """One way to reach the upstream."""

    def __init__(self, plan: dict, name: str, port: int, checks: bool, proxy: Processes, check: Processes):
        self.name, self.port, self.checks = name, port, checks
        everywhere = plan["processes"]
        self.groups = {
            "proxy": proxy,
            "check": check,
            "postgres": Processes([], [everywhere["postgres"]]),
            "upstream": Processes([], [everywhere["upstream"]]),
        }
        keys = [member["key"] for member in plan["members"]]
        prefix = "" if name == "direct" else "/v1/qpu/{}"
        self.requests = [
            (prefix.format(token) + PATH, plan["credential"] if name == "direct" else key)
            for token in plan["tokens"]
            for key in keys
        ]
        self.file = Path(plan["directory"]) / f"{name}.requests"
        self.file.write_text("".join(f"{path}\t{key}\n" for path, key in self.requests))

    def answer(self, path: str, key: str) -> tuple[int, str | None, bytes]:
        """Status, content type and body."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"X-Auth-Token": key}), timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, None, b""

    def prove(self, expected: bytes) -> None:
        """Everything that will be asked is answered with the upstream's answer, and a wrong key is not."""
        for path, key in self.requests:
            status, content_type, body = self.answer(path, key)
            if (status, content_type, body) != (200, CONTENT_TYPE, expected):
                sys.exit(f"{self.name}: {path} gave {status}, {content_type}, {len(body)} bytes: {body[:80]!r}")
        if self.checks:
            for wrong in ("no-key", with_other_secret(self.requests[0][1])):
                status, _, _ = self.answer(self.requests[0][0], wrong)
                if status not in (401, 403):
                    sys.exit(f"{self.name}: a wrong key gave {status}")

    def run(self, connections: int, seconds: float) -> dict:
        """One run of wrk."""
        before = {name: group.times() for name, group in self.groups.items()}
        own, machine, begin = os.times(), busy(), time.monotonic()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "requests.lua")]
        out = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}", "--", str(self.file)],
            capture_output=True, text=True, check=True, timeout=seconds + 30,
        ).stdout
        after = {name: group.times() for name, group in self.groups.items()}
        now, machine, lasted = os.times(), busy() - machine, time.monotonic() - begin
        result = json.loads(out.splitlines()[-1])
        if result["failed"] or not result["requests"]:
            sys.exit(f"{self.name}: {result['failed']} of {result['requests']} requests failed")
        count = result["requests"]
        times = {name: used(before[name], after[name]) for name in self.groups}
        times["wrk"] = (now.children_user - own.children_user) * 1e6, (now.children_system - own.children_system) * 1e6
        others = machine - sum(map(sum, times.values()))
        return {
            "others": max(0, others) / (lasted * 1e6 * os.cpu_count()),
            "rate": count / result["seconds"],
            "p50": result["p50"], "p90": result["p90"], "p99": result["p99"],
            "cpu": {name: [part / count for part in parts] for name, parts in times.items()},
        }


def with_other_secret(key: str) -> str:
    """A well-formed API key with the id of this one."""
    parts = key.split("_")
    body = "_".join([*parts[:-2], "0" * len(parts[-2])])
    checksum = zlib.crc32(body.encode()).to_bytes(4, "big")
    return f"{body}_{base64.b32hexencode(checksum).decode().rstrip('=').lower()}"


def median(values) -> float:
    return statistics.median(list(values))


def show(progress: str) -> None:
    """Tells somebody at a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{progress:60}\r", end="", file=sys.stderr, flush=True)


def rounds(contenders: list[Contender], connections: int, count: int, seconds: float) -> dict[str, list[dict]]:
    """Interleaved, each round beginning with another contender, so that what disturbs the machine meets all of them."""
    found = {contender.name: [] for contender in contenders}
    for number in range(count):
        start = number % len(contenders)
        for contender in contenders[start:] + contenders[:start]:
            found[contender.name].append(contender.run(connections, seconds))
            show(f"{connections:3} connections, round {number + 1}/{count}: {contender.name}")
    show("")
    return found


def load_table(found: dict[str, list[dict]], baseline: str, rival: str) -> str:
    """The rates, and where the CPU time goes."""
    rates = {name: median(run["rate"] for run in runs) for name, runs in found.items()}
    groups = ["proxy", "check", "postgres", "upstream", "wrk"]
    lines = [
        f"{'':18} {'req/s':>7} {'least–most':>15} {'ratio':>6} {'to rival':>8} {'p50 ms':>7} {'p99 ms':>7}   "
        + " ".join(f"{group:>13}" for group in groups) + f" {'sum':>6} {'others':>7}"
    ]
    for name, runs in found.items():
        cpu = {group: [median(run["cpu"][group][kind] for run in runs) for kind in (0, 1)] for group in groups}
        ratio = f"{rates[name] / rates[baseline]:6.2f}" if baseline in rates else f"{'':6}"
        to_rival = f"{rates[name] / rates[rival]:8.2f}" if rival in rates else f"{'':8}"
        spread = f"{min(run['rate'] for run in runs):.0f}–{max(run['rate'] for run in runs):.0f}"
        parts = " ".join(f"{f'{cpu[group][0]:.1f}+{cpu[group][1]:.1f}':>13}" for group in groups)
        total = sum(sum(parts) for parts in cpu.values())
        others = median(run["others"] for run in runs)
        p50, p99 = (median(run[key] for run in runs) / 1e3 for key in ("p50", "p99"))
        lines.append(f"{name:18} {rates[name]:7.0f} {spread:>15} {ratio} {to_rival} {p50:7.2f} {p99:7.2f}   {parts} {total:6.1f} {others:7.0%}")
    return "\n".join(lines)


def latency_table(found: dict[str, list[dict]]) -> str:
    """What each adds to the direct way. The differences are taken within a round."""
    lines = [f"{'':18} {'p50 ms':>7} {'p90 ms':>7} {'p99 ms':>7} {'added p50':>10} {'added p90':>10}"]
    for name, runs in found.items():
        values = " ".join(f"{median(run[key] for run in runs) / 1e3:7.3f}" for key in ("p50", "p90", "p99"))
        added = ""
        if "direct" in found:
            pairs = list(zip(runs, found["direct"], strict=True))
            added = " ".join(f"{median(run[key] - bare[key] for run, bare in pairs) / 1e3:10.3f}" for key in ("p50", "p90"))
        lines.append(f"{name:18} {values} {added}")
    return "\n".join(lines)


def end_a_key(plan: dict, contenders: list[Contender]) -> None:
    """Nobody here caches: a key that has ended is refused by the next request."""
    member = plan["members"][0]
    request = urllib.request.Request(
        f"{plan['base_url']}/v1/me/api-keys/{member['key_id']}",
        headers={"Authorization": member["authorization"]},
        method="DELETE",
    )
    urllib.request.urlopen(request, timeout=10).close()
    for contender in contenders:
        if contender.checks and (status := contender.answer(contender.requests[0][0], member["key"])[0]) != 401:
            sys.exit(f"{contender.name}: a key that has ended gave {status}")


def main(plan_file: str, *chosen: str) -> None:
    plan = json.loads(Path(plan_file).read_text())
    known = {
        name: Contender(
            plan, name, made["port"], made["checks"],
            Processes(made.get("pids", []), made.get("families", [])), Processes(made.get("check", []), []),
        )
        for name, made in plan["contenders"].items()
    }
    contenders = [known[name] for name in chosen or known]
    for contender in contenders:
        contender.prove(plan["answer"].encode())
        contender.run(64, 1)
    load = rounds(contenders, 64, plan["rounds"], plan["seconds"])
    single = rounds(contenders, 1, plan["rounds"], plan["seconds"])
    end_a_key(plan, contenders)

    print(f"{os.cpu_count()} × {processor()}, Linux {platform.release()}; {plan['versions']}")
    print(f"medians of {plan['rounds']} interleaved rounds of {plan['seconds']} s")
    print("\n64 connections; CPU in µs per request, user+system\n" + load_table(load, "nginx", "auth_request"))
    print("\n1 connection\n" + latency_table(single))
    Path(plan["results"]).write_text(json.dumps({"load": load, "single": single}, indent=1))


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


main(*sys.argv[1:])
