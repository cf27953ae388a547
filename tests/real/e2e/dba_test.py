#!/usr/bin/env python3
"""What a DBA does with one MariaDB, through its agent's own socket: privileges, root, sessions, parameters, maintenance, logs,
metrics and the timeline; and the agent's OpenAPI document held to its real answers."""
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Failed, Fleet, api, check, main, wait_for  # noqa: E402

ENDED = ("done", "failed", "undone")
PASSWORD = "a-password-of-the-test"


class Agent:
    def __init__(self, fleet, name):
        self.fleet, self.name = fleet, name
        self.address = fleet.show(name)["address"]

    def get(self, target):
        status, body = api(self.fleet, self.name, "GET", target)
        check(status == 200, f"GET {target}: {status} {body}")
        return body

    def refused(self, method, target, body=None):
        status, answer = api(self.fleet, self.name, method, target, body)
        check(status >= 400, f"{method} {target} {body}: {answer}")
        return answer["error"]

    def do(self, method, target, body=None, end="done"):
        status, answer = api(self.fleet, self.name, method, target, body)
        check(status in (200, 202), f"{method} {target}: {status} {answer}")

        def ended():
            try:
                op = self.get(f"/v1/operations/{answer['id']}")
            except (OSError, http.client.HTTPException):  # an agent that was killed is back within a second
                return None
            return op if op["status"] in ENDED else None
        op = wait_for(f"the end of {method} {target}", ended, 60)
        check(op["status"] == end, f"{method} {target}: {op}")
        return op

    def sql(self, statement, user="app", password=PASSWORD, ok=True):
        """With the stock client over the network; its output, or None when it was refused and may be."""
        login = f"[client]\nhost={self.address}\nuser={user}\npassword={password}\n"
        read, write = os.pipe()
        os.write(write, login.encode())
        os.close(write)
        done = subprocess.run(["mariadb", f"--defaults-file=/dev/fd/{read}", "--connect-timeout=5", "-N", "-B", "-e", statement],
                              pass_fds=(read,), capture_output=True, text=True, timeout=30)
        os.close(read)
        check(done.returncode == 0 or not ok, f"{user}: {statement}: {done.stderr}")
        return done.stdout if done.returncode == 0 else None


def parameter(agent, name):
    return agent.get(f"/v1/parameters/{name}")


def accounts(agent):
    """users: privileges granted, shown, revoked, attributes; root in two levels; sessions listed and ended"""
    agent.do("POST", "/v1/databases", {"name": "shop"})
    agent.do("POST", "/v1/users", {"name": "ann", "password": PASSWORD})
    check(agent.sql("CREATE TABLE shop.t (a INT)", user="ann", ok=False) is None, "a user without privileges made a table")
    agent.do("POST", "/v1/users/ann/grants", {"privileges": ["SELECT", "INSERT", "CREATE"], "database": "shop"})
    agent.sql("CREATE TABLE shop.t (a INT); INSERT INTO shop.t VALUES (1)", user="ann")
    user = agent.get("/v1/users/ann")
    check([g for g in user["grants"] if g["database"] == "shop" and sorted(g["privileges"]) == ["CREATE", "INSERT", "SELECT"]], user)
    check("IDENTIFIED" not in json.dumps(user["statements"]), user)
    agent.do("POST", "/v1/users/ann/revocations", {"privileges": ["INSERT"], "database": "shop"})
    check(agent.sql("INSERT INTO shop.t VALUES (2)", user="ann", ok=False) is None, "a revoked privilege is there")
    for refused in ({"privileges": ["SUPER"]}, {"privileges": ["SELECT"], "database": "mysql"}, {"privileges": ["NONSENSE"], "database": "shop"}):
        check(agent.refused("POST", "/v1/users/ann/grants", refused)["code"].startswith("E-"), refused)
    agent.do("PATCH", "/v1/users/ann", {"locked": True, "connections_max": 3})
    check(agent.sql("SELECT 1", user="ann", ok=False) is None, "a locked user came in")
    agent.do("PATCH", "/v1/users/ann", {"locked": False, "name": "anna"})
    check(agent.sql("SELECT a FROM shop.t", user="anna") == "1\n", "a renamed user reads")
    check(agent.get("/v1/users/anna")["attributes"]["connections_max"] == 3, "its limit went with it")

    check(agent.get("/v1/root")["level"] == "off", "root is off at first")
    agent.do("PUT", "/v1/root", {"level": "standard", "password": PASSWORD})
    agent.sql("SELECT COUNT(*) FROM shop.t", user="root")
    check(agent.sql("SELECT LOAD_FILE('/etc/passwd') IS NULL", user="root") == "1\n", "standard root reads files")
    check(agent.sql("SELECT COUNT(*) FROM mysql.global_priv", user="root", ok=False) is None, "standard root reads verifiers")
    agent.do("PUT", "/v1/root", {"level": "superuser", "password": PASSWORD})
    check(int(agent.sql("SELECT COUNT(*) FROM mysql.global_priv", user="root")) >= 3, "a superuser reads all")
    agent.do("DELETE", "/v1/root")
    check(agent.sql("SELECT 1", user="root", ok=False) is None, "root is gone")
    root = agent.get("/v1/root")
    check([h["action"] for h in root["history"]] == ["root.disable", "root.enable", "root.enable"], root)

    login = f"[client]\nhost={agent.address}\nuser=anna\npassword={PASSWORD}\n"
    read, write = os.pipe()
    os.write(write, login.encode())
    os.close(write)
    sleeper = subprocess.Popen(["mariadb", f"--defaults-file=/dev/fd/{read}", "-e", "SELECT SLEEP(60)"], pass_fds=(read,),
                               stderr=subprocess.PIPE, text=True)
    os.close(read)
    try:
        one = wait_for("the sleeper's session", lambda: next(
            (s for s in agent.get("/v1/sessions")["items"] if s["user"] == "anna" and "SLEEP" in s["query"]), None), 15)
        own = [s for s in agent.get("/v1/sessions")["items"] if s["own"]]
        check(own, "the agent's own session is marked")
        check(agent.do("DELETE", f"/v1/sessions/{own[0]['id']}", end="failed")["error"]["code"] == "E-NOT-ALLOWED", "it ended its own")
        agent.do("DELETE", f"/v1/sessions/{one['id']}")
        check(sleeper.wait(15) != 0, "the client noticed")
    finally:
        sleeper.kill()
        sleeper.wait()
    agent.do("DELETE", "/v1/users/anna")


