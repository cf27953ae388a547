#!/usr/bin/env python3
"""The scripts of `jackdaw completion` in real shells on a terminal, and its manual pages in a real groff.

usage: cli_shells.py STAGE     (the folder of the built programs)

Shells that are not installed are named and left out, bash is required."""
import json, os, pty, select, shutil, signal, subprocess, sys, tempfile, time

PATIENCE = 30  # seconds; against a hang, not a figure
stage = os.path.abspath(sys.argv[1])
failures = []


def check(good, what):
    if not good:
        failures.append(what)
        print("FAILED:", what)


class Shell:
    """An interactive shell on a pseudo-terminal."""

    def __init__(self, words, home):
        env = {"PATH": stage + ":" + os.environ["PATH"], "HOME": home, "TERM": "dumb", "PS1": "$ ",
               "XDG_CONFIG_HOME": home + "/config", "XDG_STATE_HOME": home + "/state",
               "XDG_DATA_HOME": home + "/data", "LC_ALL": "C.UTF-8", "INPUTRC": "/dev/null"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execvpe(words[0], words, env)
        self.text = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def shows(self, text):
        """Reads until `text` was shown since the last call; what came is forgotten then."""
        until = time.monotonic() + PATIENCE
        while text not in self.text and time.monotonic() < until:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        found = text in self.text
        self.last, self.text = self.text, ""
        return found

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def completes(shell, typed, expected):
    """After a tab the line reads `expected`; then the line is taken back."""
    shell.type(typed + "\t")
    found = shell.shows(expected)
    check(found, f"'{typed}' and a tab: no '{expected}' in {shell.last!r}")
    shell.type("\x15")  # Ctrl-U
    time.sleep(0.3)
    while select.select([shell.fd], [], [], 0)[0]:
        os.read(shell.fd, 65536)


def in_bash(home):
    shell = Shell(["bash", "--norc", "--noprofile", "-i"], home)
    shell.type("bind 'set enable-bracketed-paste off'; bind 'set bell-style none'\n")
    shell.type("source <(jackdaw completion bash); echo rea''dy\n")
    check(shell.shows("ready"), "bash takes the script")
    shell.shows("$ ")
    completes(shell, "jackdaw instan", "jackdaw instance ")
    completes(shell, "jackdaw user gra", "jackdaw user grant ")
    completes(shell, "jackdaw fleet show sh", "jackdaw fleet show shop ")
    completes(shell, "jackdaw instance list --fleet=sh", "--fleet=shop ")
    completes(shell, "jackdaw instance create x --datas", "--datastore ")
    completes(shell, "jackdaw user create x --password-file only-fi", "only-file.txt ")
    completes(shell, "jackdaw image build --programs only-fo", "only-folder/")
    shell.end()
    # Pieces as bash parts them at COMP_WORDBREAKS: what it has already is taken off the answers.
    program = r'''
source <(jackdaw completion bash)
jackdaw() { printf 'mariadb:10.11\tx\n$(touch harm)\tx\n'; }
COMP_LINE='jackdaw image delete mariadb:10'; COMP_POINT=${#COMP_LINE}
COMP_WORDS=(jackdaw image delete mariadb : 10); COMP_CWORD=5
compopt() { :; }
_jackdaw
printf '%s\n' "${COMPREPLY[@]}"
'''
    done = subprocess.run(["bash", "--norc", "-c", program], cwd=home, text=True, capture_output=True,
                          timeout=PATIENCE, env=dict(os.environ, PATH=stage + ":" + os.environ["PATH"]))
    check(done.stdout.splitlines()[:1] == ["10.11"], f"bash's pieces are glued: {done}")
    check("\\$\\(touch" in done.stdout and not os.path.exists(home + "/harm"), "what a shell would obey is quoted")


def in_zsh(home):
    shell = Shell([shutil.which("zsh"), "-f", "-i"], home)
    shell.type("autoload -Uz compinit && compinit -u -D; unsetopt zle_bracketed_paste 2>/dev/null; PS1='$ '\n")
    shell.type("source <(jackdaw completion zsh); echo rea''dy\n")
    check(shell.shows("ready\r\n"), "zsh takes the script")
    shell.shows("$ ")
    completes(shell, "jackdaw instan", "jackdaw instance ")
    completes(shell, "jackdaw fleet show sh", "jackdaw fleet show shop ")
    shell.end()


def in_fish(home):
    done = subprocess.run(["fish", "--no-config", "-c", "jackdaw completion fish | source; "
                           "complete -C 'jackdaw instan'; complete -C 'jackdaw fleet show sh'"],
                          cwd=home, text=True, capture_output=True, timeout=PATIENCE,
                          env=dict(os.environ, PATH=stage + ":" + os.environ["PATH"], HOME=home,
                                   XDG_CONFIG_HOME=home + "/config", XDG_STATE_HOME=home + "/state",
                                   XDG_DATA_HOME=home + "/data"))
    words = [line.split("\t")[0] for line in done.stdout.splitlines()]
    check("instance" in words and "shop" in words, f"fish: {done}")


def in_groff(home):
    program = os.path.join(stage, "jackdaw")
    listed = subprocess.run([program, "help", "-o", "json"], text=True, capture_output=True, check=True)
    topics = json.loads(listed.stdout)["items"]
    pages = [[]] + [t["name"].split() for t in topics if t["kind"] == "Command"]
    pages += [[noun] for noun in {words[0] for words in pages if len(words) == 2}]
    check(len(pages) > 60, "a page for each command")
    for words in pages:
        page = subprocess.run([program, "manual"] + words, capture_output=True, check=True).stdout
        read = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-c", "-P-bou"], input=page, capture_output=True)
        check(read.returncode == 0 and not read.stderr, f"groff on {words}: {read.stderr.decode()[:300]}")
        check(b"NAME" in read.stdout and b"SYNOPSIS" in read.stdout, f"groff shows {words}")


def in_package(home):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/documents")
    subprocess.run([script, os.path.join(stage, "jackdaw"), home + "/share"], check=True, timeout=PATIENCE)
    check(len(os.listdir(home + "/share/man/man1")) > 60, "all manual pages")
    for name in ("man/man1/jackdaw.1", "man/man1/jackdaw-user-grant.1", "bash-completion/completions/jackdaw",
                 "zsh/site-functions/_jackdaw", "fish/vendor_completions.d/jackdaw.fish"):
        check(os.path.getsize(home + "/share/" + name) > 200, name)
    program = os.path.join(stage, "jackdaw")
    check(subprocess.run([program, "manual", "user", "--folder", home], capture_output=True).returncode == 2,
          "`jackdaw manual NOUN --folder` is refused")


with tempfile.TemporaryDirectory() as home:
    os.makedirs(home + "/config/jackdaw/fleets/shop")
    os.makedirs(home + "/only-folder")
    open(home + "/only-file.txt", "w").close()
    with open(home + "/config/jackdaw/fleets/shop/fleet.json", "w") as profile:
        profile.write('{"name": "shop", "provider": "local", "subnet": "10.9.0.0/24", "operator_key": "", "created_at": ""}')
    for name, test in (("bash", in_bash), ("zsh", in_zsh), ("fish", in_fish), ("groff", in_groff),
                       ("package", in_package)):
        if name not in ("bash", "package") and not shutil.which(name):
            print(f"{name} is not installed: left out")
            continue
        test(home)
        print(f"{name}: {'done' if not failures else failures}")
sys.exit(1 if failures else 0)
