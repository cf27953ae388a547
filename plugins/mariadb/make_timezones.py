#!/usr/bin/env python3
"""Writes the SQL that fills MariaDB's time-zone tables: make_timezones.py ZONEINFO OUTPUT

What mariadb-tzinfo-to-sql writes, but a sixth of it: zones that are the same under several names
stand once, the copies under posix/ and the ones with leap seconds under right/ not at all. For
`mariadb-install-db --extra-file`: the server's bootstrap takes lines of 20,000 and statements of
60,000 bytes at most (sql/sql_bootstrap.h).

The files are TZif (RFC 8536). As the server's tool does, this reads their first, 32-bit block, which
`zic -b fat` fills (Debian's are) up to 2037; without one there would be only UTC, so that is an error.
"""
import os
import struct
import sys

LINE_BYTES_MAX = 8_000  # a statement is one line here
ABBREVIATION_BYTES_MAX = 8  # of the column
ZONES_MAX = 2_000
SKIPPED_FOLDERS = {"posix", "right"}
SKIPPED_NAMES = {"Factory", "localtime", "posixrules"}  # no zones; or of this machine


def read_zone(data, name):
    """([(time, type)], [(offset, is_dst, abbreviation)]) of one TZif file."""
    magic, version = data[:4], data[4:5]
    _, _, leaps, times, types, chars = struct.unpack(">6I", data[20:44])
    if magic != b"TZif" or leaps != 0 or not 1 <= types <= 256 or times > 5000 or chars > 1000:
        raise ValueError(f"{name} is no TZif file that is understood")
    if version >= b"2" and times == 0 and b"," in data.rstrip(b"\n").rsplit(b"\n", 1)[-1]:
        raise ValueError(f"{name} has no 32-bit block (zic -b slim)")
    at = 44
    moments = struct.unpack(f">{times}i", data[at:at + 4 * times])
    at += 4 * times
    indexes = data[at:at + times]
    at += times
    raw_types = [struct.unpack(">iBB", data[at + 6 * i:at + 6 * i + 6]) for i in range(types)]
    at += 6 * types
    letters = data[at:at + chars]
    known = []
    for offset, is_dst, start in raw_types:
        abbreviation = letters[start:letters.index(b"\0", start)].decode("ascii")
        if len(abbreviation) > ABBREVIATION_BYTES_MAX or is_dst > 1 or abs(offset) > 93_600:
            raise ValueError(f"{name} has a type that the tables cannot hold")
        known.append((offset, is_dst, abbreviation))
    if any(index >= types for index in indexes) or list(moments) != sorted(set(moments)):
        raise ValueError(f"{name} is damaged")
    return list(zip(moments, indexes)), known


def read_all(root):
    """{name: bytes} of every zone below root, sorted."""
    zones = {}
    for folder, below, files in os.walk(root):
        if folder == root:
            below[:] = [one for one in below if one not in SKIPPED_FOLDERS]
        for file in files:
            path = os.path.join(folder, file)
            name = os.path.relpath(path, root)
            with open(path, "rb") as stream:
                data = stream.read(1 << 20)
            if data[:4] == b"TZif" and name not in SKIPPED_NAMES:
                zones[name] = data
    if not 300 <= len(zones) <= ZONES_MAX or not {"UTC", "Europe/Vienna"} <= zones.keys():
        raise ValueError(f"{root} has {len(zones)} zones; install tzdata")
    return dict(sorted(zones.items()))


def statements(table, rows):
    """INSERTs, each a line within the bound."""
    head = f"INSERT INTO {table} VALUES "
    line = ""
    for row in rows:
        if line and len(line) + len(row) + 2 > LINE_BYTES_MAX:
            yield line + ";"
            line = ""
        line += ("," if line else head) + row
    if line:
        yield line + ";"


def main(root, output):
    zones = read_all(root)
    ids = {}  # content: number
    names, numbers, transitions, types = [], [], [], []
    for name, data in zones.items():
        if not all(c.isalnum() or c in "/_+-" for c in name) or len(name) > 64:
            raise ValueError(f"{name!r} is no name of a zone")
        if data not in ids:
            number = ids[data] = len(ids) + 1
            moments, known = read_zone(data, name)
            numbers.append(f"({number},'N')")
            transitions += [f"({number},{moment},{index})" for moment, index in moments]
            types += [f"({number},{i},{offset},{is_dst},'{abbreviation}')"
                      for i, (offset, is_dst, abbreviation) in enumerate(known)]
        names.append(f"('{name}',{ids[data]})")
    lines = ["USE mysql;"]
    lines += statements("time_zone (Time_zone_id, Use_leap_seconds)", numbers)
    lines += statements("time_zone_name (Name, Time_zone_id)", names)
    lines += statements("time_zone_transition (Time_zone_id, Transition_time, Transition_type_id)", transitions)
    lines += statements("time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation)",
                        types)
    with open(output + ".new", "w", encoding="ascii") as stream:
        stream.write("-- Written by make_timezones.py from the build's tzdata.\n")
        stream.write("\n".join(lines) + "\n")
    os.replace(output + ".new", output)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: make_timezones.py ZONEINFO OUTPUT")
    try:
        main(sys.argv[1], sys.argv[2])
    except (OSError, ValueError, struct.error) as error:
        sys.exit(f"make_timezones.py: {error}")
