#!/usr/bin/env python3
"""Whatever bytes and names come in: the right refusal with a hint, nothing changed, and everybody else is answered."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Beside, Fleet, api, check, main, seed, wait_for  # noqa: E402

RSS_GROWTH_MAX = 16 << 20  # of any one program that the garbage reaches, at its peak
LOG_GROWTH_MAX = 256 << 10
CHANNEL = 7412


def memory(pid, key):
    """VmRSS: what it has now; VmHWM: the most that it ever had. Bytes."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(rf"{key}:\s+(\d+) kB", file.read()).group(1)) << 10


class Answers(Beside):
    """Real requests over the admin socket all the while; each must be answered."""

    def __init__(self, fleet, machine):
        super().__init__()
        self.fleet, self.machine = fleet, machine
        self.count, self.failures = 0, []

    def round(self):
        try:
            status, body = api(self.fleet, self.machine, "GET", "/v1/instance")
            if status != 200:
                self.failures.append(body)
            self.count += 1
        except (OSError, ValueError) as failure:
            self.failures.append(repr(failure))


def said_to(kind, address, pieces, hold=False):
    """Opens a socket, says the pieces; closes it, or hands it back. A peer that hangs up early is a good one."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    peer = socket.socket(family, kind)
    peer.settimeout(10)
    with contextlib.suppress(OSError):
        peer.connect(address)
        for piece in pieces:
            peer.send(piece)
    if hold:
        return peer
    peer.close()
    return None


def garbage():
    """random bytes, half frames, huge headers, slow writers and thousands of connections change nothing"""
    dice = seed()
    with Fleet() as fleet:
        fleet.create("db1")
        shown = fleet.show("db1")
        root = fleet.root("db1")
        names = ("jackdaw-init", "jackdaw-guard", "jackdaw-host", "jackdawd", "jackdaw-fake-db")
        pids = {name: fleet.processes("db1", name) for name in names}
        admin = f"{root}/run/jackdaw/admin.sock"
        packets = [f"{root}/run/jackdaw/init.sock", f"{root}/run/jackdaw/guards/database.sock"]
        channel = (shown["address"], CHANNEL)

        def noise(most=2048):
            return dice.randbytes(dice.randrange(1, most))

        http = (b"GET /v1/instance HTTP/1.1\r\n", b"GET /v1/instance HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
                b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                b"POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                b"GET " + b"/" * 60_000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n" * 3000)
        frames = (b"\x00", b"\x00\x20", b"\x00\x20" + b"x" * 32, b"\xff\xff" + b"y" * 5000, b"\x00\x00",
                  b"GET / HTTP/1.1\r\n\r\n")

        def a_round(connections, datagrams):
            for _ in range(connections):
                said_to(socket.SOCK_STREAM, admin, [dice.choice((noise(), dice.choice(http)))])
                said_to(socket.SOCK_STREAM, channel, [dice.choice((noise(), dice.choice(frames)))])
                said_to(socket.SOCK_SEQPACKET, dice.choice(packets), [noise(600), noise(9000)])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                for _ in range(datagrams):
                    peer.sendto(noise(1400), channel)

        a_round(100, 200)  # what is allocated once is allocated now
        reached = ("jackdaw-init", "jackdaw-guard", "jackdawd")  # jackdaw-host listens to none of it
        before = {name: memory(pids[name][0], "VmRSS") for name in reached}
        log = os.path.getsize(f"{root}/var/log/jackdaw/agent.log")
        with Answers(fleet, "db1") as answers:
            a_round(1200, 4000)
            # Silent and slow ones, more than there is room for on the channel: they keep nobody out.
            held = [said_to(socket.SOCK_STREAM, channel, [dice.choice((b"", *frames[:3]))], hold=True)
                    for _ in range(150)]
            held += [said_to(socket.SOCK_STREAM, admin, [dice.choice(http)[:40]], hold=True) for _ in range(150)]
            held += [said_to(socket.SOCK_SEQPACKET, path, [], hold=True) for path in packets for _ in range(40)]
            check(fleet.show("db1")["status"] == "running", "the channel answers beside 150 strangers")
            for turn in range(20):  # slow writers say a byte each
                for peer in held:
                    with contextlib.suppress(OSError):
                        peer.send(b"z")
            check(fleet.show("db1")["status"] == "running", "and beside slow ones")
            asked = answers.count
            wait_for("the admin socket answers beside them", lambda: answers.count >= asked + 10)
            for peer in held:
                peer.close()
        check(not answers.failures, f"real requests failed: {answers.failures[:3]}")
        grown = {name: memory(pids[name][0], "VmHWM") - before[name] for name in reached}
        check(max(grown.values()) < RSS_GROWTH_MAX, f"memory has grown: {grown}")
        fleet.run("instance", "restart", "db1", "--wait")  # init and guards do what they are for
        for name in ("jackdaw-init", "jackdaw-host", "jackdawd"):
            check(fleet.processes("db1", name) == pids[name], f"{name} is another process")
        written = os.path.getsize(f"{root}/var/log/jackdaw/agent.log") - log
        check(written < LOG_GROWTH_MAX, f"strangers wrote {written} bytes of log")
        check(fleet.show("db1")["database_process"]["restarts"] == 0, "the database never ended by itself")
        print(f"   peaks above: { {name: f'{size >> 10} KiB' for name, size in grown.items()} }; {answers.count} real requests; {written} bytes of log",
              flush=True)


def burst():
    """five hundred callers that come while the agent is busy are all let in and answered"""
    with Fleet() as fleet:
        fleet.create("db1")
        agent, admin = fleet.agent("db1"), f"{fleet.root('db1')}/run/jackdaw/admin.sock"
        os.kill(agent, signal.SIGSTOP)
        callers = []
        try:
            for _ in range(500):
                peer = socket.socket(socket.AF_UNIX)
                peer.setblocking(False)  # as curl and most libraries: a full queue is an error at once
                peer.connect(admin)
                peer.setblocking(True)
                peer.settimeout(30)
                peer.sendall(b"GET /v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                callers.append(peer)
        finally:
            os.kill(agent, signal.SIGCONT)
        answers = [peer.recv(4096)[:12] for peer in callers]
        # Requests in work at a time have a bound; who is over it is told so, not left alone.
        wrong = [answer for answer in answers if answer not in (b"HTTP/1.1 200", b"HTTP/1.1 503")]
        check(not wrong and b"HTTP/1.1 200" in answers, f"{len(wrong)} of {len(answers)}: {wrong[:3]}")
        check(fleet.agent("db1") == agent and fleet.show("db1")["status"] == "running", "it is the same agent")


def raw_http(fleet, machine, request, limit=30):
    """The bytes of a request as they are; status, headers and JSON of the answer."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(limit)
        peer.connect(f"{fleet.root(machine)}/run/jackdaw/admin.sock")
        with contextlib.suppress(BrokenPipeError):  # it may refuse before it has read all
            peer.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while b"\r\n\r\n" not in answer and (piece := peer.recv(65536)):
                answer += piece
            head, _, body = answer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            while length and len(body) < int(length.group(1)) and (piece := peer.recv(65536)):
                body += piece
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, json.loads(body)


