"""Small files of many kinds, packed by foreign tools: written into the folder that is named."""
import base64
import binascii
import bz2
import gzip
import io
import lzma
import pathlib
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

random.seed(3)
WORDS = b"bomb watch-1234glass no b0mb <p> function var http://example.org/ \0\0\0\0 \xff\xfe\x90".split(b" ")
TEXT = b" ".join(random.choice(WORDS) for _ in range(300))
NOISE = random.randbytes(700)


def run(folder, *command, **options):
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options).stdout


def packed(command, out):
    """What `command` packs of three files into `out`."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "tree" / "below").mkdir(parents=True)
        (folder / "tree" / "text.txt").write_bytes(TEXT)
        (folder / "tree" / "below" / "noise").write_bytes(NOISE)
        (folder / "tree" / "inner.zip").write_bytes(zipped(zipfile.ZIP_DEFLATED))
        run(folder, "sh", "-c", command)
        return (folder / out).read_bytes()


def zipped(method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("text", TEXT)
        archive.writestr("noise", NOISE)
    return out.getvalue()


def tarred(kind):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        info = tarfile.TarInfo("a/" * 60 + "long name")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return out.getvalue()


def mail():
    inner = MIMEMultipart()
    inner["From"] = "b@example.org"
    part = MIMEBase("application", "octet-stream")
    part.add_header("Content-Disposition", "attachment", filename="a.zip")
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(zipped(zipfile.ZIP_DEFLATED)).decode())
    inner.attach(part)
    outer = MIMEMultipart()
    outer["From"], outer["Subject"] = "a@example.org", "=?utf-8?Q?a_subject?="
    outer.attach(MIMEText("<html><p>a bomb</p></html>", "html"))
    outer.attach(MIMEMessage(inner))
    return outer.as_bytes()


def pdf():
    stream = zlib.compress(b"bomb " + TEXT)
    inner = zlib.compress(b"5 0 <</S/JavaScript/JS(app.alert\\(1\\))>>")
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction 5 0 R/Names<</EmbeddedFiles<</Names[(a) 4 0 R]>>>>>>endobj\n"
        + b"2 0 obj<</Length %d/Filter/FlateDecode>>stream\n" % len(stream) + stream + b"\nendstream endobj\n"
        + b"3 0 obj<</Type/ObjStm/N 1/First 4/Length %d/Filter/FlateDecode>>stream\n" % len(inner) + inner + b"\nendstream endobj\n"
        + b"4 0 obj<</F(a)/EF<</F 2 0 R>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )


def rtf():
    return b"{\\rtf1 a bomb {\\object\\objemb{\\*\\objdata 0105000002000000" + TEXT[:200].hex().encode() + b"}}}"


def page():
    return (
        b"<html><!-- a --><script>var a='b'+'omb'; eval(unescape('%62omb'))</script><P>a &#98;omb"
        b'<a href="data:text/html;base64,' + base64.b64encode(b"<html>" + TEXT[:100]) + b'">x</a></html>'
    )


def files():
    for name, method in [("stored", 0), ("deflated", 8), ("bzip2", 12), ("lzma", 14)]:
        yield f"{name}.zip", zipped(method)
    for name, kind in [("ustar", 0), ("gnu", 1), ("pax", 2)]:
        yield f"{name}.tar", tarred(kind)
    tar = tarred(2)
    yield "a.gz", gzip.compress(tar, mtime=0)
    yield "a.bz2", bz2.compress(tar)
    yield "a.xz", lzma.compress(tar)
    yield "a.lzma", lzma.compress(tar, format=lzma.FORMAT_ALONE)
    yield "a.zst", run(".", "zstd", "-c", input=tar)
    yield "a.Z", run(".", "compress", "-c", input=tar)
    yield "a.7z", packed("7z a -bd out.7z tree", "out.7z")
    yield "ppmd.7z", packed("7z a -bd -m0=PPMd out.7z tree", "out.7z")
    yield "bcj.7z", packed("7z a -bd -m0=BCJ2 -m1=LZMA -m2=LZMA -m3=LZMA -mb0:1 -mb0s1:2 -mb0s2:3 out.7z tree", "out.7z")
    yield "deflate64.zip", packed("7z a -bd -tzip -mm=Deflate64 out.zip tree", "out.zip")
    yield "encrypted.zip", packed("7z a -bd -tzip -pa out.zip tree", "out.zip")
    yield "a.cab", packed("gcab -cz out.cab tree/text.txt tree/inner.zip", "out.cab")
    yield "a.cpio", packed("find tree | cpio -o -H newc > out", "out")
    yield "a.odc", packed("find tree | cpio -o -H odc > out", "out")
    yield "a.ar", packed("cd tree && printf '2.0\\n' > debian-binary && ar rc ../out debian-binary inner.zip", "out")
    yield "a.lzh", packed("cd tree && jlha cqo ../out.lzh text.txt inner.zip", "out.lzh")
    yield "a.iso", packed("genisoimage -quiet -no-pad -J -R -o out.iso tree", "out.iso")
    yield "a.eml", mail()
    yield "a.mbox", b"From a\n" + mail() + b"\nFrom b\n" + mail()
    yield "a.uue", b"begin 644 a\n" + b"".join(binascii.b2a_uu(TEXT[at : at + 45]) for at in range(0, 450, 45)) + b"`\nend\n"
    yield "a.pdf", pdf()
    yield "a.rtf", rtf()
    yield "a.html", page()
    yield "wide.html", b"\xff\xfe" + page().decode("latin-1").encode("utf-16-le")
    yield "a.js", b"var a = 'bomb'; function f() { return a + \"b\" }\n" * 20
    yield "a.swf", b"CWS\x0d" + struct.pack("<I", 8 + len(TEXT)) + zlib.compress(TEXT)
    yield "a.txt", TEXT.replace(b"\0", b" ")


for name, content in files():
    (pathlib.Path(sys.argv[1]) / name).write_bytes(content)
