#!/usr/bin/env python3
"""Something else in place of each log and each configuration file of a MariaDB: a symbolic link, a FIFO, a device, a file of
10 GB, a hard link, a file of another owner. Through the agent's API: refused by what it is, or replaced unread; everything
else goes on."""
import errno
import json
import os
import stat
import sys

sys.path.insert(0, os.path.dirname(__file__))
from dba_test import PASSWORD, Agent  # noqa: E402
from fleet import STAGE, Failed, Fleet, api, check, main  # noqa: E402
from intruder import DATABASE_UID, NOBODY  # noqa: E402

SECRET = "what-nobody-may-read-here"
VOLUME = "/var/lib/jackdaw/volume"
LOGS = {"slow": (f"{VOLUME}/log/slow.log", DATABASE_UID), "general": (f"{VOLUME}/log/general.log", DATABASE_UID),
        "error": ("/var/log/jackdaw/database.log", 0)}


def symbolic_link(path, _owner, secret):
    os.symlink(secret, path)


def fifo(path, owner, _secret):
    os.mkfifo(path, 0o600)
    os.chown(path, owner, owner)


def device(path, owner, _secret):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zeros without end
    os.chown(path, owner, owner)


def hard_link(path, _owner, secret):
    os.link(secret, path)


def somebody_elses(path, _owner, _secret):
    with open(path, "w") as file:
        file.write(SECRET)
    os.chown(path, NOBODY, NOBODY)


def hole(path, owner, _secret):
    with open(path, "wb") as file:
        file.truncate(10 << 30)
    os.chown(path, owner, owner)


INTRUDERS = {symbolic_link: "symbolic link", fifo: "FIFO", device: "device", hard_link: "hard link",
             somebody_elses: "belongs to uid", hole: None}  # the last is a file as logs are: only its size is not


class Place:
    """One file of the machine, with something else in its place meanwhile."""

    def __init__(self, root, path, owner, intruder, beside):
        self.root, self.path, self.owner, self.intruder = root, root + path, owner, intruder
        # On the same file system, so that a hard link can be made; a symbolic one names it as the machine does.
        self.secret, self.aside = f"{beside}/.secret", f"{root}{beside}/.aside"

    def __enter__(self):
        with open(self.root + self.secret, "w") as file:
            file.write(SECRET)
        os.chown(self.root + self.secret, self.owner, self.owner)
        os.rename(self.path, self.aside)
        self.intruder(self.path, self.owner, self.secret if self.intruder is symbolic_link else self.root + self.secret)
        self.inode = os.lstat(self.path).st_ino
        return self

    def is_there(self):
        return os.lstat(self.path).st_ino == self.inode

    def nobody_reads(self):
        """Of a FIFO: whoever reads it would be waiting in open(2), or be there."""
        if self.intruder is not fifo or not self.is_there():
            return
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as failure:
            check(failure.errno == errno.ENXIO, f"{self.path}: {failure}")
            return
        raise Failed(f"somebody reads {self.path}")

    def __exit__(self, *failure):
        with open(self.root + self.secret) as file:
            check(file.read() == SECRET, f"{self.secret} was written to")
        os.unlink(self.root + self.secret)
        if self.is_there():
            os.rename(self.aside, self.path)
        else:
            os.unlink(self.aside)


def logs(agent, root):
    """each log: refused by what it is, no byte of it told; the other logs and all else are as before"""
    agent.do("PATCH", "/v1/parameters", {"set": {"slow_query_log": "ON", "general_log": "ON"}})
    agent.sql("SELECT 1")
    for name, (path, owner) in LOGS.items():
        for intruder, word in INTRUDERS.items():
            what = f"{intruder.__name__} in place of {name}"
            with Place(root, path, owner, intruder, os.path.dirname(path)) as place:
                status, answer = api(agent.fleet, agent.name, "GET", f"/v1/logs/{name}?lines=1000")
                listed = {one["name"]: one for one in agent.get("/v1/logs")["items"]}
                check(set(listed) == set(LOGS), f"{what}: {listed}")
                if word:
                    check(status == 403 and word in answer["error"]["message"] + answer["error"]["cause"], f"{what}: {status} {answer}")
                    check(word in listed[name]["refused"], f"{what}: {listed[name]}")
                    check(place.is_there(), f"{what}: it was moved")
                else:
                    check(status == 200 and len(answer["lines"]) <= 1000, f"{what}: {status}")
                check(SECRET not in json.dumps([answer, listed]), f"{what}: its content was told")
                for other in set(LOGS) - {name}:
                    check(not listed[other]["refused"] and listed[other]["changed_at"], f"{what}: {listed[other]}")
                    check(isinstance(agent.get(f"/v1/logs/{other}?lines=5")["lines"], list), f"{what}: {other}")
                check(agent.get("/v1/instance")["status"] == "running", what)
                check(agent.sql("SELECT 1") == "1\n", what)
                place.nobody_reads()
    agent.do("PATCH", "/v1/parameters", {"unset": ["slow_query_log", "general_log"]})


def configuration(agent, root):
    """each configuration file: what stands in its place is replaced, neither followed, read nor written to"""
    for name in ("my.cnf", "init.sql"):
        path = f"/etc/jackdaw/database/{name}"
        with open(root + path) as file:
            before = file.read()
        for number, intruder in enumerate(INTRUDERS):
            what = f"{intruder.__name__} in place of {name}"
            with Place(root, path, 0, intruder, "/etc/jackdaw") as place:
                agent.do("PATCH", "/v1/parameters", {"set": {"max_connections": str(70 + number)}})
                place.nobody_reads()
                check(not place.is_there(), f"{what}: it stands there still")
                info = os.lstat(root + path)
                check(stat.S_ISREG(info.st_mode) and info.st_uid == 0 and info.st_nlink == 1 and info.st_size < 1 << 16, f"{what}: {info}")
                with open(root + path) as file:
                    now = file.read()
                check(now == before if name == "init.sql" else f'max_connections = "{70 + number}"' in now, f"{what}: {now}")
    agent.do("PATCH", "/v1/parameters", {"unset": ["max_connections"]})
    agent.do("POST", "/v1/instance/restart")  # what is written is what it starts on


def hostile_files():
    """everything that may stand in place of a log or a configuration file, through a real agent's API"""
    with Fleet() as fleet:
        fleet.run("instance", "create", "db1", "--datastore", "mariadb", "--volume", "400M", "--agent", STAGE,
                  "--database", "app", "--user", "app/app", "--password-stdin", "--wait", stdin=PASSWORD + "\n")
        agent, root = Agent(fleet, "db1"), fleet.root("db1")
        for part in (logs, configuration):
            print(f"   {part.__name__}: {part.__doc__}", flush=True)
            part(agent, root)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (hostile_files,)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
