"""Which module a system call's handler is in: it is imported with the first of its calls.

Hello world makes a dozen calls, and most of them in C.
"""

from __future__ import annotations

from typing import Final

__all__ = ("COMMON", "MODULES")

_COMMON: Final = {
    "basic": "restart_syscall",
    "clocks": (
        "clock_gettime clock_getres clock_settime gettimeofday settimeofday adjtimex clock_adjtime times "
        "nanosleep clock_nanosleep"
    ),
    "dirs": "getcwd chdir fchdir chroot getdents64",
    "epoll": "epoll_create1 epoll_ctl epoll_pwait epoll_pwait2",
    "exec": "execve execveat",
    "fdcontrol": "fcntl flock",
    "futexes": ("futex futex_waitv set_robust_list get_robust_list futex_wake futex_wait futex_requeue"),
    "identity": (
        "getuid geteuid getgid getegid getresuid getresgid setresuid setresgid setuid setgid setreuid "
        "setregid setfsuid setfsgid getgroups setgroups capget capset"
    ),
    "info": (
        "uname sethostname setdomainname sysinfo getrandom getrusage prlimit64 getrlimit setrlimit getcpu "
        "sched_getaffinity sched_setaffinity personality ioprio_get ioprio_set syslog"
    ),
    "io": "read readv write writev pread64 preadv preadv2 pwrite64 pwritev pwritev2 lseek",
    "ioctls": "ioctl",
    "memory": (
        "brk mmap munmap mprotect pkey_mprotect mremap madvise mlock munlock mlock2 mlockall munlockall "
        "msync mincore"
    ),
    "opens": "openat openat2 close close_range dup dup3 umask memfd_create",
    "pidfds": "pidfd_open pidfd_send_signal pidfd_getfd",
    "pipes": "pipe2 eventfd2 timerfd_create timerfd_settime timerfd_gettime signalfd4",
    "poll": "ppoll pselect6",
    "processes": "getpid getppid getpgid getsid setpgid setsid getpriority setpriority",
    "signals": (
        "rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn sigaltstack "
        "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo"
    ),
    "status": "newfstatat fstat statx faccessat faccessat2 readlinkat statfs fstatfs",
    "threads": "clone clone3 set_tid_address gettid exit exit_group rseq sched_yield membarrier",
    "waits": "wait4 waitid",
}
_RARE: Final = {
    "aio": "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents",
    "attributes": (
        "fchmodat fchmodat2 fchmod fchownat fchown utimensat truncate ftruncate fallocate getxattr "
        "listxattr setxattr removexattr lgetxattr llistxattr lsetxattr lremovexattr fgetxattr flistxattr "
        "fsetxattr fremovexattr"
    ),
    "copying": "sendfile splice tee vmsplice copy_file_range",
    "inotify": "inotify_init1 inotify_add_watch inotify_rm_watch",
    "messages": "msgget msgsnd msgrcv msgctl",
    "names": "mkdirat mknodat symlinkat unlinkat renameat renameat2 linkat",
    "policies": (
        "sched_get_priority_max sched_get_priority_min sched_getscheduler sched_setscheduler "
        "sched_getparam sched_setparam sched_rr_get_interval sched_getattr sched_setattr"
    ),
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
    "socket_messages": "sendto sendmsg recvfrom recvmsg",
    "message_vectors": "sendmmsg recvmmsg",
    "socket_options": "setsockopt getsockopt",
    "sockets": ("socket socketpair bind connect listen accept4 accept getsockname getpeername shutdown"),
    "syncing": "fsync fdatasync sync syncfs sync_file_range fadvise64 readahead",
    "timers": ("getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete"),
}

MODULES: Final = {
    name: f"uprobe_linux.syscalls.{subject}"
    for subject, names in (_COMMON | _RARE).items()
    for name in names.split()
}
"""The module of each call by the call's name."""
COMMON: Final = tuple(f"uprobe_linux.syscalls.{subject}" for subject in _COMMON)
"""Those of calls that most programs make."""
