"""System calls that a program rarely makes: the module of each is imported with the first of them.

What all programs need is imported when a run starts; these would be a twentieth of a short run.
"""

from __future__ import annotations

from typing import Final

__all__ = ("RARE",)

_MODULES: Final = {
    "attributes": (
        "fchmodat fchmodat2 fchmod fchownat fchown utimensat truncate ftruncate fallocate getxattr "
        "listxattr setxattr removexattr lgetxattr llistxattr lsetxattr lremovexattr fgetxattr flistxattr "
        "fsetxattr fremovexattr"
    ),
    "copying": "sendfile splice tee vmsplice copy_file_range",
    "inotify": "inotify_init1 inotify_add_watch inotify_rm_watch",
    "messages": "msgget msgsnd msgrcv msgctl",
    "names": "mkdirat mknodat symlinkat unlinkat renameat renameat2 linkat",
    "prctl": "prctl",
    "process_memory": "process_vm_readv process_vm_writev",
    "refusals": (
        "mount umount2 pivot_root reboot swapon swapoff acct vhangup quotactl init_module finit_module "
        "delete_module kexec_load open_by_handle_at open_tree move_mount fsopen fsmount fspick "
        "mount_setattr bpf perf_event_open fanotify_init userfaultfd ptrace name_to_handle_at setns "
        "unshare"
    ),
    "semaphores": "semget semop semtimedop semctl",
    "shared_segments": "shmget shmat shmdt shmctl",
    "socket_messages": "sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg",
    "socket_options": "setsockopt getsockopt",
    "sockets": ("socket socketpair bind connect listen accept4 accept getsockname getpeername shutdown"),
    "syncing": "fsync fdatasync sync syncfs sync_file_range fadvise64 readahead",
    "timers": ("getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete"),
}

RARE: Final = {name: module for module, names in _MODULES.items() for name in names.split()}
"""The module of each rare call."""