def request(method, target, body=b"", head=b""):
    return b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s" % (
        method.encode(), target if isinstance(target, bytes) else target.encode(), len(body), head, body)


def state_of(fleet):
    def items(target):
        status, body = api(fleet, "db1", "GET", target)
        check(status == 200, body)
        return body["items"]
    return (items("/v1/databases"), items("/v1/users"), [one["id"] for one in items("/v1/operations?limit=10000")],
            fleet.show("db1")["status"], fleet.show("db1")["volume"]["size_bytes"])


def wrong_requests():
    """wrong JSON, routes, methods, sizes and names over the API: the right status, an error with a hint, no change"""
    with Fleet() as fleet:
        fleet.create("db1", "fake", "320M", "--database", "app", "--user", "app@%/app")
        before = state_of(fleet)
        database, user = ("POST", "/v1/databases"), ("POST", "/v1/users")
        deep = b'{"name":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
        cases = [
            (request(*database, b"{"), 400), (request(*database, b"[]"), 400), (request(*database, b"null"), 400),
            (request(*database, b'"app"'), 400), (request(*database, b"{}"), 400), (request(*database, deep), 400),
            (request(*database, b'{"name":7}'), 400), (request(*database, b'{"name":"\xff\xfe"}'), 400),
            (request(*database, b'{"name":"a\\u0000b"}'), 400), (request(*database, b'{"name":"a\nb"}'), 400),
            (request(*database, b'{"name":"a\\nb"}'), 400), (request(*database, b'{"name":"\\ud800"}'), 400),
            (request(*database, json.dumps({"name": "a" * 65536}).encode()), 400),
            (request(*database, json.dumps({"name": "x", "charset": "c" * 65536}).encode()), 400),
            (request(*database, b'{"name":"' + b"a" * (1 << 20) + b'"}'), 413),
            (request(*database, b'{"name":1e999}'), 400),
            (request(*user, b'{"name":"u","databases":"app","password":"p"}'), 400),
            (request(*user, b'{"name":"u","databases":[1],"password":"p"}'), 400),
            (request(*user, json.dumps({"name": "u", "databases": ["x"] * 20_000, "password": "p"}).encode()), 400),
            (request(*user, b'{"name":"u","password":7}'), 400), (request(*user, b'{"name":"u"}'), 400),
            (request(*user, b'{"name":"u","password":"a\\u0000b"}'), 400),
            (request(*user, b'{"name":"u\\u0000v","password":"p"}'), 400),
            (request(*user, json.dumps({"name": "u" * 65536, "password": "p"}).encode()), 400),
            (request("DELETE", "/v1/users/a%00b"), 400), (request("DELETE", "/v1/databases/a%00b"), 400),
            (request("DELETE", "/v1/databases/%"), 400), (request("DELETE", "/v1/databases/%zz"), 400),
            (request("DELETE", "/v1/databases/" + "a" * 6000), 400), (request("DELETE", "/v1/databases/%0a"), 400),
            (request("GET", "/v1/version", head=b"X: " + b"a" * 20_000 + b"\r\n"), 431),
            (b"GET /v1/version HTTP/9.9\r\n\r\n", 400), (b"no request at all\r\n\r\n", 400),
            (b"GET /v1/version HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            (b"POST /v1/databases HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
            (request("GET", "/1/2/3/4/5/6/7/8/9"), 400), (request("GET", "/v1/operations?limit=0"), 400),
            (request("GET", "/v1/operations?limit=999999999999999999999"), 400),
            (request("PUT", "/v1/instance", b"{}"), 400), (request("PUT", "/v1/instance", b'{"users":[1]}'), 400),
            (request("PUT", "/v1/instance", b'{"users":{"a":1},"name":[]}'), 400),
            (request("POST", "/v1/instance/grow", b'{"size_bytes":-1}'), 400),
            (request("POST", "/v1/instance/grow", b'{"size_bytes":1.5}'), 400),
            (request("POST", "/v1/instance/grow", b'{"size_bytes":1}'), 400),
            (request("POST", "/v1/instance/stop", b'{"force":"yes"}'), 400),
            (request("GET", "/"), 404), (request("GET", "/v1"), 404), (request("GET", "/v2/version"), 404),
            (request("GET", "/v1/nothing"), 404), (request("POST", "/v1/instance/dance"), 404),
            (request("GET", "/v1/users/app/secrets"), 404), (request("GET", "/v1/../etc/passwd"), 404),
            (request("GET", "/v1/operations/none"), 404), (request("POST", "/v1/operations/none/abort"), 404),
            (request("GET", "/v1/operations/none/events"), 404), (request("GET", "/v1/members/" + "x" * 5000), 404),
        ]
        for wrong, status in cases:
            got, _, body = raw_http(fleet, "db1", wrong)
            check(got == status, f"{wrong[:120]}: {got}, not {status}: {str(body)[:300]}")
            error = body["error"]
            check(error["code"].startswith("E-") and error["message"] and error["hint"], f"{wrong[:120]}: {error}")
            check(len(json.dumps(body)) < 4096, f"{wrong[:80]}: an answer of {len(json.dumps(body))} bytes")
        for method, target, allowed in (
                ("POST", "/v1/version", "get"), ("PATCH", "/v1/instance", "get, put, delete"),
                ("GET", "/v1/instance/start", "post"), ("POST", "/v1/instances", "get"),
                ("DELETE", "/v1/databases", "get, post"), ("PUT", "/v1/databases/app", "delete"),
                ("PUT", "/v1/users/app/password", "post"), ("DELETE", "/v1/operations", "get"),
                ("OPTIONS", "/v1/users", "get, post"), ("BREW", "/v1/members/db1", "get")):
            got, headers, body = raw_http(fleet, "db1", request(method, target))
            check(got == 405 and headers.get("allow") == allowed, f"{method} {target}: {got} {headers} {body}")
            check(body["error"]["code"] == "E-INVALID" and body["error"]["hint"], body)
        check(state_of(fleet) == before, "nothing was changed")
        print(f"   {len(cases)} refusals", flush=True)


class Sql:
    """The stock client of the machine's image as some user, over the network."""

    def __init__(self, fleet):
        shown = fleet.show("db1")
        self.fleet, self.where = fleet, ("-h", shown["address"], "-P", str(shown["port"]))

    def run(self, user, password, statement, database=None, ok=0):
        script = 'read -r MYSQL_PWD && export MYSQL_PWD && exec mariadb --batch --skip-column-names "$@"'
        words = [*self.where, "--default-character-set=utf8mb4", f"--user={user}",
                 *([f"--database={database}"] if database else [])]
        return self.fleet.run("machine", "shell", "db1", "--", "sh", "-c", script, "sh", *words, ok=ok,
                              stdin=f"{password}\n{statement}\n")


LONG = "a" * 65536
WRONG_USERS = ["root", "ROOT", "mysql", "mariadb.sys", "jackdawd", "JackDawd", "public", "a\nb", "a\tb", "a\x7fb", "a\x1b[31m",
               LONG, "ends ", "smile\U0001f600", b"\xff\xfe", "u" * 81, "a@no such host", "a@%/mysql", "a@%/" + LONG]
WRONG_DATABASES = ["mysql", "MySQL", "sys", "information_schema", "performance_schema", "a\nb", "a\x00"[:1] + "\x01", LONG,
                   "ends ", "smile\U0001f600", b"\xc3\x28", "#mysql50#x", "d" * 65, "a:nocharset", "a:utf8mb4:latin1_bin"]
# Quotes, escapes, wildcards, UTF-8; each beside a name that its own would match as a pattern.
ODD = [("we`ird", "we-ird"), ("o'neil", "o_neil"), ('qu"ote', "qu-ote"), ("a_b", "axb"), ("50%off", "50zzoff"),
       ("back\\slash", "backslash"), ("naïve-ünï-日本", "naive-uni"), ("semi; DROP TABLE x", "semi"), ("dot.ted", "dotted"),
       ("sla sh", "slash"), ("%", "every"), ("_", "x"), ("\\_", "y"), ("a\\%b", "a-b")]


def bad_names():
    """reserved names, control characters, 64 KiB, broken UTF-8 with MariaDB: refused with a hint, nothing changed"""
    with Fleet() as fleet:
        fleet.create("db1", "mariadb", "512M", "--database", "app", "--user", "app@%/app")
        before = state_of(fleet)

        def refused(status, *words):
            result = subprocess.run(fleet.command(*words), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            out = (result.stdout + result.stderr).decode(errors="strict")
            short = str(words)[:120]
            check(result.returncode == status, f"{short}: {result.returncode}, not {status}\n{out[:500]}")
            check("hint" in out and "E-" in out, f"{short}: no hint: {out[:500]}")
            check(len(out) < 4096, f"{short}: an answer of {len(out)} bytes")
            check(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", out), f"{short}: control characters reach the terminal")

        on = ("--instance", "db1", "--wait")
        for name in WRONG_USERS:
            refused(2, "user", "create", name, *on)
        for name in WRONG_DATABASES:
            refused(2, "database", "create", name, *on)
        for name in ("root", "mysql", "jackdawd", "a\nb", LONG):
            refused(2, "user", "delete", name, "--yes", *on)
            refused(2, "user", "password", name, *on)
        for name in ("mysql", "SYS", "a\nb", LONG, "#mysql50#mysql"):
            refused(2, "database", "delete", name, "--yes", *on)
        refused(2, "user", "delete", "app", *on)  # not confirmed
        check(state_of(fleet) == before, "nothing was changed")
        refused(5, "database", "delete", "not-there", "--yes", *on)
        refused(5, "user", "delete", "not-there", "--yes", *on)
        refused(5, "user", "password", "not-there", *on)
        refused(5, "user", "create", "u", "--database", "not-there", *on)
        refused(6, "database", "create", "app:latin1", *on)
        after = state_of(fleet)
        check(after[:2] == before[:2] and after[3:] == before[3:], f"nothing was changed: {before} {after}")


def odd_names():
    """quotes, backticks, backslashes, wildcards and UTF-8 are names like others, and rights are exact (MariaDB)"""
    with Fleet() as fleet:
        fleet.create("db1", "mariadb", "512M")
        before = state_of(fleet)
        sql = Sql(fleet)
        on = ("--instance", "db1", "--wait", "-o", "json")
        passwords = {}
        for odd, plain in ODD:
            for name in (odd, plain):
                fleet.run("database", "create", name, *on)
        for odd, plain in ODD:
            made = fleet.run("user", "create", odd, "--database", odd, *on).json
            passwords[odd] = made["result"]["credentials"][0]["password"]
        there = {item["name"] for item in fleet.run("database", "list", "--instance", "db1", "-o", "json").json["items"]}
        check(there == {name for pair in ODD for name in pair}, there)
        users = {item["name"]: item for item in fleet.run("user", "list", "--instance", "db1", "-o", "json").json["items"]}
        for odd, plain in ODD:
            check(users[odd]["databases"] == [odd], f"{odd}: {users[odd]}")
            own = sql.run(odd, passwords[odd], "CREATE TABLE t (i INT); INSERT INTO t VALUES (7); SELECT i FROM t;", odd)
            check(own.out.split() == ["7"], f"{odd}: {own.out}{own.err}")
            other = sql.run(odd, passwords[odd], "SELECT 1;", plain, ok=None)
            check(other.status != 0 and "denied" in other.err.lower(), f"{odd} may use {plain}: {other.out}{other.err}")
            seen = set(sql.run(odd, passwords[odd], "SHOW DATABASES;").out.split("\n")) - {""}
            shown = {odd.replace("\\", "\\\\")}  # as --batch prints it
            check(seen == shown | {"information_schema"}, f"{odd} sees {seen}")
        fleet.run("user", "password", ODD[0][0], *on)
        check(sql.run(ODD[0][0], passwords[ODD[0][0]], "SELECT 1;", ok=None).status != 0, "the old password is none")
        for odd, plain in ODD:
            fleet.run("user", "delete", odd, "--yes", *on)
            for name in (odd, plain):
                fleet.run("database", "delete", name, "--yes", *on)
        after = state_of(fleet)
        check(after[:2] == before[:2], f"all is gone: {before[:2]} {after[:2]}")


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (garbage, burst, wrong_requests, bad_names, odd_names)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
