"""The keeper of a run's private network: a small program of its own, started by
:mod:`uprobe_linux.net.private_net`.

It lives in a network namespace with nothing but a loopback interface and makes
sockets there for whoever asks on its socket, so that the guest's TCP and UDP
reach other guests of the run and nothing else. It needs no rights beyond user
namespaces, and ends when the last process of the run has closed its end of the
pipe. Run as ``python net_keeper.py LISTENER PIPE`` with inherited descriptors.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000
SIOCSIFFLAGS = 0x8914
CAPABILITY_VERSION_3 = 0x2008_0522
IFF_UP = 1


def enter_private_network() -> None:
    """A namespace of our own with loopback up; raises OSError where the host forbids it.

    Sockets carry the rights of who made them. A user namespace leaves none over anything but this
    network; without one (root only) they are dropped, or a netlink socket could reach the
    interfaces of other namespaces (RTM_NEWNSID, IFLA_TARGET_NETNSID).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) and libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no private network namespace")
    with socket.socket() as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    drop_capabilities(libc)


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """No rights beyond an ordinary user's from here on (capabilities(7)); raises OSError."""
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    if libc.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "the capabilities cannot be dropped")


def serve_one(listener: socket.socket, refusal: int) -> None:
    """Answer one request: three ints (family, type, protocol) -> error number and, if 0, the socket."""
    client, _ = listener.accept()
    with client:
        request = client.recv(12)
        if len(request) != 12:
            return
        if refusal:
            client.send(struct.pack("i", refusal))
            return
        try:
            made = socket.socket(*struct.unpack("iii", request))
        except OSError as error:
            client.send(struct.pack("i", error.errno or 1))
            return
        with made:
            socket.send_fds(client, [struct.pack("i", 0)], [made.fileno()])


def main(listener_fd: int, pipe_fd: int) -> None:
    """Serve until the pipe hangs up."""
    refusal = 0
    try:
        enter_private_network()
    except OSError as error:
        refusal = error.errno or 1
    listener = socket.socket(fileno=listener_fd)
    poller = select.poll()
    poller.register(listener_fd, select.POLLIN)
    poller.register(pipe_fd, select.POLLIN)
    while pipe_fd not in (ready := dict(poller.poll())):
        if ready:
            serve_one(listener, refusal)


if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    main(int(sys.argv[1]), int(sys.argv[2]))
