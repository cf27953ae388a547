#!/usr/bin/env python3
"""Gossip beside Debian's serf: the same fleet of plain members on loopback addresses of one network namespace, one after the other
in one run; prints a table of theirs, ours and the ratio. Asserts nothing.

  tests/bench/gossip.py [--members 16,64] [--kills 6] [--joins 5] [--partition 60] [--partitions 3] [--idle 30] [--only serf|jackdaw] [--tests join,one,…]

Run it by `tests/run bench`, or as root inside `unshare --net` with JACKDAW_STAGE set (a folder with jackdawd and plugins: build/…/stage)
and, but for --only jackdaw, serf in PATH or JACKDAW_SERF (the program's path). The time of an observation is that of its log
line, read through a pipe; commands go in over connections that are open before (serf's RPC, our admin socket)."""
import argparse
import base64
import collections
import http.client
import json
import os
import random
import re
import resource
import selectors
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

STAGE = os.environ.get("JACKDAW_STAGE", "")
SERF = os.environ.get("JACKDAW_SERF") or shutil.which("serf") or ""
AGENT_UID = 47412
NETWORK = "10.77.0.0/16"  # of the namespace's own loopback
PORT = 7946
SEEN_LIMIT = 120          # seconds; what was not seen by then counts as never
TESTS = ("join", "idle", "one", "hint", "kill", "partition")


def address(number):
    return f"10.77.{number // 250}.{number % 250 + 1}"


