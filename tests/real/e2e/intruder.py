"""What an intruder has: a process inside a machine as any user, bytes at any socket, and eyes on every process."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import traceback

from fleet import Beside

AGENT_UID, DATABASE_UID, ADMIN_GID, NOBODY = 47412, 47413, 47414, 65534
LIBC = ctypes.CDLL(None, use_errno=True)


def inside(fleet, machine, uid, act, gid=None, groups=()):
    """Runs act() in the machine as that user, without a capability; what it returned (JSON). Raises what it raised."""
    init = fleet.processes(machine, "jackdaw-init")[0]
    spaces = [os.open(f"/proc/{init}/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "net", "pid", "ipc", "uts")]
    root = os.open(f"/proc/{init}/root", os.O_RDONLY | os.O_DIRECTORY)
    read_end, write_end = os.pipe()
    if (child := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            os.close(read_end)
            for space in spaces:
                if LIBC.setns(space, 0) != 0:
                    os._exit(101)
            os.fchdir(root)
            os.chroot(".")
            if (grandchild := os.fork()) != 0:  # only a child is in the other pid namespace
                os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) & 0xFF)
            os.setgroups(list(groups))
            os.setresgid(*[uid if gid is None else gid] * 3)
            os.setresuid(uid, uid, uid)
            try:
                said = {"value": act()}
            except BaseException:
                said = {"error": traceback.format_exc()}
            with os.fdopen(write_end, "w") as pipe:
                json.dump(said, pipe)
            os._exit(0)
        os._exit(102)
    os.close(write_end)
    for descriptor in (*spaces, root):
        os.close(descriptor)
    with os.fdopen(read_end) as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not said or status != 0:
        raise RuntimeError(f"the intruder did not come in: {status} {said}")
    said = json.loads(said)
    if "error" in said:
        raise RuntimeError(said["error"])
    return said["value"]


VERBS = ("machine_file read_fleet_file facts set_firewall bind_admin_socket inspect_volume spawn_mkfs mount_volume "
         "unmount_volume spawn_grow read_stamp write_stamp erase_stamp prepare_folders wipe_data sync_volume write_config "
         "spawn_database spawn_job connect_guard list_guards open_log rotate_log bind_public_socket").split()  # agent/host/host_protocol.h


def field(text, size):
    return text.encode().ljust(size, b"\0")


class TakenOver:
    """An agent that is not itself any more: it stands still, and its socket to jackdaw-host says what we want."""

    def __init__(self, fleet, machine):
        self.agent, self.sequence = fleet.agent(machine), 0x7000_0000
        os.kill(self.agent, signal.SIGSTOP)
        self.peer = self.take_socket()
        self.peer.settimeout(30)

    def take_socket(self):
        pidfd = os.pidfd_open(self.agent)
        for name in os.listdir(f"/proc/{self.agent}/fd"):
            copy = LIBC.syscall(438, pidfd, int(name), 0)  # pidfd_getfd(2)
            if copy < 0:
                continue
            try:
                peer = socket.socket(fileno=copy)
                made_by = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                if peer.type == socket.SOCK_SEQPACKET and struct.unpack("iii", made_by)[0] == self.agent:
                    os.close(pidfd)
                    return peer
                peer.close()
            except OSError:
                with contextlib.suppress(OSError):
                    os.close(copy)
        raise RuntimeError("the agent has no socket to its host")

    def header(self, verb, size):
        self.sequence += 1
        return struct.pack("<IHHII", 0x4A480001, 1, VERBS.index(verb) + 1, self.sequence, size)

    def plain(self, verb, guard="", serial="", filesystem="", uuid="", port=0, allow=(), take_over="", stamp="", files=(),
              log="", log_owner=0, keep=0, descriptors=()):
        body = field(guard, 48) + field(serial, 24) + field(filesystem, 8) + field(uuid, 40)
        body += struct.pack("<IIII", 0, 0, port, len(allow) or len(files)) + field(take_over, 40)
        body += field(stamp, 40) + field("fake", 32) + field("1", 64) + struct.pack("<I", 1)
        body += b"".join(field(network, 48) for network in allow).ljust(64 * 48, b"\0")
        body += b"".join(field(name, 64) + struct.pack("<I", 1) for name in files).ljust(16 * 68, b"\0")
        body += field(log, 64) + struct.pack("<II", log_owner, keep)
        return self.said(self.header(verb, 16 + len(body)) + body, descriptors)

    def spawn(self, verb, words, guard="", datastore="", job=""):
        strings = b"".join(word.encode() + b"\0" for word in ("/", *words))
        order = struct.pack("<IHHII", 0x44494A01, 1, 2, 1, 344 + 24576)
        order += struct.pack("<II", 1 if verb == "spawn_database" else 2, 0) + field("evil", 48)  # jackdaw-host names it itself
        order += struct.pack("<IIQQiI", 47413, 47413, 0, 0, 0, 0) + b"\0" * 32
        order += struct.pack("<IIII", len(words), 0, 0, len(strings)) + b"\0" * 192 + strings.ljust(24576, b"\0")
        body = field(guard, 48) + field(datastore, 32) + field(job, 64) + order
        return self.said(self.header(verb, 16 + len(body)) + body)

    def said(self, message, descriptors=()):
        """The code of jackdaw-host's refusal and its words; ("", "") when it did it; None when it hung up."""
        socket.send_fds(self.peer, [message], list(descriptors))
        for _ in range(8):  # an answer that the agent was waiting for may come first
            answer = self.peer.recv(65536)
            if not answer:
                return None
            if struct.unpack_from("<I", answer, 8)[0] == self.sequence:
                return tuple(answer[at:end].partition(b"\0")[0].decode() for at, end in ((16, 48), (48, 528)))
        raise RuntimeError("no answer of jackdaw-host to that")

    def die(self):
        self.peer.close()
        os.kill(self.agent, signal.SIGKILL)


class Watcher(Beside):
    """Samples the arguments and environment of every process of the host and its machines, as fast as it can."""

    def __init__(self):
        super().__init__()
        self.seen, self.rounds = set(), 0

    def round(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        self.seen.add(file.read(1 << 20))
        self.rounds += 1


def pages_of(path):
    """The bytes of a file without its pages of zeros: preallocated state and logs are mostly that."""
    kept = []
    with open(path, "rb") as file:
        while piece := file.read(4096):
            if piece.strip(b"\0"):
                kept.append(piece)
    return b"".join(kept)


def is_mount(path):
    """By devices: os.path.ismount() resolves the path of the folder above, and loses its way behind /proc/PID/root."""
    with contextlib.suppress(OSError):
        return os.lstat(path).st_dev != os.lstat(os.path.join(path, "..")).st_dev
    return False


def files_below(folder):
    """Regular files, nothing of another kind opened; what goes away meanwhile is gone."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_mount(os.path.join(place, name)) or name == "volume"]
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path
