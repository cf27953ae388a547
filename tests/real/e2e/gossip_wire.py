"""Gossip as it stands on the wire: frames of an agent's link, opened with the fleet's key by libsodium, read apart by the tables of
the wire format alone. What an agent says to anybody is seen here, also what its hearers would not take."""

import collections
import ctypes
import ctypes.util
import os
import select
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Beside, check, need  # noqa: E402

ETH_P_ALL, HEADER, NONCE, TAG = 3, 30, 24, 16
FRAMES_MAX = 1_000_000


def unpacked(data, at=0):
    """One msgpack value of those that gossip uses, and where the next begins."""
    kind = data[at]
    at += 1
    if kind < 0x80:
        return kind, at
    if kind in (0xCC, 0xCD, 0xCE, 0xCF):
        size = 1 << (kind - 0xCC)
        return int.from_bytes(data[at:at + size], "big"), at + size
    if kind & 0xE0 == 0xA0:
        return data[at:at + (kind & 31)], at + (kind & 31)
    if kind in (0xC4, 0xC5, 0xD9, 0xDA):
        width = 1 if kind in (0xC4, 0xD9) else 2
        size = int.from_bytes(data[at:at + width], "big")
        return data[at + width:at + width + size], at + width + size
    if kind & 0xF0 == 0x90 or kind == 0xDC:
        count = kind & 15
        if kind == 0xDC:
            count, at = int.from_bytes(data[at:at + 2], "big"), at + 2
        items = []
        for _ in range(count):
            item, at = unpacked(data, at)
            items.append(item)
        return items, at
    raise ValueError(f"a byte {kind:#x} begins no value of gossip")


class Wire(Beside):
    """Reads what goes over the interface, in its own thread, until the block ends."""

    def __init__(self, interface, port, fleet, key):
        super().__init__()
        name = ctypes.util.find_library("sodium")
        need(name, "libsodium is not installed")
        self.open_seal = ctypes.CDLL(name).crypto_aead_xchacha20poly1305_ietf_decrypt
        self.port, self.fleet, self.key = port, struct.pack(">Q", fleet), key
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, 0))
        self.frames = 0
        self.said = collections.defaultdict(set)   # (id, incarnation): the bodies signed for it
        self.alive = collections.defaultdict(list)  # id: (incarnation, boot, name), in order
        self.sent = collections.defaultdict(set)   # (sender, boot, seq): whole datagrams

    def round(self):
        if not select.select([self.socket], [], [], 0.1)[0]:
            return
        frame = self.socket.recv(65536)
        self.frames += 1
        check(self.frames < FRAMES_MAX, "more frames than this test can make")
        if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP:
            return
        udp = frame[14 + (frame[14] & 15) * 4:]
        if struct.unpack(">HH", udp[:4]) == (self.port, self.port):
            self.take(udp[8:struct.unpack(">H", udp[4:6])[0]])

    def opened(self, datagram):
        if len(datagram) < HEADER + TAG or datagram[:2] != b"\x4a\x01":
            return None
        plain, size = ctypes.create_string_buffer(len(datagram)), ctypes.c_ulonglong(0)
        sealed, about = datagram[HEADER:], datagram[:HEADER] + self.fleet
        failed = self.open_seal(plain, ctypes.byref(size), None, sealed, ctypes.c_ulonglong(len(sealed)), about,
                                ctypes.c_ulonglong(len(about)), datagram[HEADER - NONCE:HEADER], self.key)
        return None if failed else plain.raw[:size.value]

    def take(self, datagram):
        plain = self.opened(datagram)
        if plain is None:
            return
        fields, _ = unpacked(plain)
        self.sent[(fields[2], fields[3], fields[4])].add(datagram)
        for item in fields[10]:
            if item[0] == 0:
                body, _ = unpacked(item[1])
                self.said[(body[0], body[1])].add(item[1])
                seen = (body[1], body[2], body[4].decode())
                if seen not in self.alive[body[0]]:
                    self.alive[body[0]].append(seen)

    def said_twice(self):
        """(id, incarnation) that stands for more than one signed text, and numbers that stand for two datagrams."""
        return ([about for about, texts in self.said.items() if len(texts) > 1] +
                [number for number, datagrams in self.sent.items() if len(datagrams) > 1])

    def __exit__(self, *failure):
        super().__exit__(*failure)
        self.socket.close()
