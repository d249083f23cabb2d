"""Tries to get out of an assay in place, and prints what became of each attempt."""

import ctypes
import errno
import os
import socket
import sys
import threading

stream_port, datagram_port, secret = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, act):
    try:
        result = act()
        print(f"{name}: {result if result is not None else 'done'}")
    except OSError as error:
        print(f"{name}: {errno.errorcode.get(error.errno, error.errno)}")
    sys.stdout.flush()


def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "call")
    return result


def made(*arguments):
    socket.socket(*arguments).close()


def wrote(path):
    with open(path, "w") as file:
        file.write("x")


def read(path):
    with open(path) as file:
        file.read()


own_addresses = ["127.0.0.1"]
try:
    with open("/proc/net/fib_trie") as table:
        lines = [line.split() for line in table]
    for before, line in zip(lines, lines[1:]):
        if "host" in line and "LOCAL" in line and before[0] == "|--":
            own_addresses.append(before[1])
except OSError:
    pass

# Families and protocols that cannot be turned.
attempt("ipv6", lambda: made(socket.AF_INET6, socket.SOCK_STREAM))
attempt("packet", lambda: made(socket.AF_PACKET, socket.SOCK_RAW))
attempt("raw", lambda: made(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("ping", lambda: made(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
attempt("mptcp", lambda: made(socket.AF_INET, socket.SOCK_STREAM, 262))
attempt("vsock", lambda: made(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("netlink", lambda: made(socket.AF_NETLINK, socket.SOCK_RAW, 0))
attempt("io_uring", lambda: call(425, 1, ctypes.create_string_buffer(120)))


# What can be turned, to listeners of the machine itself.
def stream_to(address):
    with socket.socket() as client:
        client.settimeout(5)
        client.connect((address, stream_port))
        client.sendall(b"to a listener of the machine")


def datagram_to(address):
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        return client.sendto(b"datagram", (address, datagram_port))


def message_to(address):
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        return client.sendmsg([b"mes", b"sage"], [], 0, (address, datagram_port))


def fast_open(address):
    with socket.socket() as client:
        return client.sendto(b"fast open", 0x20000000, (address, stream_port))


for address in sorted(set(own_addresses)):
    for act in (stream_to, datagram_to, message_to, fast_open):
        attempt(f"{act.__name__} {'loopback' if address.startswith('127.') else 'own'}",
                lambda: act(address))


# A second thread changes the address while the call is made.
def race():
    import struct
    memory = ctypes.create_string_buffer(16)
    addresses = own_addresses + ["192.0.2.1"]
    stop = False

    def change():
        number = 0
        while not stop:
            number += 1
            address = addresses[number % len(addresses)]
            port = stream_port if number % 2 else 80
            memory.raw = struct.pack("=H", 2) + struct.pack("!H", port) + socket.inet_aton(
                address) + bytes(8)

    changer = threading.Thread(target=change)
    changer.start()
    for _ in range(200):
        with socket.socket() as client:
            if libc.connect(client.fileno(), memory, 16) == 0:
                client.sendall(b"raced or not")
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            libc.sendto(client.fileno(), b"raced", 5, 0, memory, 16)
    stop = True
    changer.join()


attempt("race", race)


# Ways around the address.
def source_route():
    with socket.socket() as client:
        client.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1, 131, 7, 4, 192, 0, 2, 1]))


def device():
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")


def serve():
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))


def listen_unbound():
    with socket.socket() as server:
        server.listen()


def abstract():
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0watchglass")


def machines_socket():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("/run/dbus/system_bus_socket")


def own_socket():
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("/run/own.sock")
        server.listen()
        client.connect("/run/own.sock")


for act in (source_route, device, serve, listen_unbound, abstract, machines_socket, own_socket):
    attempt(act.__name__, act)

# Files.
attempt("read the lab's folder", lambda: read(secret))
attempt("read through a link", lambda: (os.symlink(secret, "/tmp/link"), read("/tmp/link"))[0])
attempt("read through the root", lambda: read(f"/proc/self/root{secret}"))
attempt("read accounts", lambda: read("/etc/shadow"))
attempt("read another process", lambda: read(f"/proc/{os.getppid()}/environ"))
attempt("write to shared memory", lambda: wrote("/dev/shm/watchglass-escape"))
attempt("write a setting", lambda: wrote("/proc/self/oom_score_adj"))
attempt("write to its own folder", lambda: wrote("/var/lib/escape"))

# Processes.
attempt("signal the parent", lambda: os.kill(os.getppid(), 0))
attempt("signal everybody", lambda: os.kill(-1, 0))
attempt("signal itself", lambda: os.kill(os.getpid(), 0))
attempt("trace", lambda: call(101, 0, 0, 0, 0))
attempt("take a descriptor", lambda: call(438, 0, 0, 0))
attempt("limit another", lambda: call(302, os.getppid(), 7, 0, 0))
attempt("unshare", lambda: call(272, 0x400))
attempt("shared segment", lambda: call(29, 0, 4096, 0o1600))
print("end")
