"""What of a message on a socket reaches the host: flags and control messages, by allow lists.

Numbers: include/linux/socket.h, include/uapi/linux/{in,in6,udp}.h, include/uapi/asm-generic/socket.h.
"""

from __future__ import annotations

__all__ = ("RECEIVED_CONTROL", "RECEIVING", "SENDING", "SENT_CONTROL")

SENT_CONTROL = frozenset({(0, 1), (0, 2), (0, 7), (0, 8), (17, 103), (41, 50), (41, 52), (41, 62), (41, 67)})
"""IP_TOS IP_TTL IP_RETOPTS IP_PKTINFO, UDP_SEGMENT, IPV6_PKTINFO IPV6_HOPLIMIT IPV6_DONTFRAG IPV6_TCLASS."""
RECEIVED_CONTROL = frozenset({29, 35, 37, 40, 63, 64, 65})
"""Of SOL_SOCKET: times and SO_RXQ_OVFL; what holds a descriptor of the host (SCM_PIDFD) is not among them."""
SENDING = 0x1 | 0x4 | 0x40 | 0x80 | 0x800 | 0x4000 | 0x8000 | 0x2000_0000
"""MSG_OOB DONTROUTE DONTWAIT EOR CONFIRM NOSIGNAL MORE FASTOPEN; others, MSG_ZEROCOPY say, are ignored."""
RECEIVING = 0x1 | 0x2 | 0x20 | 0x40 | 0x2000
"""MSG_OOB PEEK TRUNC DONTWAIT ERRQUEUE."""
