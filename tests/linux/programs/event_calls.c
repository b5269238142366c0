/* Waiting for descriptors and time; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAY(...) (printf(__VA_ARGS__), printf("\n"), fflush(stdout))
#define CALL(what) do { errno = 0; long r_ = (long)(what); SAY("%s = %ld %s", #what, r_, r_ < 0 ? strerror(errno) : ""); } while (0)

static volatile int caught;
static void on_signal(int n) { caught = n; }
static long elapsed_ms(struct timespec *from) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

static void pipes(void) {
    int p[2];
    char big[200000] = {0}, text[10];
    pipe(p);
    struct pollfd f[3] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 0}};
    CALL(poll(f, 3, 0));
    SAY("%d %d %d", f[0].revents, f[1].revents, f[2].revents);
    if (!fork()) {
        close(p[0]);
        SAY("wrote %zd", write(p[1], big, sizeof big));
        _exit(0);
    }
    close(p[1]);
    long sum = 0, n;
    while ((n = read(p[0], big, sizeof big)) > 0) sum += n;
    SAY("read %ld then %ld", sum, n);
    wait(0);
    CALL(poll(f, 1, -1));
    SAY("%d", f[0].revents);
    f[0].fd = 99;
    CALL(poll(f, 1, -1));
    SAY("%d", f[0].revents);
    pipe(p);
    signal(SIGPIPE, on_signal);
    close(p[0]);
    CALL(write(p[1], "x", 1));
    SAY("signal %d", caught);
    pipe2(p, O_NONBLOCK);
    CALL(read(p[0], text, 1));
    while (write(p[1], big, 4096) > 0) ;
    SAY("%s", strerror(errno));
    int waiting;
    ioctl(p[0], FIONREAD, &waiting);
    SAY("%d", waiting);
    CALL(fcntl(p[0], F_GETPIPE_SZ));
}

static void times(void) {
    struct timespec start, left = {9, 9};
    struct timeval tv = {0, 30000};
    fd_set set;
    int p[2];
    pipe(p);
    clock_gettime(CLOCK_MONOTONIC, &start);
    FD_ZERO(&set); FD_SET(p[0], &set);
    CALL(select(p[0] + 1, &set, 0, 0, &tv));
    SAY("%d", elapsed_ms(&start) >= 30 && elapsed_ms(&start) < 3000);
    FD_SET(p[1], &set);
    CALL(select(p[1] + 1, 0, &set, 0, 0));
    FD_ZERO(&set); FD_SET(47, &set);  /* below 64: a kernel ignores what is beyond its table (core_sys_select) */
    CALL(select(48, &set, 0, 0, &tv));
    CALL(poll(0, 0, 20));
    CALL(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000000000}, 0));
    CALL(clock_nanosleep(77, 0, &(struct timespec){0, 1}, 0));
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) { until.tv_sec++; until.tv_nsec -= 1000000000; }
    CALL(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, 0));
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGALRM, &sa, 0);
    caught = 0;
    alarm(1);
    CALL(nanosleep(&(struct timespec){30, 0}, &left));
    SAY("signal %d left %d", caught, left.tv_sec == 28 || left.tv_sec == 29);
    sa.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &sa, 0);
    alarm(1);
    CALL(poll(0, 0, 30000));
    CALL(clock_getres(CLOCK_MONOTONIC, &left));
    SAY("%ld", left.tv_nsec);
    CALL(clock_gettime(12345, &left));
}