def parameters(agent):
    """parameters: listed from the server, refused before anything changes, dynamic ones at once, others at a restart"""
    known = agent.get("/v1/parameters")["items"]
    check(len(known) > 500, f"{len(known)} parameters")
    before = parameter(agent, "max_connections")
    check(before["source"] == "computed" and before["type"] == "integer" and before["restart"] is False, before)
    for name, value in (("max_conections", "5"), ("max_connections", "1"), ("max_connections", "many"), ("innodb_flush_method", "quick"),
                        ("datadir", "/tmp"), ("sql_mode", "NONSENSE"), ("wait_timeout", "10\n[mariadbd]\nskip-grant-tables")):
        error = agent.refused("PATCH", "/v1/parameters", {"set": {name: value}})
        check(error["hint"] and error["cause"], error)
    check(agent.get("/v1/parameters?own=1")["items"] == [], "a refusal changed something")
    pid = agent.fleet.processes(agent.name, "mariadbd")

    agent.do("PATCH", "/v1/parameters", {"set": {"max_connections": "77", "sql_mode": "STRICT_ALL_TABLES", "slow_query_log": "ON",
                                                 "long_query_time": "0.05"}})
    check(agent.sql("SELECT @@GLOBAL.max_connections, @@GLOBAL.sql_mode").split() == ["77", "STRICT_ALL_TABLES"], "in force at once")
    agent.do("PATCH", "/v1/parameters", {"set": {"performance_schema": "ON"}})
    show = agent.fleet.show(agent.name)
    check(show["pending_restart"] == ["performance_schema"], show["pending_restart"])
    check(parameter(agent, "performance_schema")["pending"], "it waits")
    check(agent.fleet.processes(agent.name, "mariadbd") == pid, "nothing was restarted by itself")
    agent.do("POST", "/v1/instance/restart")
    check(agent.fleet.show(agent.name)["pending_restart"] == [], "nothing waits any more")
    check(parameter(agent, "performance_schema")["current"] == "ON", "it is in force")
    check(agent.sql("SELECT @@GLOBAL.max_connections").strip() == "77", "what was set outlives a restart")
    agent.do("PATCH", "/v1/parameters", {"unset": ["max_connections", "sql_mode"]})
    check(parameter(agent, "max_connections")["current"] == before["current"], "unset is what is computed")
    agent.do("PATCH", "/v1/parameters", {"unset": ["max_connections"]})  # it is so already
    error = agent.refused("PATCH", "/v1/parameters", {"unset": ["max_conections"]})
    check(error["code"] == "E-NOT-FOUND", error)


