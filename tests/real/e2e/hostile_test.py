#!/usr/bin/env python3
"""Hostile clients at all three sockets of the API at once: each gets a clear error, the agent's memory stays bounded, and
everybody else is served meanwhile."""
import contextlib
import json
import multiprocessing
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Failed, Fleet, check, main, wait_for  # noqa: E402
from intruder import NOBODY, inside  # noqa: E402

RSS_GROWTH_MAX = 64 << 20  # of the agent, at its peak: the bounds of bodies and answers, and what parsing one costs
METRICS = 7413
TRIES = 10  # of an honest caller in the middle of a flood of its own user or machine


def memory(pid, key):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(rf"{key}:\s+(\d+) kB", file.read()).group(1)) << 10


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")  # proc(5): VmHWM begins again from here


def dial(address, limit=30):
    peer = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    peer.settimeout(limit)
    peer.connect(address)
    return peer


def hear(peer):
    """One answer: status, headers, body. (0, {}, b"") when it is closed without one."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in answer and (piece := peer.recv(65536)):
            answer += piece
    if not answer:
        return 0, {}, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length.group(1)) and (piece := peer.recv(65536)):
        body += piece
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line), body


def said(address, *pieces):
    with dial(address) as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                peer.sendall(piece)
        return hear(peer)


def refused(address, status, *pieces):
    got, _, body = said(address, *pieces)
    what = b"".join(pieces)[:100]
    check(got == status, f"{what}: {got}, not {status}: {body[:300]}")
    error = json.loads(body)["error"]
    check(error["code"].startswith("E-") and error["message"] and error["hint"], f"{what}: {error}")
    check(len(body) < 4096, f"{what}: an answer of {len(body)} bytes")


class Served:
    """An honest caller of one socket, in a process of its own, all the while: each time a new connection, as the command line
    makes it. Who is told to try again does so, a few times."""

    def __init__(self, address, target):
        self.address, self.target = address, target
        self.rounds, self.again, self.slowest = (multiprocessing.Value(kind, 0) for kind in "qqd")
        self.over, self.broken = multiprocessing.Event(), multiprocessing.Queue()
        self.process = multiprocessing.Process(target=self.live, daemon=True)

    def live(self):
        try:
            while not self.over.wait(0.01):
                began = time.monotonic()
                self.round()
                self.slowest.value = max(self.slowest.value, time.monotonic() - began)
                self.rounds.value += 1
        except BaseException as failure:
            self.broken.put(repr(failure))

    def round(self):
        request = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % self.target
        for _ in range(TRIES):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                status, _, body = said(self.address, request)
                if status == 200:
                    return
                check(status in (0, 503), f"{self.target} at {self.address}: {status} {body[:200]}")
            self.again.value += 1
        raise Failed(f"{self.target} at {self.address}: not served in {TRIES} tries")

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        self.process.join(60)
        if failure[0] is None and not self.broken.empty():
            raise Failed(self.broken.get())

    def go_on(self):
        asked = self.rounds.value
        wait_for(f"{self.address} answers {self.target}",
                 lambda: self.rounds.value >= asked + 3 or not self.broken.empty(), 60)
        if not self.broken.empty():
            raise Failed(self.broken.get())


def wrong_ones(address, plain=False):
    """Every way to be wrong in one request; `plain`: at the listener for pollers."""
    def post(head, body=b""):
        return b"POST /%s HTTP/1.1\r\nHost: x\r\n%s\r\n%s" % (b"metrics" if plain else b"v1/databases", head, body)
    deep = b'{"name":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    refused(address, 413, post(b"Content-Length: 10000000\r\n"), b"x" * 10_000_000)
    refused(address, 431, b"GET /v1/version HTTP/1.1\r\nX: ", b"a" * 10_000_000)
    refused(address, 431, b"GET /v1/version?" + b"a=b&" * 5000 + b" HTTP/1.1\r\n\r\n")
    refused(address, 400, post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"))
    refused(address, 400, post(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"{}"))
    refused(address, 400, post(b"Transfer-Encoding: chunked\r\n", b"nonsense\r\n"))
    refused(address, 413, post(b"Transfer-Encoding: chunked\r\n", b"7fffffff\r\nabc"))
    refused(address, 417, post(b"Expect: nothing\r\nContent-Length: 2\r\n", b"{}"))
    refused(address, 400, b"GET /v1/version HTTP/3.0\r\n\r\n")
    refused(address, 400, b"GET /v1/version HTTP/1.1\r\nno colon here\r\n\r\n")
    refused(address, 404 if plain else 400, b"GET /v1/users/a%00b HTTP/1.1\r\n\r\n")
    refused(address, 405, b"BREW /healthz HTTP/1.1\r\n\r\n")
    refused(address, 413 if plain else 400, post(b"Content-Length: %d\r\n" % len(deep), deep))
    refused(address, 415, post(b"Content-Type: text/plain\r\nContent-Length: 2\r\n", b"{}"))
    status, headers, _ = said(address, b"GET http://anything/healthz HTTP/1.0\r\n\r\n")
    check(status == 200 and headers["connection"] == "close", f"absolute, HTTP/1.0: {status} {headers}")
    with dial(address) as peer:  # pipelined, and garbage behind
        peer.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 50 + os.urandom(200) + b"\r\n\r\n")
        text = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := peer.recv(65536):
                text += piece
        check(text.count(b" 200 OK") == 50 and text.count(b" 400 ") == 1, f"a pipeline: {text.count(b' 200 OK')}")
    with dial(address) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        check(hear(peer)[0] == 200, "half closed behind a whole request")
    with dial(address) as peer:
        peer.sendall(b"GET /heal")
        peer.shutdown(socket.SHUT_WR)
        check(hear(peer)[0] == 400, "half closed inside a request")


class Flood:
    """Connections that are kept and never right; ends with what became of them."""

    def __init__(self, address, count, first, honest):
        self.peers = []
        for number in range(count):
            with contextlib.suppress(BlockingIOError, ConnectionError, TimeoutError):
                peer = dial(address, 5)
                self.peers.append(peer)
                with contextlib.suppress(ConnectionError):
                    peer.sendall(first)
            if number % 500 == 499:
                honest.go_on()
        honest.go_on()

    def drip(self):
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.send(b"a")

    def told(self):
        """How many were told why they had to go, and by which status."""
        statuses = {}
        for peer in self.peers:
            peer.settimeout(0.0)
            with contextlib.suppress(OSError):
                text = peer.recv(4096)
                if text.startswith(b"HTTP/1.1 "):
                    statuses[int(text[9:12])] = statuses.get(int(text[9:12]), 0) + 1
        return statuses

    def close(self):
        for peer in self.peers:
            peer.close()


def floods(address, honest):
    half = b"GET /v1/instance HTTP/1.1\r\nX: "
    for what, first in (("silent", b""), ("half a head", half),
                        ("half a body", b"POST /v1/databases HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b" " * 4000),
                        ("never reads", b"GET /v1/openapi.json HTTP/1.1\r\n\r\n" * 200)):
        flood = Flood(address, 1000 if what != "half a head" else 2500, first, honest)
        for _ in range(3):
            flood.drip()
            honest.go_on()
        told = flood.told()
        if what == "half a head":
            check(told.get(503, 0) > 100, f"who makes room is told so: {told}")
        flood.close()
        print(f"   {address}: {what}: {len(flood.peers)} connections, told: {told}", flush=True)


def strangers(path, count):
    """As another user, from inside the machine: `count` half requests are held, and what an own whole one gets."""
    def act():
        held = []
        for _ in range(count):
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(5)
            with contextlib.suppress(OSError):
                peer.connect(path)
                peer.send(b"GET /v1/instance HTTP/1.1\r\nX: ")
            held.append(peer)
        return said(path, b"GET /v1/instance HTTP/1.1\r\nConnection: close\r\n\r\n")[0]
    return act


def hostile():
    """wrong, slow, silent, huge and many: clear errors, bounded memory, and all three sockets go on serving others"""
    with Fleet() as fleet:
        fleet.create("db1", "fake", "320M")
        root, address = fleet.root("db1"), fleet.show("db1")["address"]
        with open(f"{root}/etc/jackdaw/jackdawd.toml", "w") as file:
            file.write(f'metrics-listen = "{address}:{METRICS}"\n')
        before = fleet.agent("db1")
        fleet.kill(before)
        wait_for("the next agent", lambda: fleet.agent("db1") not in (None, before))
        admin, public, tcp = f"{root}/run/jackdaw/admin.sock", f"{root}/run/jackdaw/public.sock", (address, METRICS)

        def serves(where):
            with contextlib.suppress(OSError):
                return said(where, b"GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n")[0] == 200
            return False
        for where in (admin, public, tcp):
            wait_for(f"{where} serves", lambda at=where: serves(at))
        agent = fleet.agent("db1")
        database = fleet.processes("db1", "jackdaw-fake-db")
        wrong_ones(admin)
        reset_peak(agent)
        rss = memory(agent, "VmRSS")
        with Served(admin, b"/v1/instance") as one, Served(public, b"/v1/instance") as two, Served(tcp, b"/metrics") as three:
            honest = (one, two, three)
            wrong_ones(admin)
            wrong_ones(tcp, plain=True)
            for where, own in ((admin, one), (public, two), (tcp, three)):
                floods(where, own)
                for other in honest:
                    other.go_on()
            # All at once, and a stranger's beside root's: nobody is kept out by another socket, nor by another user.
            held = [Flood(where, count, b"GET /v1/instance HTTP/1.1\r\nX: ", own)
                    for where, own, count in ((admin, one, 1500), (public, two, 700), (tcp, three, 400))]
            status = inside(fleet, "db1", NOBODY, strangers("/run/jackdaw/public.sock", 700))
            check(status == 200, f"a stranger's own whole request beside the floods: {status}")
            for other in honest:
                other.go_on()
            check(fleet.show("db1")["status"] == "running", "the channel answers beside them")
            streams = [dial(admin) for _ in range(300)]  # events that nobody reads
            for peer in streams:
                peer.sendall(b"GET /v1/events/stream?after=0 HTTP/1.1\r\n\r\n")
            one.go_on()
            refusals = sum(peer.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 503" for peer in streams)
            check(refusals == 300 - 256, f"{refusals} streams over the bound were refused")
            for flood in held:
                flood.close()
            for peer in streams:
                peer.close()
            for other in honest:
                other.go_on()
        grown = memory(agent, "VmHWM") - rss
        check(grown < RSS_GROWTH_MAX, f"the agent's memory has grown by {grown >> 10} KiB at its peak")
        check(fleet.agent("db1") == agent, "it is the same agent")
        check(fleet.processes("db1", "jackdaw-fake-db") == database, "it is the same database")
        status = said(tcp, b"GET /v1/instance HTTP/1.1\r\n\r\n")[0]
        check(status == 404, f"the API by TCP: {status}")
        print(f"   peak {grown >> 10} KiB above {rss >> 10} KiB; served beside: " + ", ".join(
            f"{other.rounds.value} at {other.address} (slowest {1000 * other.slowest.value:.0f} ms, {other.again.value} tries more)" for other in honest), flush=True)


def metrics_setting():
    """a place for metrics that is no place keeps no agent; one that is wrong as a text is refused by name"""
    with Fleet() as fleet:
        fleet.create("db1", "fake", "320M")
        root = fleet.root("db1")

        def restarted(text):
            with open(f"{root}/etc/jackdaw/jackdawd.toml", "w") as file:
                file.write(text)
            old = fleet.agent("db1")
            if old is not None:
                fleet.kill(old)
            return old

        old = restarted('metrics-listen = "203.0.113.7:7413"\n')  # nobody's address (RFC 5737)
        wait_for("an agent without that address", lambda: fleet.agent("db1") not in (None, old) and
                 fleet.status("db1").status == 0)
        events = fleet.run("events", "--instance", "db1", "-o", "json").json["items"]
        check(any(one["kind"] == "metrics.closed" and "203.0.113.7" in one["text"] for one in events), f"{events[-5:]}")
        check(fleet.show("db1")["status"] == "running", "the database is served")
        restarted('metrics-listen = "0.0.0.0:7413"\n')
        log = f"{root}/var/log/jackdaw/agent.log"

        def told():
            with open(log, errors="replace") as file:
                text = file.read()
            return 'hint: if that is meant, write "*:7413"' in text and "metrics-listen" in text
        wait_for("the refusal in the agent's log", told)
        restarted('metrics-listen = "*:7413"\n')
        address = wait_for("an agent again", lambda: fleet.status("db1").status == 0 and fleet.show("db1"))["address"]
        wait_for("metrics by TCP", lambda: said((address, METRICS), b"HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")[0]
                 == 200)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (hostile, metrics_setting)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