static void events(void) {
    uint64_t value = 3;
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1122334455667788ull}, got[4];
    int ev = eventfd(0, EFD_NONBLOCK), ep = epoll_create1(0), p[2], file = open("/dev/null", O_RDONLY);
    CALL(read(ev, &value, 8));
    CALL(write(ev, &value, 8));
    CALL(write(ev, &value, 4));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    CALL(epoll_ctl(ep, EPOLL_CTL_MOD, 0, &e) < 0);
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, 88, &e));
    CALL(epoll_wait(ep, got, 4, 0));
    SAY("%x %llx", got[0].events, (long long)got[0].data.u64);
    int copy = dup(ev);
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, copy, &e));
    CALL(epoll_wait(ep, got, 4, 0));
    CALL(read(ev, &value, 8));
    SAY("%llu", (long long)value);
    CALL(epoll_wait(ep, got, 4, 20));
    e.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
    pipe(p);
    epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
    if (!fork()) { usleep(20000); write(p[1], "x", 1); _exit(0); }
    CALL(epoll_wait(ep, got, 4, -1));
    CALL(epoll_wait(ep, got, 4, 0));
    wait(0);
    CALL(epoll_wait(ep, got, 0, 0));
    CALL(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
    CALL(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
    int tf = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec spec = {{0, 10000000}, {0, 20000000}};
    CALL(timerfd_settime(tf, 0, &spec, 0));
    CALL(read(tf, &value, 8));
    SAY("%d", value >= 1);
    CALL(read(tf, &value, 4));
    struct pollfd f = {tf, POLLIN, 0};
    CALL(poll(&f, 1, 5000));
    memset(&spec, 0, sizeof spec);
    CALL(timerfd_settime(tf, 0, &spec, 0));
    CALL(poll(&f, 1, 30));
    sigset_t mask;
    sigemptyset(&mask); sigaddset(&mask, SIGUSR1); sigprocmask(SIG_BLOCK, &mask, 0);
    int sf = signalfd(-1, &mask, SFD_NONBLOCK);
    struct signalfd_siginfo info;
    CALL(read(sf, &info, sizeof info));
    kill(getpid(), SIGUSR1);
    f.fd = sf;
    CALL(poll(&f, 1, 1000));
    CALL(read(sf, &info, sizeof info));
    SAY("%d %d", info.ssi_signo, info.ssi_pid == getpid());
    CALL(poll(&f, 1, 0));
}

static void sockets(void) {
    int s[2], sent[2], n;
    char text[64] = {0}, control[64];
    CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    CALL(send(s[0], "datagram", 8, 0));
    CALL(recv(s[1], text, 4, MSG_TRUNC));
    CALL(recv(s[1], text, 4, MSG_DONTWAIT));
    pipe(sent);
    struct iovec v = {"fd", 2};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(4);
    memcpy(CMSG_DATA(c), &sent[1], 4);
    CALL(sendmsg(s[0], &m, 0));
    v.iov_base = text; v.iov_len = sizeof text; m.msg_controllen = sizeof control;
    CALL(recvmsg(s[1], &m, 0));
    memcpy(&n, CMSG_DATA(CMSG_FIRSTHDR(&m)), 4);
    CALL(write(n, "passed", 6));
    CALL(read(sent[0], text, sizeof text));
    struct sockaddr_un a = {AF_UNIX, "listen.sock"}, name;
    socklen_t size = sizeof name;
    int l = socket(AF_UNIX, SOCK_STREAM, 0), k = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(connect(k, (void *)&a, sizeof a));
    CALL(bind(l, (void *)&a, sizeof a));
    CALL(bind(l, (void *)&a, sizeof a) < 0);
    CALL(connect(k, (void *)&a, sizeof a));
    CALL(listen(l, 1));
    CALL(accept4(l, 0, 0, 77));
    if (!fork()) {
        CALL(connect(k, (void *)&a, sizeof a));
        getpeername(k, (void *)&name, &size);
        SAY("%s %u", name.sun_path, size);
        write(k, "over", 4);
        shutdown(k, SHUT_WR);
        read(k, text, 10);
        _exit(0);
    }
    n = accept(l, 0, 0);
    memset(text, 0, sizeof text);
    CALL(recv(n, text, 4, MSG_WAITALL));
    CALL(recv(n, text + 10, 4, 0));
    SAY("%s", text);
    close(n);
    wait(0);
    size = sizeof name;
    getsockname(l, (void *)&name, &size);
    SAY("%s %u", name.sun_path, size);
    struct timeval tv = {0, 20000};
    setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    CALL(recv(s[1], text, 4, 0));
    int type; size = 4;
    CALL(getsockopt(s[1], SOL_SOCKET, SO_TYPE, &type, &size));
    SAY("%d %u", type, size);
    memset(&a, 0, sizeof a); a.sun_family = AF_UNIX; memcpy(a.sun_path, "\0hidden", 7);
    l = socket(AF_UNIX, SOCK_DGRAM, 0);
    CALL(bind(l, (void *)&a, 9));
    size = sizeof name;
    getsockname(l, (void *)&name, &size);
    SAY("%u %.6s", size, name.sun_path + 1);
    CALL(getsockname(0, (void *)&name, &size));
    CALL(socket(AF_UNIX, 99, 0));
}

int main(void) {
    pipes(); times(); events(); sockets();
    return 0;
}
