#!/usr/bin/env python3
"""A hostile tenant: an account with ALL PRIVILEGES ON *.* WITH GRANT OPTION does to one MariaDB what it can. Each time the
agent says what is wrong and what mends it, keeps its way in or gets it back, and nothing restarts the database but an
operation that says so."""
import contextlib
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from dba_test import PASSWORD, Agent  # noqa: E402
from fleet import STAGE, Failed, Fleet, check, main, wait_for  # noqa: E402

OURS = "'jackdawd'@'localhost'"


class Tenant:
    """The instance, the tenant's all-powerful account in it, and what the agent has told since the last look."""

    def __init__(self, fleet, volume, flavor):
        fleet.run("instance", "create", "db1", "--datastore", "mariadb", "--volume", volume, "--flavor", flavor, "--agent", STAGE,
                  "--database", "app", "--user", "app/app", "--password-stdin", "--wait", stdin=PASSWORD + "\n")
        self.fleet, self.agent = fleet, Agent(fleet, "db1")
        self.agent.do("PUT", "/v1/root", {"level": "superuser", "password": PASSWORD})
        self.process = self.look()["database_process"]
        self.seen = 0
        self.news()

    def look(self):
        return self.agent.get("/v1/instance")

    def sql(self, statement, user="root", ok=True):
        return self.agent.sql(statement, user=user, ok=ok)

    def warning(self, kind):
        return next((one for one in self.look()["warnings"] if one["kind"] == kind), None)

    def warned(self, kind, seconds=15):
        return wait_for(f"the warning '{kind}'", lambda: self.warning(kind), seconds)

    def calm(self, kind, seconds=30):
        wait_for(f"the end of the warning '{kind}'", lambda: not self.warning(kind), seconds)

    def news(self):
        """Kinds of what was told since the last call."""
        items = self.agent.get(f"/v1/events?after={self.seen}&limit=1000")["items"]
        self.seen = max([self.seen, *(e["sequence"] for e in items)])
        return [e["kind"] for e in items]

    def same_process(self):
        now = self.look()["database_process"]
        check(now == self.process, f"nobody restarted it: {self.process}, {now}")

    def accounted(self):
        """The same process; or the timeline tells of its end and an operation started it again."""
        now = self.look()["database_process"]
        if now == self.process:
            return
        print(f"   it died: {self.agent.get('/v1/events?kind=database.ended&limit=1')['items'][0]['text'][-200:]}", flush=True)
        ops = self.agent.get("/v1/operations?limit=20")["items"]
        starts = [op for op in ops if op["action"] == "instance.start" and op["cause"] == "supervisor"]
        check(len(starts) >= now["restarts"] - self.process["restarts"] > 0, ops)
        self.process = now

    def session(self):
        """The id of the agent's session in the server, as the server tells the tenant."""
        text = self.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'jackdawd'")
        return text.split()[0] if text else None

    def end_session(self):
        """The agent is back by itself, if it can log in."""
        before = wait_for("the agent's session", self.session, 10)
        self.sql(f"KILL {before}", ok=False)
        return before

    def logs_in(self):
        """The account takes a new login: not only what was open goes on."""
        before = self.end_session()
        wait_for("another session of the agent", lambda: self.session() not in (None, before), 10)
        check({d["name"] for d in self.agent.get("/v1/databases")["items"]} >= {"app"}, "and has its rights")

    def client(self, user):
        """A connection that waits for what comes on standard input; one that the server refuses ends by itself."""
        read, write = os.pipe()
        os.write(write, f"[client]\nhost={self.agent.address}\nuser={user}\npassword={PASSWORD}\n".encode())
        os.close(write)
        try:
            return subprocess.Popen(
                ["mariadb", f"--defaults-file=/dev/fd/{read}", "--connect-timeout=5", "--batch", "--force"], text=True,
                pass_fds=(read,), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        finally:
            os.close(read)

    @contextlib.contextmanager
    def clients(self, count, user):
        """So many of them."""
        open_ones = []
        try:
            for _ in range(count):
                open_ones.append(self.client(user))
            yield open_ones
        finally:
            for one in open_ones:
                one.kill()
                one.wait()

    def fill(self, open_ones, user):
        """Adds to them until nobody else gets in: a session that was just ending may have held the place of one of them."""
        def refused():
            if self.sql("SELECT 1", user="app", ok=False) is None:
                return True
            open_ones.append(self.client(user))
            return False
        wait_for("that others are refused", refused, 20)


def account_taken(tenant):
    """drops, changes, locks, strips and renames the agent's account: made anew over the open session, by an operation"""
    tenant.sql(f"DROP USER {OURS}")
    warning = tenant.warned("access")
    check("jackdaw instance repair db1" == warning["mend"], warning)

    def repaired():
        ops = tenant.agent.get("/v1/operations?limit=20")["items"]
        return next((op for op in ops if op["action"] == "instance.repair" and op["status"] == "done"), None)
    op = wait_for("the agent's own repair", repaired, 15)
    check(op["cause"] == "supervisor" and op["caller"] == "agent", op)
    tenant.logs_in()
    check(tenant.news().count("access.lost") == 1, "told once")
    for attack in (f"ALTER USER {OURS} IDENTIFIED BY 'theirs'", f"ALTER USER {OURS} ACCOUNT LOCK",
                   f"ALTER USER {OURS} REQUIRE SSL WITH MAX_USER_CONNECTIONS 1",
                   f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {OURS}", f"RENAME USER {OURS} TO 'theirs'@'localhost'"):
        tenant.sql(attack)
        tenant.agent.do("POST", "/v1/instance/repair")
        tenant.logs_in()
    tenant.sql("DROP USER 'theirs'@'localhost'")
    tenant.sql("SET GLOBAL sql_safe_updates = ON; SET GLOBAL tx_read_only = ON")
    tenant.logs_in()  # with a session that begins so
    tenant.sql(f"SET SESSION TRANSACTION READ WRITE; DROP USER {OURS}")
    tenant.agent.do("POST", "/v1/instance/repair")
    tenant.logs_in()
    tenant.sql("SET GLOBAL sql_safe_updates = OFF; SET GLOBAL tx_read_only = OFF")
    tenant.same_process()


def look_alikes(tenant):
    """accounts that look like the agent's: named, and they change nothing; its name at another host is taken away"""
    for account in ("'jackdawd'@'%'", "'JackDawd'@'localhost'", "'jackdàwd'@'localhost'",
                    "'jаckdawd'@'localhost'", "''@'localhost'", "''@'%'"):
        tenant.sql(f"CREATE USER {account}")
    warning = tenant.warned("accounts")
    for named in ("'jackdawd'@'%'", "'JackDawd'@'localhost'", "'jackdàwd'@'localhost'", "''@'localhost'"):
        check(named in warning["text"], f"{named}: {warning}")
    tenant.logs_in()
    check("access" not in {w["kind"] for w in tenant.look()["warnings"]}, "our account is as it was")
    tenant.agent.do("POST", "/v1/instance/repair")
    hosts = tenant.sql("SELECT Host FROM mysql.global_priv WHERE BINARY User = 'jackdawd'")
    check(hosts == "localhost\n", f"its name is its own: {hosts}")
    tenant.same_process()


def locked_out(tenant):
    """drops the account and ends the session at once: said with the command that mends it, and a restart mends it"""
    tenant.sql("CREATE OR REPLACE USER 'jackdawd'@'%'; GRANT ALL PRIVILEGES ON *.* TO 'jackdawd'@'%'")
    tenant.sql(f"DROP USER {OURS}; KILL {tenant.session()}", ok=False)
    warning = wait_for("that it is shut out", lambda: (w := tenant.warning("access")) and "restart" in w["mend"] and w, 15)
    check(warning["mend"] == "jackdaw instance restart db1", warning)
    shown = tenant.fleet.run("instance", "show", "db1").out
    check("access" in shown and "jackdaw instance restart db1" in shown, shown)
    check("access!" in tenant.fleet.run("instance", "list").out, "in the list")
    told = tenant.fleet.run("events", "db1", "-o", "json").json["items"]
    check("access.lost" in {e["kind"] for e in told}, told)
    check(tenant.sql("SELECT 1", user="app") == "1\n", "clients are served")
    check(tenant.look()["status"] == "running", "it serves")
    error = tenant.agent.refused("GET", "/v1/databases")
    check("restart" in error["hint"], error)
    failed = tenant.agent.do("POST", "/v1/instance/repair", end="failed")
    check("restart" in failed["error"]["hint"], failed)
    tenant.same_process()
    tenant.agent.do("POST", "/v1/instance/restart")
    tenant.process = tenant.look()["database_process"]
    tenant.calm("access", 40)
    check("access.regained" in tenant.news(), "told")
    tenant.agent.do("POST", "/v1/instance/repair")
    tenant.logs_in()
    for account in ("'JackDawd'@'localhost'", "'jackdàwd'@'localhost'", "'jаckdawd'@'localhost'",
                    "''@'localhost'", "''@'%'"):
        tenant.sql(f"DROP USER IF EXISTS {account}")


def locks(tenant):
    """locks what the agent looks at and what it changes: said with who holds it and the command that ends it"""
    tenant.news()
    with tenant.clients(1, "root") as (holder,):
        holder.stdin.write("LOCK TABLES mysql.global_priv WRITE;\n")
        holder.stdin.flush()
        warning = tenant.warned("sight", 40)
        check("mysql.global_priv" in warning["text"] and "'root'@'" in warning["text"], warning)
        command = warning["mend"].split("`")[1].split()
        check(command[:4] == ["jackdaw", "session", "kill", "db1"] and command[4].isdigit(), warning)
        check("access" not in {w["kind"] for w in tenant.look()["warnings"]}, "what could be read is kept")
        tenant.fleet.run(*command[1:], "--wait")
    tenant.calm("sight")
    told = tenant.news()
    check(told.count("sight.lost") == 1 and told.count("sight.regained") == 1, told)
    with tenant.clients(1, "root") as (holder,):
        holder.stdin.write("FLUSH TABLES WITH READ LOCK;\n")
        holder.stdin.flush()
        wait_for("the lock", lambda: tenant.sql("SET STATEMENT lock_wait_timeout = 0 FOR CREATE DATABASE IF NOT EXISTS mysql",
                                                ok=False) is None, 10)
        session = tenant.session()
        grant = {"privileges": ["SELECT"], "database": "app"}
        error = tenant.agent.do("POST", "/v1/users/app/grants", grant, end="failed")["error"]
        check("global read lock" in error["cause"] and "'root'@'" in error["cause"], error)
        check("jackdaw session kill INSTANCE" in error["hint"], error)
        check(tenant.session() == session, "the agent's session outlived it")
    tenant.agent.do("POST", "/v1/users/app/grants", grant)
    tenant.same_process()


def renamed_table(tenant):
    """renames a system table: said, with what mends it before the next start"""
    tenant.sql("RENAME TABLE mysql.global_priv TO mysql.taken")
    warning = tenant.warned("sight", 40)
    check("1146" in warning["text"] and "RENAME TABLE" in warning["mend"], warning)
    tenant.sql("RENAME TABLE mysql.taken TO mysql.global_priv")
    tenant.calm("sight")
    tenant.same_process()


def events(tenant):
    """lets the server itself drop the agent's account each second: the scheduler is stopped over the open session, and said"""
    tenant.agent.do("PATCH", "/v1/parameters", {"set": {"event_scheduler": "ON"}})
    tenant.news()
    tenant.sql("CREATE EVENT app.taker ON SCHEDULE EVERY 1 SECOND DO EXECUTE IMMEDIATE "
               "CONCAT('DROP USER IF EXISTS ja', 'ckdawd@localhost')")
    tenant.warned("access")
    wait_for("that the scheduler is off", lambda: tenant.sql("SELECT @@GLOBAL.event_scheduler") == "OFF\n", 60)
    tenant.calm("access", 60)
    check("scheduler.stopped" in tenant.news(), "told")
    op = next(op for op in tenant.agent.get("/v1/operations?limit=20")["items"]
              if op["action"] == "instance.repair" and op["warnings"])
    check("event scheduler" in op["warnings"][0], op)
    tenant.logs_in()
    warning = tenant.warned("scheduler")
    check(warning["mend"] == "jackdaw config set db1 event_scheduler=ON", warning)
    tenant.agent.do("PATCH", "/v1/parameters", {"unset": ["event_scheduler"]})
    tenant.calm("scheduler")
    tenant.same_process()

    # And with the session ended each second, too: nobody gets in, and the setting goes all the same.
    tenant.agent.do("PATCH", "/v1/parameters", {"set": {"event_scheduler": "ON"}})
    tenant.sql("CREATE EVENT app.killer ON SCHEDULE EVERY 1 SECOND DO KILL USER 'jackdawd'@'localhost'")
    wait_for("that it is shut out", lambda: (w := tenant.warning("access")) and "restart" in w["mend"], 30)
    shown = tenant.fleet.run("config", "show", "db1", "-o", "json").json
    check(shown["settings"] == {"event_scheduler": "ON"} and "last start" in shown["recorded"], shown)
    refused = tenant.agent.refused("PATCH", "/v1/parameters", {"set": {"max_connections": "1"}})
    check(refused["code"] == "E-INVALID", f"checked by the list of the last start: {refused}")
    op = tenant.fleet.run("config", "unset", "db1", "event_scheduler", "--wait", "-o", "json").json
    check(op["status"] == "done" and "next start" in op["warnings"][0], op)
    check(tenant.look()["pending_restart"] == ["event_scheduler"], tenant.look())
    tenant.same_process()
    tenant.agent.do("POST", "/v1/instance/restart")
    tenant.process = tenant.look()["database_process"]
    tenant.calm("access", 40)
    check(tenant.sql("SELECT @@GLOBAL.event_scheduler") == "OFF\n", "it is off")
    tenant.logs_in()
    for event in ("taker", "killer"):
        tenant.sql(f"DROP EVENT app.{event}")


def hunted(tenant):
    """ends the agent's session again and again: it comes back each time, and says so once"""
    for _ in range(5):
        before = tenant.end_session()
        wait_for("another session", lambda: tenant.session() not in (None, before), 10)
    check("again and again" in tenant.warned("sessions")["text"], tenant.look())
    told = [e["kind"] for e in tenant.agent.get("/v1/events?kind=session")["items"]]
    check(told.count("session.hunted") == told.count("session.calm") + 1, f"begun once, and no storm: {told}")
    tenant.same_process()


def crowd(tenant):
    """takes all connections, then the agent's one, too: said, sessions can still be ended, and it comes back by itself"""
    tenant.news()
    tenant.sql("SET GLOBAL max_connections = 12")
    with tenant.clients(12, "app") as clients:
        warning = tenant.warned("connections")
        check("jackdaw session kill db1 ID" in warning["mend"], warning)
        tenant.fill(clients, "app")
        one = next(s for s in tenant.agent.get("/v1/sessions")["items"] if s["user"] == "app")
        tenant.agent.do("DELETE", f"/v1/sessions/{one['id']}")
    tenant.same_process()
    tenant.calm("connections")
    told = tenant.news()
    check(told.count("connections.pressure") == 1 and told.count("connections.relief") == 1, told)

    def own_session():
        return next(one["id"] for one in tenant.agent.get("/v1/sessions")["items"] if one["user"] == "jackdawd")

    def crowded_out():
        warning = tenant.warning("connections")
        return warning if warning and "restart" in warning["mend"] else None
    session = own_session()
    with tenant.clients(12, "root") as clients:
        tenant.fill(clients, "root")
        for _ in range(10):  # the tenant's next client against the agent's next look, which is a second away
            for one in clients:
                with contextlib.suppress(BrokenPipeError):  # one that was refused itself
                    one.stdin.write(f"KILL {session};\n")
                    one.stdin.flush()
            with tenant.clients(3, "root"):
                with contextlib.suppress(Failed):
                    check("agent" in wait_for("that it is crowded out", crowded_out, 5)["text"], tenant.look())
                    break
            session = own_session()
        else:
            check(False, "the agent was never crowded out")
        check(tenant.look()["status"] == "running", tenant.look())
        tenant.same_process()
    tenant.calm("connections")
    check(tenant.agent.get("/v1/databases")["items"], "the agent is back")
    tenant.sql("SET GLOBAL max_connections = 64")
    tenant.same_process()


def disk(tenant):
    """fills the disk: the database lives, is shown as full, and goes on when there is room"""
    tenant.news()
    tenant.sql("CREATE TABLE app.fill (b LONGBLOB)")
    for size, rows in ((4 << 20, 16), (1 << 20, 4), (64 << 10, 8), (16 << 10, 8)):
        for _ in range(40):
            if tenant.sql(f"INSERT INTO app.fill SELECT REPEAT('x', {size}) FROM app.seq_1_to_{rows}", ok=False) is None:
                break
        else:
            check(False, "the volume took it all")
    wait_for("that it is full", lambda: "full" in (tenant.look()["reason"] or ""), 25)
    check("resize" in tenant.warned("volume")["mend"], tenant.look())

    def refused(size):
        error = tenant.agent.refused("PATCH", "/v1/parameters", {"set": {"innodb_log_file_size": size}})
        return error if error["code"] == "E-INVALID" else None  # MariaDB 10.11 may die of a rollback without room
    error = wait_for("an answer about the redo log", lambda: refused("67108864"), 20)
    check("does not fit" in error["cause"] and "resize" in error["hint"], error)
    tenant.fleet.run("instance", "resize", "db1", "--volume", "700M", "--wait")
    wait_for("room", lambda: tenant.look()["status"] == "running", 25)
    tenant.accounted()
    tenant.agent.do("PATCH", "/v1/parameters", {"set": {"innodb_log_file_size": "67108864"}})
    check("half of the volume" in refused("419430400")["cause"], "more than half of the volume")
    tenant.sql("DROP TABLE app.fill")
    tenant.calm("volume", 25)
    told = tenant.news()
    check({"volume.pressure", "volume.full", "volume.relief"} <= set(told), told)
    tenant.same_process()


def memory(tenant):
    """eats the machine's memory: said before it is gone; when the kernel ends the database, an operation starts it again"""
    facts = tenant.fleet.run("machine", "list", "-o", "json").json["items"][0]
    if any("memory" in warning for warning in facts["warnings"]):
        print("   no memory limit on this host: not tried", flush=True)
        return
    tenant.news()
    tenant.sql("SET GLOBAL max_heap_table_size = 2147483648")
    tenant.sql("CREATE TABLE app.heap (a INT, b CHAR(250) CHARACTER SET latin1) ENGINE = MEMORY")
    rows = 30_000  # some 8 MiB
    for _ in range(100):
        if tenant.sql(f"INSERT INTO app.heap SELECT seq, REPEAT('x', 250) FROM app.seq_1_to_{rows}", ok=False) is None:
            break
        if tenant.warning("memory"):
            break
        time.sleep(0.4)
    warning = tenant.warned("memory", 5)
    check("MiB" in warning["text"], warning)
    tenant.same_process()
    for _ in range(60):
        if tenant.sql(f"INSERT INTO app.heap SELECT seq, REPEAT('x', 250) FROM app.seq_1_to_{2 * rows}", ok=False) is None:
            break
    wait_for("that it serves again", lambda: tenant.sql("SELECT 1", user="app", ok=False) == "1\n", 60)
    told = tenant.news()
    check(told.count("memory.pressure") == 1, told)
    tenant.accounted()


def taking_accounts():
    """a tenant with all rights against the agent's account and session"""
    with Fleet() as fleet:
        tenant = Tenant(fleet, "1G", "mem=1G")
        for part in (account_taken, look_alikes, locks, renamed_table, events, locked_out, hunted):
            print(f"   {part.__name__}: {part.__doc__}", flush=True)
            part(tenant)


def taking_connections():
    """a tenant with all rights against everybody's connections"""
    with Fleet() as fleet:
        crowd(Tenant(fleet, "400M", "mem=512M"))


def taking_room():
    """a tenant with all rights against disk and memory"""
    with Fleet() as fleet:
        tenant = Tenant(fleet, "400M", "mem=512M")
        for part in (disk, memory):
            print(f"   {part.__name__}: {part.__doc__}", flush=True)
            part(tenant)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (taking_accounts, taking_connections, taking_room)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