def maintenance(agent):
    """maintenance: a database that ends meanwhile is not started, and is afterwards"""
    agent.do("POST", "/v1/instance/pause", {"seconds": 3600})
    check(agent.fleet.show(agent.name)["maintenance"]["by"] == "uid 0", "it is shown")
    agent.fleet.kill(agent.fleet.processes(agent.name, "mariadbd")[0])
    wait_for("the database's end", lambda: not agent.fleet.processes(agent.name, "mariadbd"), 15)
    time.sleep(3)  # a supervisor would have started it long since
    check(not agent.fleet.processes(agent.name, "mariadbd"), "it was started in spite of the maintenance")
    agent.do("POST", "/v1/instance/resume")
    wait_for("a running database", lambda: agent.fleet.show(agent.name)["status"] == "running", 30)
    check(agent.fleet.show(agent.name)["maintenance"] is None, "it is over")


def observing(agent):
    """logs, metrics and the timeline tell what happened"""
    agent.sql("SELECT SLEEP(0.2)")
    log = wait_for("the slow statement", lambda: next(
        (lines for lines in [agent.get("/v1/logs/slow?lines=50")["lines"]] if any("SLEEP" in line for line in lines)), None), 10)
    check(not any("jackdawd" in line for line in log), "the agent's own statements are in the tenant's log")
    logs = {one["name"]: one for one in agent.get("/v1/logs")["items"]}
    check(logs["slow"]["enabled"] and not logs["general"]["enabled"] and logs["error"]["enabled"], logs)
    first = agent.get("/v1/logs/slow?lines=0")
    agent.sql("SELECT SLEEP(0.3)")
    wait_for("what came since", lambda: any("SLEEP(0.3)" in line for line in agent.get(
        "/v1/logs/slow?cursor=" + urllib.parse.quote(first["cursor"]))["lines"]), 10)
    check(agent.get("/v1/logs/error?lines=5")["lines"], "the error log")
    check(agent.refused("GET", "/v1/logs/../../etc/passwd")["code"] == "E-NOT-FOUND", "another path")
    check(agent.refused("GET", "/v1/logs/none")["hint"], "it says which there are")

    events = agent.get("/v1/events?limit=1000")["items"]
    kinds = {one["kind"] for one in events}
    for kind in ("agent.started", "database.started", "database.ended", "operation.done", "config.changed", "maintenance.begun",
                 "maintenance.ended"):
        check(kind in kinds, f"no {kind} in {sorted(kinds)}")
    check([one["sequence"] for one in events] == sorted(one["sequence"] for one in events), "in order")
    check(PASSWORD not in json.dumps(events), "a password in the timeline")

    def raw(path):
        done = subprocess.run(["curl", "-s", "--max-time", "10", "-w", "\n%{http_code} %{content_type}", "--unix-socket",
                               agent.fleet.root(agent.name) + "/run/jackdaw/admin.sock", "http://agent" + path],
                              check=True, capture_output=True, text=True)
        text, _, what = done.stdout.rpartition("\n")
        return text, what
    text, what = raw("/metrics")
    check(what.startswith("200 application/openmetrics-text"), what)
    check(text.endswith("# EOF\n") or text.endswith("# EOF"), text[-40:])
    for name in ("jackdaw_database_up 1", "mysql_up 1", "mysql_global_status_threads_connected", "mysql_global_variables_max_connections",
                 "process_resident_memory_bytes", 'jackdaw_members{status="alive"} 1'):
        check(name in text, f"no {name}")
    check(raw("/healthz") == ("ok\n", "200 text/plain; charset=utf-8"), raw("/healthz"))
    check(raw("/readyz")[1].startswith("200"), raw("/readyz"))