def packed(value):
    """The few msgpack types of serf's RPC."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if value < 128 else b"\xce" + struct.pack(">I", value)
    if isinstance(value, str):
        value = value.encode()
        return (bytes([0xA0 | len(value)]) if len(value) < 32 else b"\xda" + struct.pack(">H", len(value))) + value
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    return bytes([0x80 | len(value)]) + b"".join(packed(key) + packed(item) for key, item in value.items())


class Kind:
    """What is alike of both: each member has a user of its own, since the kernel counts some things by user (inotify's
    instances: 128), and a partition knows senders by it."""

    @staticmethod
    def user(number):
        return AGENT_UID + number

    @classmethod
    def options(cls, number):
        """Of its process."""
        return {"user": cls.user(number), "group": cls.user(number), "extra_groups": []}


class Serf(Kind):
    name = "serf"
    KEY = base64.b64encode(bytes(range(32))).decode()
    LINES = (("up", re.compile(r"EventMemberJoin: (\S+)")), ("down", re.compile(r"EventMemberFailed: (\S+)")),
             ("left", re.compile(r"EventMemberLeave: (\S+)")), ("hint", re.compile(r"Received event: user-event: (\S+)")))
    READY = re.compile(r"Serf agent running|serf agent starting|agent: Serf agent starting", re.I)

    @staticmethod
    def command(folder, number, seed):
        join = ["-join", f"{address(seed)}:{PORT}"] if seed is not None else []
        return [SERF, "agent", "-node", f"n{number}", "-bind", f"{address(number)}:{PORT}", "-rpc-addr",
                f"{address(number)}:7373", "-profile", "lan", "-encrypt", Serf.KEY, "-log-level", "info", *join]

    def __init__(self, number, folder):
        self.socket = None
        self.number = number
        self.sequence = 0

    def connect(self):
        end = time.monotonic() + 20
        while True:
            try:
                self.socket = socket.create_connection((address(self.number), 7373), timeout=20)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.ask("handshake", {"Version": 1})
        self.socket.recv(200)

    def ask(self, command, body):
        self.socket.sendall(packed({"Command": command, "Seq": self.sequence}) + packed(body))
        self.sequence += 1

    def join(self, seed):
        self.ask("join", {"Existing": [f"{address(seed)}:{PORT}"], "Replay": False})

    def hint(self, key):
        self.ask("event", {"Name": f"h{key}", "Payload": "x" * 64, "Coalesce": False})
        return f"h{key}"

    def close(self):
        if self.socket:
            self.socket.close()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Jackdaw(Kind):
    name = "jackdaw"
    LINES = (("up", re.compile(r"member (?:joined|recovered) (\S+)")), ("down", re.compile(r"member down (\S+)")),
             ("left", re.compile(r"member left (\S+)")), ("hint", re.compile(r"hint \d+ (\d+) \d+")))
    READY = re.compile(r"gossip ready")

    @classmethod
    def command(cls, folder, number, seed):
        base = f"{folder}/n{number}"
        for name in ("state", "run"):
            os.makedirs(f"{base}/{name}", exist_ok=True)
            os.chown(f"{base}/{name}", cls.user(number), cls.user(number))
        ring = f"{folder}/ring"
        if not os.path.exists(ring):
            with open(ring, "w") as file:
                file.write(f"1 {bytes(range(32)).hex()}\n")
            os.chmod(ring, 0o644)
        join = ["--seed", f"{address(seed)}:{PORT}"] if seed is not None else []
        return [f"{STAGE}/jackdawd", "--state", f"{base}/state", "--run", f"{base}/run", "--plugins", f"{STAGE}/plugins",
                "--state-map-bytes", "4194304", "--name", f"n{number}", "--listen", f"{address(number)}:{PORT}", "--ring", ring,
                *join]

    def __init__(self, number, folder):
        self.path = f"{folder}/n{number}/run/admin.sock"
        self.connection = None
        self.waiting = False  # for an answer: a join is begun, not waited for

    def connect(self):
        self.connection = UnixConnection(self.path)
        self.connection.request("GET", "/v1/version")
        self.connection.getresponse().read()

    def post(self, path, body):
        if self.waiting:
            self.done()
        self.waiting = True
        self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})

    def done(self):
        self.waiting = False
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status}: {text.decode(errors='replace')}")

    def join(self, seed):
        self.post("/v1/gossip/join", {"addresses": [f"{address(seed)}:{PORT}"]})

    def hint(self, key):
        self.post("/v1/gossip/hint", {"topic": 63, "key": key, "version": 1})
        self.done()
        return str(key)

    def close(self):
        if self.connection:
            self.connection.close()


class Members:
    """Processes of one kind and what their log lines said, in order of reading."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        self.processes, self.controls = {}, {}
        self.seen = collections.deque()  # (time, observer, what, subject)
        self.ready = {}
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.rest = {}
        self.running = True
        self.wake_read, self.wake_write = os.pipe()
        self.selector.register(self.wake_read, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while self.running:
            for key, _ in self.selector.select():
                if key.data is None:
                    os.read(key.fd, 100)
                    continue
                chunk = os.read(key.fd, 65536)
                now = time.monotonic()
                if not chunk:
                    self.selector.unregister(key.fd)
                    os.close(key.fd)
                    continue
                number = key.data
                lines = (self.rest.pop(key.fd, b"") + chunk).split(b"\n")
                self.rest[key.fd] = lines.pop()
                with self.lock:
                    for line in lines:
                        self.take(now, number, line.decode(errors="replace"))

    def take(self, now, number, line):
        if number not in self.ready and self.kind.READY.search(line):
            self.ready[number] = now
        for what, pattern in self.kind.LINES:
            if match := pattern.search(line):
                self.seen.append((now, number, what, match.group(1)))
                return

    def start(self, number, seed=None):
        read, write = os.pipe()
        self.ready.pop(number, None)
        began = time.monotonic()
        process = subprocess.Popen(self.kind.command(self.folder, number, seed), stdout=write, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, **self.kind.options(number))
        os.close(write)
        self.processes[number] = process
        self.selector.register(read, selectors.EVENT_READ, number)
        os.write(self.wake_write, b"x")
        return began

    def control(self, number):
        if number in self.controls:
            self.controls[number].close()
        self.controls[number] = self.kind(number, self.folder)
        self.controls[number].connect()
        return self.controls[number]

    def wait_ready(self, numbers, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self.lock:
                if all(number in self.ready for number in numbers):
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self.kind.name}: not all of {len(numbers)} members got ready in {seconds} s")

    def clear(self):
        with self.lock:
            self.seen.clear()

    def down(self):
        """Pairs (observer, subject) whose newest line, since clear(), says down."""
        newest = {}
        with self.lock:
            for _, observer, what, subject in self.seen:
                if what in ("up", "down"):
                    newest[(observer, subject)] = what
        return {pair for pair, what in newest.items() if what == "down"}

    def wait_seen(self, what, pairs, since, seconds=SEEN_LIMIT):
        """Waits until each (observer, subject) of `pairs` was seen after `since`; the times from `since`, by pair."""
        times, at, pairs = {}, 0, set(pairs)
        end = since + seconds
        while True:
            with self.lock:
                fresh = [self.seen[i] for i in range(at, len(self.seen))]
                at = len(self.seen)
            for moment, observer, kind, subject in fresh:
                pair = (observer, subject)
                if kind == what and moment >= since and pair in pairs and pair not in times:
                    times[pair] = moment - since
            if len(times) == len(pairs) or time.monotonic() > end:
                return times, pairs - times.keys()
            time.sleep(0.005)

    def kill(self, number):
        began = time.monotonic()
        self.processes[number].kill()
        self.processes.pop(number).wait()
        return began

    def end(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        for control in self.controls.values():
            control.close()
        self.running = False
        os.write(self.wake_write, b"x")
        self.thread.join()


def text_of(values, missing=0):
    if not values:
        return f"never ({missing})"
    text = f"{statistics.median(values):.2f}"
    if len(values) > 1:
        text += f" (worst {max(values):.2f} of {len(values)})"
    return text + (f", {missing} never" if missing else "")


class Row:
    def __init__(self, what, goal, unit="s", use=statistics.median):
        self.what, self.goal, self.unit, self.use = what, goal, unit, use
        self.values = {"serf": [], "jackdaw": []}
        self.missing = collections.Counter()


def all_pairs(numbers):
    return [(a, f"n{b}") for a in numbers for b in numbers if a != b]


def settle(fleet, n):
    """A fleet of n that see each other."""
    for number in range(n):
        fleet.start(number)
    fleet.wait_ready(range(n))
    for number in range(n):
        fleet.control(number)
    began = time.monotonic()
    for number in range(1, n):
        fleet.controls[number].join(0)
    times, missing = fleet.wait_seen("up", all_pairs(range(n)), began)
    return max(times.values(), default=0.0), len(missing)


def octets():
    with open("/proc/net/netstat") as file:
        lines = [line.split() for line in file if line.startswith("IpExt:")]
    return int(dict(zip(lines[0], lines[1]))["OutOctets"])


def cpu_seconds(pid):
    """Of all its threads, as the scheduler counts them: a tick's sampling sees too much of who wakes up at ticks."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def anonymous(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) / 1024


def nft(text):
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def measure(kind, n, options, rows, folder):
    def row(key):
        return rows[(n, key)]

    def note(key, values, missing=0):
        row(key).values[kind.name] += values
        row(key).missing[kind.name] += missing

    for _ in range(options.joins if "join" in options.tests else 0):
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            os.chmod(inner, 0o755)
            fleet = Members(kind, inner)
            try:
                took, missing = settle(fleet, n)
                note("join", [took] if not missing else [float(SEEN_LIMIT)], 0)
            finally:
                fleet.end()
    fleet = Members(kind, folder)
    chance = random.Random(7)
    try:
        settle(fleet, n)
        time.sleep(10)
        if "idle" in options.tests:  # first: who is dead is asked for, by both kinds, and a closed port answers
            pids = [process.pid for process in fleet.processes.values()]
            before, cpu, began = octets(), sum(map(cpu_seconds, pids)), time.monotonic()
            time.sleep(options.idle)
            took = time.monotonic() - began
            note("bytes", [(octets() - before) / took / n])
            note("cpu", [100 * (sum(map(cpu_seconds, pids)) - cpu) / took / n])
            note("memory", [statistics.median(map(anonymous, pids))])
        if "one" in options.tests:
            for k in range(3):
                number = n + k
                fleet.start(number)
                fleet.wait_ready([number])
                control = fleet.control(number)
                began = time.monotonic()
                control.join(0)
                times, missing = fleet.wait_seen("up", [(other, f"n{number}") for other in range(n)], began)
                note("one", [max(times.values())] if not missing else [], bool(missing))
                fleet.kill(number)
            time.sleep(20)
        if "hint" in options.tests:
            for number in range(n):  # anew: a connection that is idle for long is closed
                fleet.control(number)
            for k in range(10):
                sender = chance.randrange(n)
                began = time.monotonic()
                subject = fleet.controls[sender].hint(1000 + k)
                times, missing = fleet.wait_seen("hint", [(o, subject) for o in range(n) if o != sender], began, 20)
                note("hint", [max(times.values())] if not missing else [], bool(missing))
                time.sleep(0.5)
        if "kill" in options.tests:
            for k in range(options.kills):
                number = chance.randrange(1, n)
                fleet.clear()
                began = fleet.kill(number)
                others = [other for other in range(n) if other != number]
                times, missing = fleet.wait_seen("down", [(other, f"n{number}") for other in others], began)
                note("first", [min(times.values())] if times else [], not times)
                note("last", [max(times.values())] if not missing else [], bool(missing))
                time.sleep(2)
                fleet.clear()
                began = fleet.start(number, seed=0)
                times, missing = fleet.wait_seen("up", [(other, f"n{number}") for other in others], began)
                note("restart", [max(times.values())] if not missing else [], bool(missing))
                fleet.wait_ready([number])
                fleet.control(number)
                time.sleep(chance.uniform(2, 4))
        if "partition" in options.tests:
            half = [number for number in range(n) if number % 2]
            users = [", ".join(str(kind.user(number)) for number in range(n) if number % 2 == part) for part in (0, 1)]
            # By the sender's user: a connection of serf's to another of this host's addresses comes from that same address.
            # Dropped where it arrives: a sender that is told would not be cut off.
            split = ("table ip split {\n set odd { type ipv4_addr; elements = { " + ", ".join(map(address, half)) + " }; }\n"
                     f" chain whose {{\n type filter hook output priority 0;\n meta skuid {{ {users[0]} }} meta mark set 2\n"
                     f" meta skuid {{ {users[1]} }} meta mark set 1\n }}\n"
                     " chain cut {\n type filter hook input priority 0;\n meta mark 1 ip daddr != @odd drop\n"
                     " meta mark 2 ip daddr @odd drop\n }\n}\n")
            for _ in range(options.partitions):
                fleet.clear()
                nft(split)
                try:
                    time.sleep(options.partition)
                finally:
                    lost = fleet.down()
                    fleet.clear()
                    began = time.monotonic()
                    nft("delete table ip split")
                # Who was cut off alone accuses nobody: what it never called down is not lost, and is not told to be back.
                cross = [(a, f"n{b}") for a in range(n) for b in range(n) if (a % 2) != (b % 2) and (a, f"n{b}") in lost]
                times, missing = fleet.wait_seen("up", cross, began, 180)
                note("lost", [float(len(cross))])
                note("heal", [max(times.values(), default=0.0)] if not missing else [], len(missing))
                time.sleep(chance.uniform(10, 20))
    finally:
        fleet.end()


def make_rows(sizes):
    rows = {}
    first = {3: 0.65, 16: 0.55, 64: 0.45, 128: 0.40}
    for n in sizes:
        rows[(n, "join")] = Row(f"n={n}: all join one seed at once, all see all", "≤ 0.5")
        rows[(n, "one")] = Row(f"n={n}: one joins, all others see it", "≤ 0.4")
        rows[(n, "bytes")] = Row(f"n={n}: idle, IP bytes/s of a member, encrypted", "≤ 0.85", "B/s")
        rows[(n, "cpu")] = Row(f"n={n}: idle, CPU of a member", "≤ 0.15", "%")
        rows[(n, "memory")] = Row(f"n={n}: anonymous memory of a member", "≤ 0.5", "MiB")
        rows[(n, "hint")] = Row(f"n={n}: 64 B event / hint to all", "≤ 0.25")
        rows[(n, "first")] = Row(f"n={n}: kill -9, first other says down", f"≤ {first.get(n, 0.55)}")
        rows[(n, "last")] = Row(f"n={n}: kill -9, last other says down", "≤ 0.45" if n >= 16 else "–")
        rows[(n, "restart")] = Row(f"n={n}: a dead one starts again, all see it", "≤ 0.4")
        rows[(n, "lost")] = Row(f"n={n}: partition, pairs that called each other down", "–", "")
        rows[(n, "heal")] = Row(f"n={n}: partition healed, all pairs alive", "≤ 0.4")
    return rows


def show(rows, only):
    print("| what | serf | jackdaw | ratio | asked |\n|---|---|---|---|---|")
    for row in rows.values():
        if not any(row.values.values()) and not any(row.missing.values()):
            continue
        cells = []
        for name in ("serf", "jackdaw"):
            if row.values[name] or row.missing[name]:
                cells.append(text_of(row.values[name], row.missing[name]) + f" {row.unit}")
            else:
                cells.append("–")
        theirs, ours = row.values["serf"], row.values["jackdaw"]
        ratio = f"{statistics.median(ours) / statistics.median(theirs):.2f}" if theirs and ours and statistics.median(theirs) else "–"
        print(f"| {row.what} | {cells[0]} | {cells[1]} | {ratio} | {row.goal} |", flush=True)


def sizes_of(text):
    """Of fleets: 2 to 12,000 members each, whose addresses and users there are."""
    sizes = [int(size) for size in text.split(",") if size.isdecimal() and 2 <= int(size) <= 12_000]
    if len(sizes) != len(text.split(",")):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers from 2 to 12000")
    return sizes


def tests_of(text):
    tests = text.split(",")
    if unknown := [test for test in tests if test not in TESTS]:
        raise argparse.ArgumentTypeError(f"there is no test '{unknown[0]}'; there are {', '.join(TESTS)}")
    return tests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=sizes_of, default="16,64", help="sizes of the fleets")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--joins", type=int, default=5)
    parser.add_argument("--partition", type=int, default=60, help="seconds of the cut between two halves")
    parser.add_argument("--partitions", type=int, default=3)
    parser.add_argument("--idle", type=int, default=30, help="seconds of watching an idle fleet")
    parser.add_argument("--only", choices=("serf", "jackdaw"))
    parser.add_argument("--tests", type=tests_of, default=",".join(TESTS), help="some of the default: %(default)s")
    options = parser.parse_args()
    if os.geteuid() != 0 or not os.path.exists(f"{STAGE}/jackdawd"):
        print("SKIPPED: needs root, and JACKDAW_STAGE with jackdawd")
        return 77
    if options.only != "jackdaw" and not os.access(SERF, os.X_OK):
        print("SKIPPED: needs Debian's serf in PATH or JACKDAW_SERF, or --only jackdaw")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", NETWORK, "dev", "lo"], check=False, stderr=subprocess.DEVNULL)
    rows = make_rows(options.members)
    for n in options.members:
        for kind in (Serf, Jackdaw):
            if options.only in (None, kind.name):
                with tempfile.TemporaryDirectory(prefix="jackdaw-gossip.", dir="/var/tmp") as folder:
                    os.chmod(folder, 0o755)
                    measure(kind, n, options, rows, folder)
    show(rows, options.only)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
