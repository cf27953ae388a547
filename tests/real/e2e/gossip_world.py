"""A fleet of agents without databases, each in a network namespace of its own on one bridge, so that links can be cut, slowed and
made lossy. The agents are started, and their log lines read, as the bench of gossip does it (tests/bench/gossip.py)."""

import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "../../bench")]
import gossip  # noqa: E402
from fleet import STAGE, Failed, check, need, wait_for  # noqa: E402

address, PORT = gossip.address, gossip.PORT
BRIDGE = f"jdb{os.getpid()}"  # of this run: several may share a network
LINES_KEPT = 4000  # of each agent's log, for who reads a failure
FLEET = 0x1122334455667788
TOOLS = ("ip", "nft", "nsenter", "setpriv", "unshare")


def leg(number):
    """The end on the bridge of its link."""
    return f"jd{os.getpid()}.{number}"


def run(*command, text=None):
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=30)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def key(version):
    return bytes([version]) + bytes(range(31))


def ring_text(versions, other=None):
    """The fleet's ring with these keys, of which the first seals; under version `other` with one that somebody else made."""
    keys = ((version, key(100 + version if version == other else version)) for version in versions)
    return f"fleet {FLEET:016x}\n" + "".join(f"{version} {one.hex()}\n" for version, one in keys)


class Placed(gossip.Jackdaw):
    """An agent in its holder's network namespace, with the rights that it has in a machine."""
    @staticmethod
    def options(number):
        return {}  # setpriv below, inside the namespace

    @staticmethod
    def user(number):
        return gossip.AGENT_UID  # one for all: their folders are copied from one to another

    holders = {}  # pid of who holds the namespace, by number
    words = {}    # more of the command line, by number; None: for all
    places = {}   # the folder of another's state and sockets, by number
    names = {}
    LINES = (("joined", re.compile(r"member joined (\S+)")), ("recovered", re.compile(r"member recovered (\S+)")),
             ("suspected", re.compile(r"member suspected (\S+)")), ("down", re.compile(r"member down (\S+)")),
             ("left", re.compile(r"member left (\S+)")), ("hint", re.compile(r"hint \d+ (\d+) \d+")),
             ("refuted", re.compile(r"refuted (\S+)")), ("isolated", re.compile(r"\b(isolated)$")),
             ("reconnected", re.compile(r"\b(reconnected)$")), ("twin", re.compile(r"twin_detected (\S+?):?(?:\s|$)")),
             ("ring", re.compile(r"key ring with \d+ keys, newest (\d+)")))

    def __init__(self, number, folder):
        super().__init__(number, folder)
        self.folder = f"{folder}/n{number}"

    @classmethod
    def command(cls, folder, number, seed):
        words = super().command(folder, number, seed)
        more = [*cls.words.get(None, []), *cls.words.get(number, [])]
        if number in cls.names:
            words[words.index("--name") + 1] = cls.names[number]
        return ["nsenter", f"--net=/proc/{cls.holders[number]}/ns/net", "setpriv", "--reuid", str(cls.user(number)), "--regid",
                str(cls.user(number)), "--clear-groups", *words, *more]


class Observed(gossip.Members):
    """Keeps the lines themselves, too."""

    def __init__(self, kind, folder):
        self.lines = collections.defaultdict(lambda: collections.deque(maxlen=LINES_KEPT))
        super().__init__(kind, folder)

    def take(self, now, number, line):
        self.lines[number].append(line)
        super().take(now, number, line)