def resolve(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def matches(document, schema, value, where):
    """The part of JSON Schema 2020-12 that the document uses; Failed names the place."""
    schema = resolve(document, schema)
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            try:
                return matches(document, one, value, where)
            except Failed:
                continue
        raise Failed(f"{where}: {value!r} is none of {schema['anyOf']}")
    if "enum" in schema:
        return check(value in schema["enum"], f"{where}: {value!r} is not in {schema['enum']}")
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    wanted = schema.get("type", list(kinds))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    fits = any(isinstance(value, kinds[k]) and not (k in ("integer", "number") and isinstance(value, bool)) for k in wanted)
    check(fits, f"{where}: {value!r} is no {wanted}")
    if isinstance(value, dict):
        for key in schema.get("required", ()):
            check(key in value, f"{where}: no '{key}'")
        for key, one in value.items():
            known = schema.get("properties", {})
            if key in known:
                matches(document, known[key], one, f"{where}.{key}")
            elif isinstance(schema.get("additionalProperties"), dict):
                matches(document, schema["additionalProperties"], one, f"{where}.{key}")
            else:
                check(schema.get("additionalProperties") is not False or not known, f"{where}: '{key}' is in no schema")
    if isinstance(value, list) and "items" in schema:
        for index, one in enumerate(value):
            matches(document, schema["items"], one, f"{where}[{index}]")
    return None


def openapi(agent):
    """the OpenAPI document fits the answers of every GET, and every route of it exists"""
    document = agent.get("/v1/openapi.json")
    check(document["openapi"].startswith("3.1"), document["openapi"])
    newest = agent.get("/v1/operations?limit=1")["items"][0]["id"]
    filled = {"member": agent.name, "user": "app", "parameter": "max_connections", "operation": newest, "log": "error"}
    asked = 0
    for path, methods in document["paths"].items():
        for method, row in methods.items():
            for name in [p["name"] for p in row["parameters"] if p["in"] == "path"]:
                path = path.replace("{" + name + "}", filled.get(name, "none"))
            content = row["responses"]["200" if "200" in row["responses"] else "202"]["content"]
            if method != "get":
                status, _ = api(agent.fleet, agent.name, "TRACE", path)
                check(status == 405, f"TRACE {path}: {status}: the route is not there")
            elif "application/json" in content:
                matches(document, content["application/json"]["schema"], agent.get(path), f"GET {path}")
                asked += 1
    check(asked >= 18, f"only {asked} answers were held to it")
    error = agent.refused("GET", "/v1/parameters/none")
    matches(document, {"$ref": "#/components/schemas/Failure"}, {"error": error}, "an error")


def rehearsals(agent):
    """dry runs: every check that changes nothing, what would be done, and nothing is"""
    run = agent.fleet.run
    ops = len(agent.get("/v1/operations?limit=1000")["items"])
    told = run("config", "set", "db1", "max_connections=78", "back_log=90", "--dry-run").out
    check("back_log" in told and "waits for a restart" in told and "takes effect at once" in told, told)
    told = run("user", "grant", "db1", "app", "SELECT", "--on", "app", "--dry-run", "-o", "json").json
    check(told["kind"] == "DryRun" and told["would"] and "it has that" in told["notes"][0], told)
    for words, status in ((("config", "set", "db1", "max_connections=1"), 2), (("user", "grant", "db1", "app", "SELECT", "--on", "gone"), 5),
                          (("user", "grant", "db1", "nobody", "SELECT", "--on", "app"), 5), (("user", "grant", "db1", "app", "SUPER"), 4),
                          (("user", "create", "db1", "app"), 6), (("user", "create", "db1", "x", "--database", "gone"), 5),
                          (("database", "delete", "db1", "gone"), 5), (("database", "create", "db1", "mysql"), 2),
                          (("database", "create", "db1", "x", "--charset", "none"), 2), (("session", "kill", "db1", "4000000"), 5)):
        done = run(*words, "--dry-run", ok=None)
        check(done.status == status, f"{words}: {done.status}: {done.err}")
    for words in (("user", "update", "app", "--lock"), ("user", "revoke", "app", "SELECT", "--on", "app"), ("user", "password", "app"),
                  ("user", "delete", "app"), ("database", "delete", "app"), ("database", "create", "new"), ("root", "enable"), ("root", "disable")):
        check("would " in run(*words[:2], "db1", *words[2:], "--dry-run").out, words)
    check(len(agent.get("/v1/operations?limit=1000")["items"]) == ops, "a dry run is no operation")
    check(agent.sql("SELECT 1") == "1\n", "nothing was changed")


def same_key(agent):
    """an Idempotency-Key with another body is refused, and nothing of it is done"""
    def send(password):
        return api(agent.fleet, agent.name, "POST", "/v1/users/app/password", {"password": password}, key="key-of-the-test")
    status, first = send(PASSWORD)
    check(status == 202, first)
    check(send(PASSWORD)[1]["id"] == first["id"], "the same again is the same operation")
    status, answer = send("another-password-of-the-test")
    check(status == 409 and answer["error"]["code"] == "E-CONFLICT", answer)
    check("Idempotency-Key" in answer["error"]["hint"], answer)
    check(agent.sql("SELECT 1") == "1\n", "the first password is in force")


def stopped(agent):
    """what can be told and set of a database that does not run"""
    agent.do("PUT", "/v1/root", {"level": "standard", "password": PASSWORD})
    since = agent.get("/v1/instance")["database_process"]["since"]
    agent.do("PATCH", "/v1/parameters", {"set": {"max_connections": "79"}})
    agent.do("POST", "/v1/instance/stop")
    scraped = subprocess.run(["curl", "-s", "--max-time", "10", "--unix-socket",
                              agent.fleet.root(agent.name) + "/run/jackdaw/admin.sock", "http://agent/metrics"],
                             check=True, capture_output=True, text=True).stdout
    check("\nmysql_up 0\n" in scraped, "a rule that watches for mysql_up 0 fires")
    shown = agent.get("/v1/parameters?own=1")
    check({p["name"]: p["configured"] for p in shown["items"]}["max_connections"] == "79" and "last start" in shown["recorded"], shown)
    text = agent.fleet.run("config", "show", "db1").out
    check("max_connections" in text and "last start" in text, text)
    root = agent.fleet.run("root", "show", "db1", "-o", "json").json
    check(root["level"] == "standard" and "recorded" in root and root["history"], root)
    error = agent.refused("PATCH", "/v1/parameters", {"set": {"max_connections": "1"}})
    check(error["code"] == "E-INVALID", error)
    check(agent.refused("PATCH", "/v1/parameters", {"set": {"max_conections": "80"}})["code"] == "E-NOT-FOUND", "an unknown name")
    op = agent.do("PATCH", "/v1/parameters", {"set": {"max_connections": "81", "back_log": "91"}})
    check("next start" in op["warnings"][0], op)
    check(sorted(agent.get("/v1/instance")["pending_restart"]) == ["back_log", "max_connections"], agent.get("/v1/instance"))
    agent.do("PATCH", "/v1/parameters", {"unset": ["back_log"]})
    agent.do("POST", "/v1/instance/start")
    check(agent.sql("SELECT @@GLOBAL.max_connections") == "81\n", "in force")
    error = agent.refused("PATCH", "/v1/parameters", {"set": {"time_zone": "Mars/Phobos"}})  # before there is an operation
    check(error["code"] == "E-INVALID" and "mysql.time_zone_name" in error["hint"] and "Mars/Phobos" in error["cause"], error)
    check(agent.get("/v1/instance")["pending_restart"] == [], agent.get("/v1/instance"))
    check("recorded" not in agent.get("/v1/parameters?own=1") and "recorded" not in agent.get("/v1/root"), "asked again")
    check(agent.get("/v1/instance")["database_process"]["since"] > since, "another start")
    agent.do("DELETE", "/v1/root")


def one_mariadb():
    """a DBA's day with one MariaDB: accounts, dry runs, keys, parameters, maintenance, logs, metrics, timeline, OpenAPI"""
    with Fleet() as fleet:
        fleet.run("instance", "create", "db1", "--datastore", "mariadb", "--volume", "1G", "--agent", os.environ["JACKDAW_STAGE"],
                  "--database", "app", "--user", "app/app", "--password-stdin", "--wait", stdin=PASSWORD + "\n")
        agent = Agent(fleet, "db1")
        for part in (accounts, rehearsals, same_key, parameters, maintenance, stopped, observing, openapi):
            print(f"   {part.__doc__}", flush=True)
            part(agent)


def bad_start():
    """a parameter that keeps the database from starting: back to the last good ones by itself, and said everywhere"""
    with Fleet() as fleet:
        fleet.create("db1")
        agent = Agent(fleet, "db1")
        agent.do("PATCH", "/v1/parameters", {"set": {"threads": "3"}})
        agent.do("POST", "/v1/instance/restart")
        agent.do("PATCH", "/v1/parameters", {"set": {"extension": "nonsense", "threads": "5"}})
        op = agent.do("POST", "/v1/instance/restart")
        check(op["warnings"] and "last good" in op["warnings"][0], op)
        check(fleet.show("db1")["status"] == "running", fleet.show("db1"))
        own = {p["name"]: p["configured"] for p in agent.get("/v1/parameters?own=1")["items"]}
        check(own == {"threads": "3"}, f"the last good ones: {own}")
        check(parameter(agent, "threads")["current"] == "3", "in force")
        check("config.reverted" in {e["kind"] for e in agent.get("/v1/events?limit=1000")["items"]}, "in the timeline")
        agent.do("POST", "/v1/instance/restart")  # and it is no trap


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (one_mariadb, bad_start)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
