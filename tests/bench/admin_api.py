#!/usr/bin/env python3
"""What the agent's sockets cost, on this host with the release build; prints the table of tests/bench/README.md. Asserts nothing.

Run it by `tests/run bench`, or inside `unshare --net --pid` with JACKDAW_STAGE set."""
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "real", "e2e"))
from create import rss  # noqa: E402
from fleet import JACKDAW, Fleet, check, need, wait_for  # noqa: E402
from intruder import LIBC  # noqa: E402

SECONDS = float(os.environ.get("JACKDAW_BENCH_API_SECONDS", "5"))
SCRAPES = int(os.environ.get("JACKDAW_BENCH_SCRAPES", "200"))
EXPORTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "deps", "exporter", "usr", "bin",
                        "prometheus-mysqld-exporter")


class Connection:
    """One connection, kept; a request and the whole of its answer at a time."""

    def __init__(self, path):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(30)
        self.peer.connect(path)

    def get(self, target):
        self.peer.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
        answer = self.peer.recv(65536)
        while b"\r\n\r\n" not in answer:
            answer += self.peer.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        left = int(re.search(rb"Content-Length: (\d+)", head).group(1)) - len(body)
        pieces = [body]
        while left > 0:
            pieces.append(self.peer.recv(1 << 20))
            left -= len(pieces[-1])
        check(head.startswith(b"HTTP/1.1 200"), head)
        return b"".join(pieces)


