"""Bombs of one compressed stream: written into the folder that is named."""
import bz2
import gzip
import lzma
import pathlib
import struct
import subprocess
import sys
import zlib

from quine import quine

MB = 1 << 20
# More than `MaxFileSize`, of which all of them are made.
ZEROS = bytes(110 * MB)


def nested(times):
    """gzip in gzip in gzip."""
    data = bytes(90 * MB)
    for _ in range(times):
        data = gzip.compress(data, 9, mtime=0)
    return data


def gzip_header(flags):
    return b"\x1f\x8b\x08" + bytes([flags]) + bytes(5) + b"\x03"


def gzip_quine():
    """A file of gzip that holds itself (Cox, `Zip Files All The Way Down`, 2010)."""
    name = b"a file that holds itself, as often as one looks\0"

    def build(number, check, size):
        head = gzip_header(0x08)[:4] + struct.pack("<I", number) + gzip_header(0)[8:] + name.rjust(50, b"-")
        return head, struct.pack("<II", check, size)

    return quine(build)


def xz_with_dictionary():
    """4 GiB of dictionary for three bytes (`xz-file-format` 1.1, 5.3.1)."""
    data = lzma.compress(b"abc", check=lzma.CHECK_CRC32)
    header = bytearray(data[12 : 12 + (data[12] + 1) * 4])
    header[header.index(b"\x21\x01") + 2] = 40
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    return data[:12] + bytes(header) + data[12 + len(header) :]


def zstd(window, blocks):
    return b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + blocks


def zstd_runs(count):
    """Blocks that say `128 KiB of the same byte` in four bytes (RFC 8878, 3.1.1.2)."""
    block = lambda last: struct.pack("<I", last | 1 << 1 | 128 << 10 << 3)[:3] + b"\0"
    return block(0) * (count - 1) + block(1)


def bombs():
    yield "gzip-flat", gzip.compress(ZEROS, 9, mtime=0)
    yield "gzip-nested", nested(4)
    yield "gzip-quine", gzip_quine()
    yield "gzip-many", gzip.compress(b"", mtime=0) * 12_000
    yield "gzip-name", gzip_header(0x08) + b"n" * (20 * MB)
    yield "gzip-extra", (gzip_header(0x04) + struct.pack("<H", 65535) + bytes(65535)) * 100
    yield "bzip2-flat", bz2.compress(ZEROS)
    yield "bzip2-many", bz2.compress(b"") * 200_000
    yield "bzip2-nested", bz2.compress(bz2.compress(bz2.compress(ZEROS)))
    yield "xz-flat", lzma.compress(ZEROS, preset=0)
    yield "xz-many", lzma.compress(b"") * 100_000
    yield "xz-dictionary", xz_with_dictionary()
    yield "lzma-flat", lzma.compress(ZEROS, format=lzma.FORMAT_ALONE, preset=0)
    yield "lzma-dictionary", b"\x5d\xff\xff\xff\xff" + b"\xff" * 8 + bytes(10)
    yield "lzma-size", b"\x5d\0\0\x80\0" + struct.pack("<Q", (1 << 38) - 1) + lzma.compress(ZEROS, format=lzma.FORMAT_ALONE, preset=0)[13:]
    yield "zstd-flat", zstd(0x50, zstd_runs(1000))
    yield "zstd-window", zstd(0xFF, zstd_runs(10))
    yield "zstd-many", zstd(0, b"\1\0\0") * 200_000
    yield "zstd-skipped", struct.pack("<II", 0x184D2A50, 0) * 500_000 + zstd(0, b"\1\0\0")
    yield "lzw-flat", subprocess.run(["compress", "-c"], input=ZEROS, stdout=subprocess.PIPE, check=True).stdout


for name, content in bombs():
    (pathlib.Path(sys.argv[1]) / name).write_bytes(content)
