#!/usr/bin/env python3
"""What an operator runs into with one MariaDB, through the command line: what is taken away again, what a kept volume keeps, refusals
that name what mends them, and readers that leave."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from dba_test import PASSWORD, Agent  # noqa: E402
from fleet import JACKDAW, STAGE, Fleet, api, check, main, wait_for  # noqa: E402


def root_of(fleet, name, *options):
    """The password of root, enabled."""
    enabled = fleet.run("root", "enable", name, "--yes", "-o", "json", *options)
    return enabled, enabled.json["result"]["credentials"][0]["password"]


def taken_away(fleet, agent, password):
    """what root gave by hand is shown, and all of it can be revoked"""
    agent.sql("CREATE TABLE shop.t (a INT, `b c` INT); CREATE TABLE shop.gone (a INT); "
              "GRANT SELECT (a), UPDATE (a, `b c`), INSERT ON shop.t TO app@'%'; GRANT SELECT ON shop.gone TO app@'%'; "
              "GRANT SELECT ON mysql.time_zone TO app@'%'; GRANT SUPER, FILE ON *.* TO app@'%'; "
              "GRANT DELETE ON `sh%`.* TO app@'%' WITH GRANT OPTION; DROP TABLE shop.gone", user="root", password=password)
    shown = fleet.run("user", "show", "db1", "app", "-o", "json").json["grants"]
    check(any(any("(" in one for one in grant["privileges"]) for grant in shown), shown)
    for grant in shown:
        if grant["privileges"] == ["USAGE"] or grant["database"] == "shop" and not grant["table"]:
            continue
        on = ".".join(f"`{part}`" for part in (grant["database"], grant["table"]) if part) or "*"
        fleet.run("user", "revoke", "db1", "app", ",".join(grant["privileges"]), "--on", on,
                  *(["--with-grant-option"] if grant["with_grant_option"] else []))
    left = fleet.run("user", "show", "db1", "app", "-o", "json").json["grants"]
    check([one["database"] for one in left if one["privileges"] != ["USAGE"]] == ["shop"], left)
    refused = fleet.run("user", "revoke", "db1", "app", "DROP (a)", "--on", "shop.t", ok=None)
    check(refused.status == 2 and "columns stand with" in refused.err, refused.err)
    misspelt = fleet.run("user", "revoke", "db1", "app", "SELECT", "--on", "shpo")
    check("shows no database 'shpo'" in misspelt.err, misspelt.err)


def refusals(fleet, agent, password):
    """each refusal has the command that mends it, with the name that is known"""
    gone = fleet.run("user", "delete", "db1", "root", "--yes", ok=None)
    check(gone.status == 2 and f"`jackdaw root disable db1 --fleet {fleet.name}`" in gone.err, gone.err)
    hosts = fleet.run("user", "show", "db1", "app@10.0.0.1", "--host", "%", ok=None)
    check(hosts.status == 2 and "two hosts are named" in hosts.err, hosts.err)
    agent.sql("DELETE FROM mysql.time_zone_name; FLUSH TABLES", user="root", password=password)
    zone = fleet.run("config", "set", "db1", "time_zone=Europe/Berlin", ok=None)
    check(zone.status == 2 and "mysql.time_zone" in zone.err and "+02:00" in zone.err, f"{zone.status} {zone.err}")
    check(fleet.run("config", "show", "db1", "-o", "json").json["settings"] == {}, "it was refused")
    fleet.run("config", "set", "db1", "time_zone=+02:00", "init_connect=")
    check("''" in fleet.run("config", "show", "db1").out, "an empty text is shown")
    check("time_zone" in fleet.run("config", "parameters", "db1", "--changed", "-o", "name").out.split(), "it is changed")
    fleet.run("config", "unset", "db1", "default_time_zone", "init_connect")  # the option's name
    check(fleet.run("config", "show", "db1", "-o", "json").json["settings"] == {}, "unset by its other name")
    fleet.run("config", "unset", "db1", "default_time_zone")
    none = fleet.run("config", "unset", "db1", "no_such_parameter", ok=None)
    check(none.status == 5 and "jackdaw config show db1" in none.err, none.err)
    quiet = fleet.run("log", "tail", "db1", "general")
    check(not quiet.out and "config set db1 general_log=ON" in quiet.err, quiet.err)
    check(fleet.run("op", "list", "--instance", "nosuch", ok=None).status == 5, "nobody has that name")
    missing = fleet.run("database", "delete", "db1", "nosuch", "--yes", "-o", "json", ok=None)
    aborted = fleet.run("op", "abort", missing.json["id"], "--wait", "-o", "json")
    check(aborted.json["status"] == "undone", f"{aborted.out}{aborted.err}")
    lowered, password = root_of(fleet, "db1")
    check("becomes standard" in lowered.err and lowered.json["result"]["level_before"] == "superuser", lowered.err)
    fleet.run("instance", "stop", "db1", "--wait")
    stopped = fleet.run("connect", "db1", "--user", "app", "--password-stdin", ok=None, stdin="x\n")
    check(stopped.status == 8 and f"`jackdaw instance start db1 --fleet {fleet.name}`" in stopped.err, stopped.err)
    fleet.run("instance", "start", "db1", "--wait")


def readers(fleet):
    """a reader that leaves is no error of what only looks"""
    for words in (("instance", "list"), ("config", "parameters", "db1", "-o", "json"), ("help",)):
        reader, writer = os.pipe()
        os.close(reader)  # before it can write
        try:
            done = subprocess.run([JACKDAW, "--fleet", fleet.name, *words], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60,
                                  check=False)
        finally:
            os.close(writer)
        check(done.returncode == 141 and not done.stderr, f"{words}: {done.returncode} {done.stderr}")


def kept(fleet):
    """a kept volume: databases and users are there again, and what is not kept is told with its commands"""
    fleet.run("config", "set", "db1", "max_connections=77", "init_connect=SET @a = 'b'")
    fleet.run("instance", "protect", "db1", "--wait")
    fleet.run("machine", "power-off", "db1")
    off = fleet.run("instance", "unprotect", "db1", ok=None)
    check(off.status == 8 and "nothing is changed" in off.err, off.err)
    check(fleet.run("instance", "delete", "db1", "--yes", ok=None).status == 6, "it is protected as before")
    fleet.run("machine", "power-on", "db1")
    fleet.run("instance", "unprotect", "db1", "--wait")
    warned = fleet.run("instance", "delete", "db1", "--keep-volume", ok=None)
    check(warned.status == 2 and "but not its 2 own settings, root (standard)" in warned.err, warned.err)
    gone = fleet.run("instance", "delete", "db1", "--keep-volume", "--yes", "-o", "json").json
    told = gone["result"]["not_kept"]
    check(told["settings"] == {"max_connections": "77", "init_connect": "SET @a = 'b'"}, told)
    volume = fleet.run("fleet", "show", "-o", "json").json["kept_volumes"][0]
    fleet.run("instance", "create", "db2", "--datastore", "mariadb", "--attach-volume", volume["serial"], "--take-over",
              volume["instance_id"], "--agent", os.environ["JACKDAW_STAGE"], "--wait")
    agent = Agent(fleet, "db2")
    agent.sql("SELECT 1 FROM shop.t")  # as the user of before, with the password of before
    shell = dict(os.environ, PATH=f"{STAGE}:{os.environ['PATH']}")
    for command in told["commands"]:
        words = command.replace("NAME", "db2", 1)
        done = subprocess.run(f"{words} --fleet {fleet.name}", shell=True, capture_output=True, text=True, timeout=60, env=shell)
        check(done.returncode == 0, f"{words}: {done.stderr}")
    check(fleet.run("config", "show", "db2", "-o", "json").json["settings"] == told["settings"], "as they were")
    check(fleet.run("root", "show", "db2", "-o", "json").json["level"] == "standard", "root, too")
    check(api(fleet, "db2", "DELETE", "/v1/instance")[0] == 202, "deleted inside its machine")
    wait_for("its end", lambda: api(fleet, "db2", "GET", "/v1/instance")[0] == 404, 60)
    found = fleet.run("doctor", "db2", ok=None)
    check(found.status == 3 and "jackdaw instance delete db2" in found.out, found.out)


def one_mariadb():
    """revokes, refusals, readers and a kept volume on one MariaDB"""
    with Fleet() as fleet:
        fleet.run("instance", "create", "db1", "--datastore", "mariadb", "--volume", "512M", "--agent", os.environ["JACKDAW_STAGE"],
                  "--wait", "--database", "shop", "--user", "app/shop", "--password-stdin", stdin=PASSWORD + "\n")
        agent = Agent(fleet, "db1")
        _, password = root_of(fleet, "db1", "--superuser")
        taken_away(fleet, agent, password)
        refusals(fleet, agent, password)
        readers(fleet)
        kept(fleet)


if __name__ == "__main__":
    main(*(globals()[name] for name in sys.argv[1:] or ["one_mariadb"]))
