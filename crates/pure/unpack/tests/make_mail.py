"""Mails and their like around random payloads, one a line: kind, payload, container (hexadecimal)."""
import binascii
import io
import mailbox
import os
import random
import struct
import sys
import tempfile
import warnings
import zlib
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

warnings.simplefilter("ignore")
import uu


def attached(payload, encoding="base64"):
    part = MIMEBase("application", "octet-stream")
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", "n\u00e4me.bin"))
    part["Content-Transfer-Encoding"] = encoding
    if encoding == "base64":
        part.set_payload(binascii.b2a_base64(payload).decode() if random.random() < 0.2 else lines(payload))
    else:
        part.set_payload(binascii.b2a_qp(payload, istext=False).decode("latin-1"))
    return part


def lines(payload):
    return b"".join(binascii.b2a_base64(payload[at : at + 57]) for at in range(0, len(payload), 57)).decode()


def mail(*parts):
    outer = MIMEMultipart()
    outer["From"], outer["Subject"] = "a@example.org", "parts"
    for part in (MIMEText("a text\n"), *parts):
        outer.attach(part)
    return outer


def nested(payload, depth):
    inner = mail(attached(payload))
    for level in range(depth):
        inner = mail(MIMEMessage(inner) if level % 2 else inner)
    return inner


def modern(payload):
    message = EmailMessage()
    message["From"] = "a@example.org"
    message.set_content("text")
    message.add_alternative("<p>text</p>", subtype="html")
    message.add_attachment(payload, maintype="application", subtype="x-any", filename="a b.bin")
    return message.as_bytes()


def box(payload):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "box")
        made = mailbox.mbox(path)
        made.add(MIMEText("one\n\nFrom here it is quoted\n"))
        made.add(mail(attached(payload)))
        made.add(MIMEText("three"))
        made.close()
        return open(path, "rb").read()


def encoded(payload):
    out = io.BytesIO()
    uu.encode(io.BytesIO(payload), out, "a name.bin", 0o644, backtick=random.random() < 0.5)
    return out.getvalue()


def base64_block(payload):
    return b"begin-base64 644 x.bin\n" + lines(payload).encode() + b"====\n"


def yenc(payload):
    row, rows = b"", []
    for byte in payload:
        byte = (byte + 42) % 256
        row += bytes([61, (byte + 64) % 256]) if byte in (0, 10, 13, 61, 46) else bytes([byte])
        if len(row) >= 128:
            rows, row = rows + [row], b""
    head = b"=ybegin line=128 size=%d name=y.bin\r\n" % len(payload)
    foot = b"=yend size=%d crc32=%08x\r\n" % (len(payload), zlib.crc32(payload))
    return head + b"".join(row + b"\r\n" for row in rows + [row]) + foot


def binhex(payload, fork=b"resource fork"):
    header = b"\x05a.bin\0TEXTttxt\0\0" + struct.pack(">II", len(payload), len(fork))
    data = b"".join(piece + struct.pack(">H", binascii.crc_hqx(piece, 0)) for piece in (header, payload, fork))
    packed, at = b"", 0
    while at < len(data):
        run = 1
        while run < 255 and data[at : at + 1] * (run + 1) == data[at : at + run + 1]:
            run += 1
        byte = b"\x90\0" if data[at] == 0x90 else data[at : at + 1]
        packed += byte + bytes([0x90, run]) if run > 3 else byte * run
        at += run
    digits = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
    bits = "".join(f"{byte:08b}" for byte in packed)
    bits += "0" * (-len(bits) % 6)
    text = ":" + "".join(digits[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6)) + ":"
    rows = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"(This file must be converted with BinHex 4.0)\n\n" + rows.encode() + b"\n"


def tnef(payload, through_property):
    def attribute(level, name, data):
        return struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) % 65536)

    def property_(kind, name, value):
        fill = b"\0" * (-len(value) % 4)
        return struct.pack("<HHII", kind, name, 1, len(value)) + value + fill

    made = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x89006, struct.pack("<I", 0x10000))
    made += attribute(2, 0x69002, b"\1\0" + b"\0" * 12) + attribute(2, 0x18010, b"SHORT~1.BIN\0")
    properties = [property_(0x1F, 0x3707, "a long name.bin\0".encode("utf-16-le"))]
    properties.append(struct.pack("<HHI", 3, 0x3705, 1))
    if through_property:
        properties.append(property_(0xD, 0x3701, bytes(range(16)) + payload))
    else:
        made += attribute(2, 0x6800F, payload)
    return made + attribute(2, 0x69005, struct.pack("<I", len(properties)) + b"".join(properties))


for seed in range(20):
    random.seed(seed)
    payload = random.randbytes(random.randrange(30, 4000)) + b"\0" * random.randrange(300)
    made = {
        "mail": mail(attached(payload)).as_bytes(),
        "mail-printable": mail(attached(payload, "quoted-printable")).as_bytes(),
        "mail-nested": nested(payload, 12).as_bytes(),
        "mail-modern": modern(payload),
        "mail-crlf": modern(payload).replace(b"\n", b"\r\n"),
        "mail-return": nested(payload, 2).as_bytes().replace(b"\n", b"\r"),
        "mail-uu": b"From: a\n\ntext\n" + encoded(payload) + b"more\n",
        "mail-yenc": b"From: a\n\ntext\n" + yenc(payload),
        "mail-binhex": b"From: a\n\ntext\n" + binhex(payload),
        "mail-unlabelled": b"From: a\nContent-Transfer-Encoding: base65\n\n" + lines(payload).encode(),
        "mbox": box(payload),
        "mail-mbox": box(payload),
        "uu": encoded(payload) + encoded(b"second"),
        "uu-base64": b"text\n" + base64_block(payload),
        "tnef": tnef(payload, False),
        "tnef-property": tnef(payload, True),
        "binhex": binhex(payload),
    }
    for kind, container in made.items():
        sys.stdout.write(f"{kind} {payload.hex()} {container.hex()}\n")
