"""Mails that break the rules, and what python's email package finds in them.

One a line, hexadecimal: the mail, then every body that is found and says something. Arguments: the
first seed, how many.
"""
import binascii
import random
import sys
import warnings
from email import policy
from email.parser import BytesParser

warnings.simplefilter("ignore")

BOUNDARIES = [b"b", b"bb", b"b--", b"=_x", b"b b", b"a'b'c", b"--", b"b;c", b"b\"", b"B", b"", b"x" * 80]
BREAKS = [b"\n", b"\r\n", b"\r"]


def maybe(chance):
    return random.random() < chance


def payload():
    kind = random.randrange(4)
    if kind == 0:
        return random.randbytes(random.randrange(1, 200))
    if kind == 1:
        return b"MZ" + bytes(random.randrange(20)) + random.randbytes(30)
    words = [b"text", b"a=b", b"From me", b"--b", b"begin", b" ", b"Content-Type: x", b"<html>", b"="]
    return b"\n".join(random.choice(words) for _ in range(random.randrange(1, 8)))


def base64(data):
    width = random.choice([57, 57, 30, 20, 1000])
    pieces = [data] if maybe(0.85) else [data[: len(data) // 2], data[len(data) // 2 :]]
    lines = [
        binascii.b2a_base64(piece[at : at + width], newline=False)
        for piece in pieces
        for at in range(0, len(piece), width)
    ]
    text = b"\n".join(lines) + b"\n" * random.randrange(3)
    return spoilt(text, [b"=", b"==", b"*", b" ", b"\0", b"\n", b"-", b"\xff", b"A"])


def printable(data):
    text = binascii.b2a_qp(data, istext=maybe(0.5), quotetabs=maybe(0.5))
    return spoilt(text, [b"=", b"=\n", b"= \n", b"=4", b"=4g", b"==", b" ", b"=3d"])


def spoilt(text, what):
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        at = random.randrange(len(text) + 1)
        text = text[:at] + random.choice(what) + text[at:]
    return text


def parameter(name, value):
    quoted = b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    percent = b"".join(b"%%%02X" % byte for byte in value)
    half = len(value) // 2
    return random.choice(
        [
            name + b"=" + quoted,
            name + b"=" + quoted,
            name + b"=" + value,
            name.upper() + b"=" + quoted,
            name + b" = " + quoted,
            name + b"*=us-ascii''" + percent,
            name + b'*0="' + value[:half] + b'"; ' + name + b'*1="' + value[half:] + b'"',
            name + b"*1*=" + percent[3 * half :] + b"; " + name + b"*0*=us-ascii''" + percent[: 3 * half],
            name + b'="' + value,
            # Python takes what stands between the second pair of quotes.
            name + b"='" + value.replace(b"'", b"") + b"'",
        ]
    )


def content_type(kind, boundary):
    pieces = [kind]
    if boundary is not None:
        pieces.append(parameter(b"boundary", boundary))
        if maybe(0.1):
            pieces.append(b'boundary="' + random.choice(BOUNDARIES) + b'"')
    if maybe(0.3):
        pieces.insert(random.randrange(1, len(pieces) + 1), parameter(b"name", random.choice([b"a.exe", b"a;b", b"x=y"])))
    if maybe(0.1):
        pieces.insert(1, random.choice([b"", b"x", b"(comment; boundary=bb)", b'"', b"charset=utf-8"]))
    return random.choice([b"; ", b";", b";\n\t", b" ; "]).join(pieces) + random.choice([b"", b"", b";", b" "])


def field(name, value):
    name = random.choice([name, name, name, name.lower(), name.upper()])
    colon = random.choice([b": "] * 6 + [b":", b" : ", b":\n ", b":\t"])
    return name + colon + value


ENCODINGS = [b"base64", b"quoted-printable", b"7bit", b"8bit", b"binary", b"x-unknown", b"", b"BASE64", b"base64 ",
             b" quoted-printable;", b"base64 (x)", b'"base64"', b"base-64"]


def entity(depth):
    encoding = random.choice([b"base64", b"base64", b"quoted-printable", None, random.choice(ENCODINGS)])
    kind = random.choice([b"text/plain", b"application/octet-stream", b"text/html", b"nonsense", b"a/b/c"])
    boundary = None
    if depth and maybe(0.6):
        kind = random.choice([b"multipart/mixed"] * 4 + [b"Multipart/x", b"multipart", b"multipart/digest"])
        boundary = random.choice(BOUNDARIES)
        body = multipart(boundary, depth)
        encoding = encoding if maybe(0.1) else None
    elif depth and maybe(0.15):
        kind, encoding = b"message/rfc822", random.choice([None, None, b"7bit", b"base64"])
        body = entity(depth - 1)
    else:
        body = payload()
        if encoding and b"64" in encoding.lower():
            body = base64(body)
        elif encoding and b"quoted" in encoding:
            body = printable(body)
    fields = [field(b"Content-Type", content_type(kind, boundary))] if maybe(0.95) else []
    if encoding is not None:
        fields.append(field(b"Content-Transfer-Encoding", encoding))
    if maybe(0.3):
        fields.append(field(b"Content-Disposition", b"attachment; " + parameter(b"filename", b"a b.exe")))
    if maybe(0.1):
        fields.append(field(b"Content-Transfer-Encoding", random.choice(ENCODINGS)))
    if maybe(0.1):
        fields.append(field(b"Content-Type", content_type(kind, random.choice(BOUNDARIES))))
    if maybe(0.15):
        odd = [b"no field", b"From someone", b" folded", b"\t", b"X-\xff: y", b"X: \xff", b"X: y\n\tz", b"X", b":", b": y"]
        fields.append(random.choice(odd))
    if maybe(0.5):
        random.shuffle(fields)
    between = random.choice([b"\n\n"] * 12 + [b"\n", b"\n \n", b"\n\n\n", b""])
    return b"\n".join(fields) + between + body


def multipart(boundary, depth):
    text = random.choice([b"", b"", b"preamble\n", b"\n"])
    for _ in range(random.randrange(4)):
        own = boundary if maybe(0.9) else random.choice(BOUNDARIES)
        text += b"--" + own + random.choice([b""] * 8 + [b" ", b"\t ", b"x", b"--"]) + b"\n" + entity(depth - 1)
        text += random.choice([b"\n"] * 10 + [b"", b"\n\n"])
    ends = [b"--" + boundary + b"--\n"] * 6 + [b"--" + boundary + b"--", b"--" + boundary + b"-- \n", b"", b"--" + boundary + b"\n"]
    return text + random.choice(ends) + random.choice([b"", b"", b"epilogue\n", b"\nafter"])


def mail():
    text = b"From: a@example.org\n" + entity(3)
    ending = random.choice(BREAKS[:2] * 4 + [BREAKS[2], None])
    if ending:
        text = text.replace(b"\n", ending)
    else:
        text = b"".join(line + random.choice(BREAKS) for line in text.split(b"\n"))
    if maybe(0.2):
        text = text[: random.randrange(len(text) + 1)]
    if maybe(0.2):
        text = bytearray(text)
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(text) + 1)
            text[at : at + random.randrange(2)] = random.choice([b"\n", b"\r", b"-", b"=", b"\0", b" ", b":", b'"', b"", b"\x80"])
        text = bytes(text)
    return text


def decoded(part):
    """What the part says, but nothing that python does not decode though it is told to."""
    raw = part.get_payload().encode("ascii", "surrogateescape")
    if part.get_content_maintype() == "multipart":
        return raw
    if raw.startswith(b"From "):
        return b""  # it loses the field before such a line
    if b":" in raw and "64" in str(part["Content-Transfer-Encoding"]).lower():
        return b""  # a header, read as base64
    body = part.get_payload(decode=True) or b""
    is_given_up = body == b"".join(raw.split()) or body == b"".join(raw.splitlines())
    return b"" if is_given_up and "64" in str(part["Content-Transfer-Encoding"]) else body


def found(mail):
    bodies = set()
    for way in (policy.compat32, policy.default):
        try:
            message = BytesParser(policy=way).parsebytes(mail)
            for part in message.walk():
                around = [text.encode("ascii", "surrogateescape") for text in (part.preamble, part.epilogue) if text]
                bodies.update(around if part.is_multipart() else [decoded(part)])
        except Exception:
            # What python cannot read in one way it does not find.
            continue
    return sorted(body for body in bodies if body.strip() and not body.startswith(b"From "))


first, count = map(int, sys.argv[1:])
for seed in range(first, first + count):
    random.seed(seed)
    made = mail()
    print(made.hex(), *(body.hex() for body in found(made)))