class World:
    """Namespaces and agents 0 .. count-1, called n0, n1, …; `spare` more namespaces without an agent."""

    def __init__(self, count, spare=0, mtu=1500, words=()):
        need(os.geteuid() == 0, "network namespaces need root")
        need(os.path.exists(f"{STAGE}/jackdawd"), "JACKDAW_STAGE names no build")
        for tool in TOOLS:
            need(shutil.which(tool), f"{tool} is not installed")
        self.count, self.spare, self.mtu = count, spare, mtu
        self.numbers = list(range(count))
        self.holders = []
        Placed.words, Placed.names, Placed.holders = {None: list(words)}, {}, {}

    def __enter__(self):
        self.files = tempfile.TemporaryDirectory(prefix="jackdaw-gossip.", dir="/var/tmp")
        self.folder = self.files.name
        os.chmod(self.folder, 0o755)
        with open(f"{self.folder}/ring", "w") as file:
            file.write(ring_text((1,)))
        self.fleet = Observed(Placed, self.folder)
        try:
            run("ip", "link", "add", BRIDGE, "type", "bridge")
            run("ip", "link", "set", BRIDGE, "mtu", str(self.mtu), "up")
            for number in range(self.count + self.spare):
                self.place(number)
            self.look_for_rules()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *failure):
        if failure[0] is not None and failure[0] is not SystemExit:
            for number, lines in sorted(self.fleet.lines.items()):
                print(f"---- n{number}\n" + "\n".join(list(lines)[-60:]), file=sys.stderr)
        for process in self.fleet.processes.values():
            process.send_signal(signal.SIGCONT)
        self.fleet.end()
        # By name, which waits for it: a namespace that ends takes its links with it at some later time, and the next world
        # of this process has the same names.
        for number in range(len(self.holders)):
            subprocess.run(["ip", "link", "delete", leg(number)], capture_output=True, timeout=30)
        for holder in self.holders:
            holder.kill()
            holder.wait()
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, timeout=30)
        self.files.cleanup()

    def place(self, number):
        """A namespace with one leg on the bridge."""
        holder = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
        self.holders.append(holder)
        ours = os.readlink("/proc/self/ns/net")
        wait_for("a namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours, 10)
        Placed.holders[number] = holder.pid
        run("ip", "link", "add", leg(number), "mtu", str(self.mtu), "type", "veth", "peer", "name", "eth0", "mtu", str(self.mtu),
            "netns", str(holder.pid))
        run("ip", "link", "set", leg(number), "master", BRIDGE, "up")
        for words in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"),
                      ("address", "add", f"{address(number)}/16", "dev", "eth0")):
            self.inside(number, "ip", *words)

    def inside(self, number, *command, text=None):
        return run("nsenter", f"--net=/proc/{Placed.holders[number]}/ns/net", *command, text=text)

    def rules(self, number, text):
        self.inside(number, "nft", "-f", "-", text=text)

    def look_for_rules(self):
        """What a kernel without nftables' parts lacks is a reason to skip; a rule that nft does not read is not."""
        try:
            with self.filtered({0: ["numgen random mod 100 < 1 accept"]}):
                pass
        except Failed as failure:
            need("syntax" in str(failure), f"nftables cannot be used here: {failure}")
            raise

    @contextlib.contextmanager
    def filtered(self, rules):
        """nftables rules for what comes in, by number, inside the block."""
        for number, lines in rules.items():
            body = "\n".join(lines)
            self.rules(number, "table ip test { chain input { type filter hook input priority 0;\n" + body + "\n}\n}\n")
        try:
            yield
        finally:
            for number in rules:
                self.rules(number, "delete table ip test")

    # -- the agents -----------------------------------------------------------------------------
    def start(self, numbers=None, seed=0):
        """Starts them, joined to `seed`, and waits until each can be asked."""
        numbers = self.numbers if numbers is None else numbers
        for number in numbers:
            self.fleet.start(number, seed if number != seed else None)
        self.fleet.wait_ready(numbers)

    def settle(self):
        self.start()
        self.all_alive()
        self.fleet.clear()

    def api(self, number, method, target, body=None):
        """(status, JSON) of a request on its admin socket, over a connection of its own."""
        import json
        connection = gossip.UnixConnection(f"{self.folder}/n{number}/run/admin.sock")
        try:
            connection.request(method, target, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def get(self, number, target):
        status, body = self.api(number, "GET", target)
        check(status == 200, f"{target} of n{number}: {status} {body}")
        return body

    def give_ring(self, number, versions, use_now=False, other=None, **words):
        body = {"ring": ring_text(versions, other), "use_now": use_now} | words
        status, body = self.api(number, "POST", "/v1/gossip/ring", body)
        check(status < 300, f"the ring of n{number}: {status} {body}")

    def set_faults(self, number, *lines):
        path = f"{self.folder}/n{number}/state/faults"
        with open(path + ".tmp", "w") as file:
            file.write("".join(line + "\n" for line in lines))
        os.chown(path + ".tmp", gossip.AGENT_UID, gossip.AGENT_UID)
        os.rename(path + ".tmp", path)

    def faults_left(self, number):
        with open(f"{self.folder}/n{number}/state/faults") as file:
            return [line for line in file.read().splitlines() if line]

    def ended(self, number, seconds=30):
        """Waits for its end; the exit status, negative for a signal's number."""
        process = self.fleet.processes[number]
        wait_for(f"the end of n{number}", lambda: process.poll() is not None, seconds)
        return self.fleet.processes.pop(number).returncode

    def standings(self, number):
        return {item["name"]: item["status"] for item in self.get(number, "/v1/members")["items"]}

    def all_alive(self, numbers=None, seconds=60):
        """Waits until each of them sees each of them alive."""
        numbers = self.numbers if numbers is None else numbers
        wanted = {Placed.names.get(number, f"n{number}"): "alive" for number in numbers}

        def agreed():
            return all(wanted.items() <= self.standings(number).items() for number in numbers)
        wait_for(f"all of {sorted(wanted)} alive at all", agreed, seconds, 0.2)

    def finding(self, number, name):
        """What doctor says of this at its agent."""
        return next(one for one in self.get(number, "/v1/doctor")["items"] if one["name"] == name)

    def events(self, number, kind):
        return [one for one in self.get(number, "/v1/events?limit=200")["items"] if one["kind"] == kind]

    def figure(self, number, name):
        return self.get(number, "/v1/gossip")["figures"].get(name, 0)

    def told(self, what, subject=None):
        """(observer, subject) of the log lines of this kind since the last clear()."""
        with self.fleet.lock:
            return [(observer, whom) for _, observer, kind, whom in self.fleet.seen if kind == what and subject in (None, whom)]

    def wait_told(self, what, pairs, seconds=60):
        """Waits until each (observer, subject) was told of."""
        missing = set(pairs)

        def all_told():
            missing.difference_update(self.told(what))
            return not missing
        wait_for(f"'{what}' of {pairs}", all_told, seconds, 0.05)

    def stay(self, seconds, what="down", except_for=()):
        """Lets time pass in which nothing of this kind may be told."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            wrong = [pair for pair in self.told(what) if pair[1] not in except_for]
            check(not wrong, f"'{what}' was told though nobody is: {wrong}")
            time.sleep(0.1)

    def signal(self, number, name):
        self.fleet.processes[number].send_signal(name)