def ticks(pid):
    """CPU seconds at the scheduler's own precision (proc(5), schedstat), of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def instance_row(path, agent):
    connection = Connection(path)
    json.loads(connection.get("/v1/instance"))
    best, cost = 0.0, 0.0
    for _ in range(3):
        count, spent, began = 0, ticks(agent), time.monotonic()
        while time.monotonic() - began < SECONDS / 3:
            for _ in range(200):
                connection.get("/v1/instance")
            count += 200
        seconds, spent = time.monotonic() - began, ticks(agent) - spent
        if count / seconds > best:
            best, cost = count / seconds, spent / count
    return ("`GET /v1/instance`, one connection: requests a second (and those that a core of the agent's is good for)",
            "≥ 5,000/s", f"{best:,.0f}/s ({1 / cost:,.0f}/s: {1e6 * cost:.0f} µs of CPU each)")


def parameters_row(path):
    connection = Connection(path)
    times = []
    for _ in range(20):
        began = time.monotonic()
        body = connection.get("/v1/parameters")
        times.append(1000 * (time.monotonic() - began))
    count = len(json.loads(body)["items"])
    return (f"`GET /v1/parameters`, {count} entries with types and ranges, median and worst of 20", "≤ 60 ms",
            f"{statistics.median(times):.0f} ms, {max(times):.0f} ms")


def idle_row(path, agent, asked_once):
    connection = Connection(path)
    for _ in range(500):
        connection.get("/v1/instance")
    before = rss(agent)
    alone = []
    for _ in range(500):
        began = time.monotonic()
        connection.get("/v1/instance")
        alone.append(1e6 * (time.monotonic() - began))
    idle = [Connection(path) for _ in range(1000)]
    if asked_once:
        for one in idle:
            one.get("/v1/instance")
    beside = []
    for _ in range(500):
        began = time.monotonic()
        connection.get("/v1/instance")
        beside.append(1e6 * (time.monotonic() - began))
    after = rss(agent)
    for one in idle:
        one.peer.close()
    return (f"1,000 connections that {'have asked once' if asked_once else 'say nothing'}: agent's RSS more; a GET beside them, "
            "median of 500 (before)", "≤ 24 MiB; as before",
            f"{after - before:.1f} MiB; {statistics.median(beside):.0f} µs ({statistics.median(alone):.0f} µs)")


def command_rows(fleet):
    def timed(*words, runs=40):
        times = []
        for _ in range(runs):
            began = time.monotonic()
            subprocess.run([JACKDAW, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            times.append(1000 * (time.monotonic() - began))
        return statistics.median(times), max(times)

    middle, worst = timed("--help")
    yield ("`jackdaw --help`, whole process, median and worst of 40", "≤ 15 ms", f"{middle:.1f} ms, {worst:.1f} ms")
    words = ("__complete", "--fleet", fleet.name, "user", "show", "--instance", "db1", "a")
    found = subprocess.run([JACKDAW, *words], capture_output=True, text=True, check=False)
    middle, worst = timed(*words)
    yield (f"completion of a live name (a user of the instance: {found.stdout.split()[0] if found.stdout.split() else 'NONE'}), "
           "whole process, median and worst of 40", "≤ 150 ms", f"{middle:.1f} ms, {worst:.1f} ms")


class Exporter:
    """Debian's own, beside the database in its machine, as the same local account that the agent uses."""

    def __init__(self, fleet, name):
        first = fleet.processes(name, "jackdaw-init")[0]
        with open(EXPORTER, "rb") as source, open(f"{fleet.root(name)}/run/exporter", "wb") as copy:
            copy.write(source.read())
        os.chmod(f"{fleet.root(name)}/run/exporter", 0o755)
        self.enter = ["nsenter", "--target", str(first), "--mount", "--net", "--pid", "--setuid", "47412", "--setgid", "47412"]
        self.process = subprocess.Popen(
            [*self.enter, "/run/exporter", "--web.listen-address=127.0.0.1:9104"],
            env={**os.environ, "DATA_SOURCE_NAME": "jackdawd@unix(/run/jackdaw/database/mysqld.sock)/"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = None
        self.namespace = f"/proc/{first}/ns/net"

    def scrape(self):
        with socket.create_connection(("127.0.0.1", 9104), timeout=30) as peer:
            peer.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
            answer = b""
            while piece := peer.recv(1 << 20):
                answer += piece
        check(answer.startswith(b"HTTP/1.0 200"), answer[:200])
        return answer


def metrics_row(fleet, path, agent):
    need(os.path.exists(EXPORTER), "Debian's exporter is not unpacked in build/deps")
    exporter = Exporter(fleet, "db1")
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    theirs = os.open(exporter.namespace, os.O_RDONLY)
    try:
        LIBC.setns(theirs, 0)

        def up():
            try:
                return b"mysql_up 1" in exporter.scrape()
            except OSError:
                return False
        wait_for("the exporter reaches the database", up, 15)
        pid = wait_for("the exporter's process", lambda: fleet.processes("db1", "exporter"))[0]
        connection = Connection(path)
        connection.get("/metrics")
        ours, others, times, their_times = 0.0, 0.0, [], []
        for _ in range(SCRAPES):  # in turn: the same server, the same moment
            spent, began = ticks(agent), time.monotonic()
            connection.get("/metrics")
            times.append(1000 * (time.monotonic() - began))
            ours += ticks(agent) - spent
            spent, began = ticks(pid), time.monotonic()
            exporter.scrape()
            their_times.append(1000 * (time.monotonic() - began))
            others += ticks(pid) - spent
    finally:
        LIBC.setns(own, 0)
        exporter.process.terminate()
        for one in fleet.processes("db1", "exporter"):
            os.kill(one, 15)
        exporter.process.wait()
    return (f"scrape of `/metrics`, median and worst of {SCRAPES}; CPU of the agent / of prometheus-mysqld-exporter, in turn on "
            "one server", "≤ 30 ms; ≤ 1/3",
            f"{statistics.median(times):.1f} ms, {max(times):.1f} ms (exporter {statistics.median(their_times):.1f} ms); "
            f"{1000 * ours / SCRAPES:.2f} ms / {1000 * others / SCRAPES:.2f} ms = {ours / others:.2f}")


def rows():
    with Fleet() as fleet:
        fleet.create("db1", "mariadb", "1G", "--database", "app", "--user", "app")
        agent = fleet.agent("db1")
        path = f"{fleet.root('db1')}/run/jackdaw/admin.sock"
        yield instance_row(path, agent)
        yield parameters_row(path)
        yield idle_row(path, agent, False)
        yield idle_row(path, agent, True)
        yield metrics_row(fleet, path, agent)
        yield from command_rows(fleet)


if __name__ == "__main__":
    need(os.path.exists(JACKDAW), "JACKDAW_STAGE names no build")
    print("| what | asked | measured |\n|---|---|---|", flush=True)
    for row in rows():
        print("| " + " | ".join(row) + " |", flush=True)
