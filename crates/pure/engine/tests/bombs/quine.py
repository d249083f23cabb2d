"""Files of deflate that hold themselves.

The program is Russ Cox's (`Zip Files All The Way Down`, 2010), whose instructions are five bytes each:
`L(n)`, a stored block of n bytes that follow, and `R(n)`, a block that repeats the last n bytes. Head and
tail of the format stand around it; the one number that depends on all of it, the CRC-32, is found by
solving its linear equations.
"""
import struct
import zlib


class Bits:
    """Deflate's order: numbers from their low end, codes from their high one (RFC 1951, 3.1.1)."""

    def __init__(self):
        self.bits = []

    def number(self, value, width):
        self.bits += [value >> at & 1 for at in range(width)]

    def code(self, value, width):
        self.bits += [value >> at & 1 for at in reversed(range(width))]

    def bytes(self):
        bits = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(sum(bit << at for at, bit in enumerate(bits[start : start + 8])) for start in range(0, len(bits), 8))


def literal(count):
    return b"\0" + struct.pack("<HH", count, 0xFFFF ^ count)


def length(bits, count):
    """The fixed code of a length (RFC 1951, 3.2.5)."""
    if count <= 10:
        return bits.code(count - 2, 7)
    base, symbol = 11, 265
    for extra in range(1, 6):
        for _ in range(4):
            if count < base + (1 << extra):
                if symbol < 280:
                    bits.code(symbol - 256, 7)
                else:
                    bits.code(0xC0 + symbol - 280, 8)
                return bits.number(count - base, extra)
            base, symbol = base + (1 << extra), symbol + 1
    raise ValueError(count)


def distance(bits, count):
    base, symbol = 1, 0
    while True:
        extra = max(symbol // 2 - 1, 0)
        if count < base + (1 << extra):
            bits.code(symbol, 5)
            return bits.number(count - base, extra)
        base, symbol = base + (1 << extra), symbol + 1


def repeat(pieces, back, last=0, fill=0):
    """A block that copies these lengths from `back` bytes before, behind `fill` empty blocks."""
    bits = Bits()
    for _ in range(fill):
        bits.number(0, 1), bits.number(1, 2), bits.code(0, 7)
    bits.number(last, 1), bits.number(1, 2)
    for piece in pieces:
        length(bits, piece), distance(bits, back)
    bits.code(0, 7)
    return bits.bytes()


def program(head, tail):
    """The compressed stream between `head` and `tail`."""
    l, unit = literal, 5
    four = repeat([10, 10], 20)
    first = repeat([len(head) + unit], len(head) + unit, fill=1)
    assert len(four) == unit and len(first) == unit, (len(four), len(first))
    end_size = 0
    while True:  # the last instruction repeats itself too
        size = len(tail) + end_size
        end = repeat([size], size, last=1)
        if len(end) == end_size:
            break
        end_size = len(end)
    p, s = l(len(head) + unit), l(len(tail) + end_size)
    one, four_units, none = l(unit), l(4 * unit), l(0)
    return b"".join([
        p, head, p,
        first,
        one, first,
        one, one,
        four_units, first, one, one, four_units,
        four,
        four_units, four, four_units, four, four_units,
        four,
        four_units, four, none, none, s,
        four,
        none, none, s, end, tail,
        end,
    ])


def quine(build):
    """A file that unpacks to itself. `build(number, crc, size)` gives what stands before and after the
    stream; `number` is free, for the one file in a few whose equations have an answer."""

    def whole(number, check, size):
        head, tail = build(number, check, size)
        return head + program(head, tail) + tail

    size = len(whole(0, 0, 1 << 16))
    for number in range(1000):
        # crc(file(c)) is affine in c: column i is what bit i changes.
        constant = zlib.crc32(whole(number, 0, size))
        rows = []
        columns = [zlib.crc32(whole(number, 1 << bit, size)) ^ constant ^ 1 << bit for bit in range(32)]
        for bit in range(32):
            rows.append(sum((columns[at] >> bit & 1) << at for at in range(32)) | (constant >> bit & 1) << 32)
        check = solve(rows)
        if check is not None:
            data = whole(number, check, size)
            assert zlib.crc32(data) == check
            return data
    raise ValueError("no file holds itself")


def solve(rows):
    """The x with A x = b over bits, the right side being bit 32; none where there is none."""
    pivots, rank = {}, 0
    for column in range(32):
        found = next((at for at in range(rank, 32) if rows[at] >> column & 1), None)
        if found is None:
            continue
        rows[rank], rows[found] = rows[found], rows[rank]
        for at in range(32):
            if at != rank and rows[at] >> column & 1:
                rows[at] ^= rows[rank]
        pivots[column] = rank
        rank += 1
    if any(row >> 32 for row in rows[rank:]):
        return None
    return sum((rows[at] >> 32 & 1) << column for column, at in pivots.items())
