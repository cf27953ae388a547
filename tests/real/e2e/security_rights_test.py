#!/usr/bin/env python3
"""Nobody inside a machine, and no user of the host, has rights that are not his; nor has an agent that was taken over."""
import ctypes
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, api, check, main, need, wait_for  # noqa: E402
from intruder import (ADMIN_GID, AGENT_UID, DATABASE_UID, LIBC, NOBODY, TakenOver, files_below, inside,  # noqa: E402
                      pages_of)


def attempt(act):
    """The name of the errno that it ended with; "" when it was done."""
    try:
        act()
        return ""
    except OSError as failure:
        return errno.errorcode.get(failure.errno, str(failure.errno))


def connect_to(path):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(path)


def packet_connect(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(10)
        peer.connect(path)


def called(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def write_new(path):
    with open(path, "x") as file:
        file.write("x")


def tries(processes, sockets, secret_files, places):
    """Everything that a process without rights must not be able to do: {what: errno or ""}."""
    done = {}
    for path, kind in sockets:
        done[f"connect {path}"] = attempt(lambda p=path, k=kind: (packet_connect if k == 5 else connect_to)(p))
    for path in secret_files:
        done[f"read {path}"] = attempt(lambda p=path: open(p, "rb").close())
        done[f"write {path}"] = attempt(lambda p=path: open(p, "r+b").close())
    for place in places:
        done[f"make a file in {place}"] = attempt(lambda p=place: write_new(p + "/intruder"))
        done[f"rename {place}"] = attempt(lambda p=place: os.rename(p, p + ".old"))
    for path, _ in sockets:
        done[f"unlink {path}"] = attempt(lambda p=path: os.unlink(p))
    for name, pid in processes:
        done[f"signal {name}"] = attempt(lambda p=pid: os.kill(p, signal.SIGTERM))
        done[f"trace {name}"] = attempt(lambda p=pid: called("ptrace", 16, p, 0, 0))  # PTRACE_ATTACH
        done[f"memory of {name}"] = attempt(lambda p=pid: open(f"/proc/{p}/mem", "rb").close())
        done[f"environment of {name}"] = attempt(lambda p=pid: open(f"/proc/{p}/environ", "rb").read())
        done[f"descriptors of {name}"] = attempt(lambda p=pid: os.listdir(f"/proc/{p}/fd"))
    done["become root"] = attempt(lambda: os.setuid(0))
    done["mount"] = attempt(lambda: called("mount", b"none", b"/tmp", b"tmpfs", 0, None))
    done["make a device"] = attempt(lambda: os.mknod("/tmp/intruder-device", 0o60600, os.makedev(7, 0)))
    done["leave the root"] = attempt(lambda: os.chroot("/tmp"))
    return done


def inner_pid(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^NSpid:.*\s(\d+)$", file.read(), re.M).group(1))


def status_line(pid, key):
    with open(f"/proc/{pid}/status") as file:
        return re.search(rf"^{key}:\s*(\S+)", file.read(), re.M).group(1)


def public_socket(fleet):
    """public.sock: everybody but the database's user may read, nobody may change, and the tenant's words stay away."""
    check(os.stat(f"{fleet.root('db1')}/run/jackdaw/public.sock").st_mode & 0o777 == 0o666, "the mode of public.sock")
    reads = ("/v1/instance", "/v1/instances", "/v1/members", "/v1/databases", "/v1/users", "/v1/operations", "/v1/events",
             "/v1/datastore", "/v1/version", "/v1/openapi.json", "/v1/logs", "/healthz", "/readyz", "/metrics")
    closed = ("/v1/sessions", "/v1/logs/error", "/v1/logs/error/stream")
    changes = (("POST", "/v1/databases"), ("DELETE", "/v1/instance"), ("PUT", "/v1/instance"), ("POST", "/v1/instance/stop"),
               ("PATCH", "/v1/parameters"), ("PUT", "/v1/root"), ("DELETE", "/v1/users/app"))
    before = api(fleet, "db1", "GET", "/v1/operations?limit=10000")[1]["items"]

    def ask():
        said = {}
        for method, target in (*(("GET", target) for target in (*reads, *closed)), *changes):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(10)
                peer.connect("/run/jackdaw/public.sock")
                peer.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while piece := peer.recv(65536):
                    answer += piece
            head, _, body = answer.decode().partition("\r\n\r\n")
            said[f"{method} {target}"] = (int(head.split()[1]), body)
        return said

    said = inside(fleet, "db1", NOBODY, ask)
    for target in reads:
        check(said[f"GET {target}"][0] == 200, f"nobody reads {target}: {said[f'GET {target}']}")
    for what in (*(f"GET {target}" for target in closed), *(" ".join(change) for change in changes)):
        status, body = said[what]
        check(status == 403, f"nobody may {what}: {status} {body}")
        check("E-NOT-ALLOWED" in body and "admin.sock" in json.loads(body)["error"]["hint"], f"{what}: {body}")
    said = inside(fleet, "db1", DATABASE_UID, ask)
    check({status for status, _ in said.values()} == {403}, f"the database's user is refused it all: {said}")
    after = api(fleet, "db1", "GET", "/v1/operations?limit=10000")[1]["items"]
    check([one["id"] for one in after] == [one["id"] for one in before], "no change was even begun")

    def command(*words):
        def run():
            done = subprocess.run(["/usr/lib/jackdaw/jackdaw", "--local", *words], capture_output=True, text=True,
                                  check=False, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
            return done.returncode, done.stdout, done.stderr
        return inside(fleet, "db1", NOBODY, run)

    status, out, err = command("instance", "show", "db1", "-o", "json")
    check(status == 0 and json.loads(out)["status"] == "running", f"the command reads there: {status} {out}{err}")
    status, out, err = command("database", "create", "more")
    check(status == 4 and "admin.sock" in err, f"and changes nothing: {status} {out}{err}")


def rights():
    """the database's user, nobody and the agent itself are refused everything that is not theirs, and change nothing"""
    with Fleet() as fleet:
        fleet.create("db1", "fake", "320M", "--database", "app", "--user", "app@%/app")
        root = fleet.root("db1")
        names = ("jackdaw-init", "jackdaw-guard", "jackdaw-host", "jackdawd")
        outer = {name: fleet.processes("db1", name)[0] for name in names}
        processes = [(name, inner_pid(pid)) for name, pid in outer.items()]
        guards = [f"/run/jackdaw/guards/{name}" for name in os.listdir(f"{root}/run/jackdaw/guards")
                  if name.endswith(".sock")]
        check(guards, "no guard has a socket")
        sockets = [("/run/jackdaw/admin.sock", 1), ("/run/jackdaw/init.sock", 5), *((path, 5) for path in guards)]
        fleet_files = [f"/etc/jackdaw/fleet/{name}" for name in os.listdir(f"{root}/etc/jackdaw/fleet")]
        state = [f"/var/lib/jackdaw/state/{name}" for name in ("state.mdb", "sign.key", "noise.key", "identity.pub")]
        drive = [f"/etc/jackdaw/config-drive/openstack/latest/{name}" for name in ("user_data", "meta_data.json")]
        for path in (*fleet_files, *state, *drive):
            check(os.path.isfile(root + path), f"{path} is not there to be refused")
        places = ["/run/jackdaw", "/run/jackdaw/guards", "/var/lib/jackdaw", "/var/lib/jackdaw/state", "/etc/jackdaw",
                  "/usr/lib/jackdaw", "/usr/lib/jackdaw/plugins", "/var/log/jackdaw", "/etc/jackdaw/database"]
        everything = (processes, sockets, [*fleet_files, *state, *drive], places)
        before = (fleet.show("db1"), {name: fleet.processes("db1", name) for name in (*names, "jackdaw-fake-db")})

        for uid in (DATABASE_UID, NOBODY):
            done = inside(fleet, "db1", uid, lambda: tries(*everything))
            open_doors = [what for what, error in done.items() if error == ""]
            check(not open_doors, f"uid {uid} may: {open_doors}")
        seen = inside(fleet, "db1", DATABASE_UID, lambda: os.listdir("/proc"))
        check(not {str(pid) for _, pid in processes} & set(seen), "the database sees nobody else's processes")

        def ask_as_member():
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(10)
                peer.connect("/run/jackdaw/admin.sock")
                peer.sendall(b"DELETE /v1/instance HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                return peer.recv(4096).decode()

        said = inside(fleet, "db1", DATABASE_UID, ask_as_member, groups=[ADMIN_GID])
        check(" 403 " in said and "E-NOT-ALLOWED" in said, f"the database's user in the group is refused: {said}")
        public_socket(fleet)

        # The agent has its own state and may speak to its guards; of what is root's it has nothing.
        closed = (processes[:3], sockets[1:2], [*fleet_files, *drive],
                  [place for place in places if place != "/var/lib/jackdaw/state"])
        done = inside(fleet, "db1", AGENT_UID, lambda: tries(*closed), groups=[ADMIN_GID])
        open_doors = [what for what, error in done.items() if error == ""]
        check(not open_doors, f"the agent's user may: {open_doors}")
        for key in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            check(int(status_line(outer["jackdawd"], key), 16) == 0, f"the agent has capabilities: {key}")
        for name in ("jackdawd", "jackdaw-host"):
            check(status_line(outer[name], "NoNewPrivs") == "1", f"{name} could gain rights by exec")
        check(fleet.show("db1")["status"] == "running", "it runs on")
        after = (fleet.show("db1"), {name: fleet.processes("db1", name) for name in (*names, "jackdaw-fake-db")})
        check(after[1] == before[1], f"every process is the one it was: {before[1]} {after[1]}")
        check(api(fleet, "db1", "GET", "/v1/users")[0] == 200, "root is answered")


def taken_over():
    """an agent that was taken over cannot make jackdaw-host do anything outside its list, and its database goes on"""
    with Fleet() as fleet:
        fleet.create("db1", "fake", "320M")
        root = fleet.root("db1")
        database = fleet.processes("db1", "jackdaw-fake-db")
        with open(f"{root}/etc/jackdaw/machine.conf") as file:
            machine = dict(line.strip().split("=", 1) for line in file if "=" in line)
        own, uuid = machine["volume_serial"], "11111111-2222-4333-8444-555555555555"
        kept = {path: pages_of(root + path) for path in
                ("/etc/passwd", "/etc/jackdaw/machine.conf", "/var/lib/jackdaw/volume/.jackdaw-stamp")}
        taken = TakenOver(fleet, "db1")
        with open("/etc/hostname", "rb") as some:
            asked = [
                *((f"inspect {serial}", taken.plain("inspect_volume", serial=serial))
                  for serial in ("../../dev/loop0", "loop0", "*", "jk-other", "")),
                ("mkfs of another", taken.plain("spawn_mkfs", "evil", "jk-other", "xfs", uuid)),
                ("mkfs below the database", taken.plain("spawn_mkfs", "evil", own, "xfs", uuid)),
                ("mkfs as the database", taken.plain("spawn_mkfs", "database", own, "xfs", uuid)),
                ("mkfs of a kind", taken.plain("spawn_mkfs", "evil", own, "vfat", uuid)),
                ("mkfs with an option", taken.plain("spawn_mkfs", "evil", own, "xfs", "-L evil")),
                ("mount another", taken.plain("mount_volume", serial="jk-other", uuid=uuid)),
                ("mount another file system", taken.plain("mount_volume", serial=own, uuid=uuid)),
                ("unmount below the database", taken.plain("unmount_volume", serial=own)),
                ("grow another", taken.plain("spawn_grow", "evil", "jk-other")),
                ("stamp it for another", taken.plain("write_stamp", stamp=uuid)),
                ("take it over", taken.plain("write_stamp", stamp=uuid, take_over=uuid)),
                ("wipe below the database", taken.plain("wipe_data")),
                ("rules for no port", taken.plain("set_firewall", allow=["10.0.0.0/8"])),
                ("rules of its own", taken.plain("set_firewall", port=3306, allow=["1.2.3.4 accept; flush ruleset"])),
                ("rules with a line", taken.plain("set_firewall", port=3306, allow=["1.2.3.4/32\n} table x {"])),
                ("a configuration without bytes", taken.plain("write_config", files=["my.cnf"])),
                *((f"a configuration named {name}", taken.plain("write_config", files=[name],
                                                               descriptors=[some.fileno()]))
                  for name in ("../../passwd", "/etc/passwd", "a/b", "", ".", "..")),
                *((f"a log named {name}", taken.plain("open_log", log=name, log_owner=owner))
                  for name in ("../data/complete", "../.jackdaw-stamp", "/etc/shadow", "..", "", "agent.log")
                  for owner in (0, 1)),
                *((f"rotation of {name}, {keep}", taken.plain("rotate_log", log=name, keep=keep))
                  for name, keep in (("../data/complete", 2), ("../.jackdaw-stamp", 1), ("slow.log", 0))),
                ("a shell as the database", taken.spawn("spawn_database", ["/bin/sh", "-c", "id"])),
                ("by another way", taken.spawn("spawn_database", ["/usr/lib/jackdaw/../../bin/sh"])),
                ("a shell as a job", taken.spawn("spawn_job", ["/bin/sh"], "evil", "fake", "shell")),
                ("a job of no list", taken.spawn("spawn_job", ["/bin/sh"], "evil", "../../tmp/evil", "shell")),
                ("a job as the database", taken.spawn("spawn_job", ["/bin/sh"], "database", "fake", "shell")),
                ("a guard elsewhere", taken.spawn("spawn_job", ["/bin/sh"], "../evil", "fake", "shell")),
                ("a guard's socket elsewhere", taken.plain("connect_guard", "../admin")),
            ]
        check(taken.plain("facts") == ("", ""), "what is on the list it does: the socket is the right one")
        for what, said in asked:
            check(said is not None and said[0].startswith("E-"), f"{what}: {said}")
        check(taken.said(os.urandom(4564)) is None, "what is no request ends the conversation")
        taken.die()
        wait_for("the next agent", lambda: fleet.status("db1").status == 0
                 and fleet.show("db1")["status"] == "running")
        check(fleet.processes("db1", "jackdaw-fake-db") == database, "the database went on")
        for path, bytes_before in kept.items():
            check(pages_of(root + path) == bytes_before, f"{path} has changed")
        check(not [name for name in fleet.processes("db1", "jackdaw-guard")][1:], "no other guard was made")
        print(f"   {len(asked)} refusals of jackdaw-host", flush=True)


def strangers_on_the_host():
    """an unprivileged user of the host, and a user without a profile: exit 4 with a hint, nothing changed"""
    with Fleet() as fleet, tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        own = os.path.join(home, "of-nobody")
        os.mkdir(own)
        os.chown(own, NOBODY, NOBODY)
        # A copy: the tree may lie where only its owner reads.
        program = shutil.copy(os.path.join(os.environ["JACKDAW_STAGE"], "jackdaw"), home)
        libraries = os.path.join(os.environ["JACKDAW_STAGE"], "lib")
        if os.path.isdir(libraries):
            shutil.copytree(libraries, os.path.join(home, "lib"))

        def as_nobody(*words):
            return subprocess.run([program, *words], stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=60, user=NOBODY, group=NOBODY, extra_groups=[],
                                  env={"HOME": own, "PATH": "/usr/bin:/bin"}, cwd="/")

        for words in (("fleet", "init", "theirs", "--provider", "local"), ("instance", "list"),
                      ("instance", "create", "db1", "--datastore", "fake", "--volume", "320M"),
                      ("instance", "delete", "db1", "--yes"), ("user", "create", "x", "--instance", "db1"),
                      ("machine", "power-off", "db1", "--crash"), ("--fleet", fleet.name, "instance", "list")):
            refused = as_nobody(*words)
            check(refused.returncode == 4, f"{words}: {refused.returncode}\n{refused.stdout}{refused.stderr}")
            check("hint:" in refused.stderr, f"{words}: no hint: {refused.stderr}")
            check("E-NO" in refused.stderr, f"{words}: no code: {refused.stderr}")
        check(not fleet.run("instance", "list", "-o", "json").json["items"], "nothing was made")
        left = [path for path in files_below(own)]
        check(not left, f"nothing was written: {left}")


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (rights, taken_over, strangers_on_the_host)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
