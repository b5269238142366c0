"""The system calls of the host that the emulator, Python and its libraries need; each with its numbers.

``name:x86-64:arm64``, from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h;
a number is missing where the architecture does not have the call.  What is not here does not exist
behind the wall: whatever traces or reaches other processes, loads code into the kernel or executes
programs, mounts, makes namespaces, changes identity or the machine.
"""

from __future__ import annotations

__all__ = ("IOCTLS", "NEEDED", "PRCTLS", "SOCKET_FAMILIES", "SPECIAL", "numbers")

_DESCRIPTORS = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 pwritev:296:70
preadv2:327:286 pwritev2:328:287 lseek:8:62 close:3:57 close_range:436:436 dup:32:23 dup2:33: dup3:292:24
fcntl:72:25 flock:73:32 pipe:22: pipe2:293:59 open:2: openat:257:56 openat2:437:437 creat:85: access:21:
faccessat:269:48 faccessat2:439:439 stat:4: lstat:6: fstat:5:80 newfstatat:262:79 statx:332:291
readlink:89: readlinkat:267:78 getdents:78: getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50
umask:95:166 truncate:76:45 ftruncate:77:46 fallocate:285:47 fsync:74:82 fdatasync:75:83 sync:162:81
syncfs:306:267 sync_file_range:277:84 fadvise64:221:223 readahead:187:213 sendfile:40:71 splice:275:76
tee:276:77 vmsplice:278:75 copy_file_range:326:285 mkdir:83: mkdirat:258:34 mknod:133: mknodat:259:33
symlink:88: symlinkat:266:36 link:86: linkat:265:37 unlink:87: unlinkat:263:35 rmdir:84: rename:82:
renameat:264:38 renameat2:316:276 chmod:90: fchmod:91:52 fchmodat:268:53 chown:92: lchown:94: fchown:93:55
fchownat:260:54 utime:132: utimes:235: futimesat:261: utimensat:280:88 statfs:137:43 fstatfs:138:44
getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12 flistxattr:196:13
setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16
memfd_create:319:279 inotify_init:253: inotify_init1:294:26 inotify_add_watch:254:27
inotify_rm_watch:255:28 fchmodat2:452:452 cachestat:451:451
"""
"""Descriptors and files."""
_WAITING = """
poll:7: ppoll:271:73 select:23: pselect6:270:72 epoll_create:213: epoll_create1:291:20 epoll_ctl:233:21
epoll_wait:232: epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284: eventfd2:290:19 timerfd_create:283:85
timerfd_settime:286:86 timerfd_gettime:287:87 signalfd:282: signalfd4:289:74 nanosleep:35:101
clock_nanosleep:230:115 pause:34: futex:202:98 futex_waitv:449:449 restart_syscall:219:128
futex_wake:454:454 futex_wait:455:455 futex_requeue:456:456
"""
"""Waiting."""
_MEMORY = """
brk:12:214 mmap:9:222 munmap:11:215 mprotect:10:226 mremap:25:216 madvise:28:233 msync:26:227
mincore:27:232 mlock:149:228 mlock2:325:284 munlock:150:229 mlockall:151:230 munlockall:152:231
membarrier:324:283 pkey_mprotect:329:288 pkey_alloc:330:289 pkey_free:331:290 get_mempolicy:239:236
"""
"""Memory."""
_PROCESSES = """
fork:57: vfork:58: exit:60:93 exit_group:231:94 wait4:61:260 waitid:247:95 kill:62:129 tkill:200:130
tgkill:234:131 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigpending:127:136 rt_sigsuspend:130:133
rt_sigtimedwait:128:137 rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 rt_sigreturn:15:139
sigaltstack:131:132 alarm:37: setitimer:38:103 getitimer:36:102 timer_create:222:107 timer_settime:223:110
timer_gettime:224:108 timer_getoverrun:225:109 timer_delete:226:111 set_tid_address:218:96
set_robust_list:273:99 get_robust_list:274:100 rseq:334:293 arch_prctl:158: sched_yield:24:124
sched_getaffinity:204:123 sched_setaffinity:203:122 sched_getparam:143:121 sched_getscheduler:145:120
sched_get_priority_max:146:125 sched_get_priority_min:147:126 sched_rr_get_interval:148:127
sched_getattr:315:275 getpriority:140:141 setpriority:141:140 ioprio_get:252:31 ioprio_set:251:30
pidfd_open:434:434 pidfd_send_signal:424:424 getpid:39:172 getppid:110:173 gettid:186:178 getpgrp:111:
getpgid:121:155 setpgid:109:154 getsid:124:156 setsid:112:157 getuid:102:174 geteuid:107:175
getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158 capget:125:90
prlimit64:302:261 getrlimit:97:163 setrlimit:160:164 getrusage:98:165 times:100:153 uname:63:160
sysinfo:99:179 getrandom:318:278 getcpu:309:168 time:201: gettimeofday:96:169 clock_gettime:228:113
clock_getres:229:114
"""
"""Processes, threads and signals."""
_SOCKETS = """
socketpair:53:199 bind:49:200 connect:42:203 listen:50:201 accept:43:202 accept4:288:242
getsockname:51:204 getpeername:52:205 setsockopt:54:208 getsockopt:55:209 sendto:44:206 recvfrom:45:207
sendmsg:46:211 recvmsg:47:212 sendmmsg:307:269 recvmmsg:299:243 shutdown:48:210
"""
"""Sockets."""

NEEDED = f"{_DESCRIPTORS} {_WAITING} {_MEMORY} {_PROCESSES} {_SOCKETS}"
SPECIAL = "ioctl:16:29 prctl:157:167 socket:41:198 clone:56:220 execve:59:221 execveat:322:281"
"""Calls of which some uses are needed, or that deserve a word of their own."""

IOCTLS = (
    *(0x5421, 0x5450, 0x5451, 0x5452, 0x541B, 0x5411),  # FIONBIO FIONCLEX FIOCLEX FIOASYNC FIONREAD TIOCOUTQ
    *(0x5401, 0x5402, 0x5403, 0x5404, 0x5413),  # TCGETS TCSETS TCSETSW TCSETSF TIOCGWINSZ; no TIOCSTI
    *(0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D),  # TCGETS2 TCSETS2 TCSETSW2 TCSETSF2
    *(2, 0x80086601, 0x80087601),  # FIGETBSZ FS_IOC_GETFLAGS FS_IOC_GETVERSION
    *(0x8905, 0x8910, 0x8912, 0x8913, 0x8915, 0x8917, 0x8919, 0x891B, 0x891D),  # SIOCATMARK, SIOCGIF...
    *(0x8921, 0x8927, 0x8933, 0x8942, 0x8970),
)
"""Requests: of Python, and of what a guest's ioctl may ask."""
PRCTLS = (1, 2, 3, 15, 16, 21, 23, 29, 30, 36, 37, 39, 41, 42, 0x53564D41)
"""PDEATHSIG, DUMPABLE (read), NAME, SECCOMP and CAPBSET (read), TIMERSLACK, CHILD_SUBREAPER,
NO_NEW_PRIVS (read), THP_DISABLE, SET_VMA (include/uapi/linux/prctl.h).
"""
SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK."""
_COLUMNS = {"x86_64": 1, "aarch64": 2}


def numbers(calls: str, architecture: str) -> dict[str, int]:
    """name -> number of *calls*; raises KeyError for an architecture that has no column."""
    column = _COLUMNS[architecture]
    rows = (row.split(":") for row in calls.split())
    return {row[0]: int(row[column]) for row in rows if row[column]}
