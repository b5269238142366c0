/* Tries to reach what lies outside of the sandbox. Usage: escapes OUTSIDE, a host file whose content is "secret". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static const char *outside;

static void attempt(const char *how, const char *path) {
    char text[64] = {0};
    int fd = open(path, O_RDONLY);
    if (fd >= 0) read(fd, text, 63);
    printf("%s: %s\n", how, strstr(text, "secret") ? "ESCAPED" : fd >= 0 ? "other" : strerror(errno));
    if (fd >= 0) close(fd);
}

static void prefixed(const char *how, const char *prefix) {
    char path[8192];
    snprintf(path, sizeof path, "%s%s", prefix, outside);
    attempt(how, path);
}

static void refused(const char *how, long result) {
    printf("%s: %s\n", how, result < 0 ? strerror(errno) : "ALLOWED");
}

int main(int argc, char **argv) {
    char up[4096] = "";
    outside = argv[1];
    attempt("plain", outside);
    for (int i = 0; i < 40; i++) strcat(up, "../");
    prefixed("dots", up);
    prefixed("root link", "/proc/self/root");
    prefixed("thread root link", "/proc/thread-self/root");
    prefixed("init's root link", "/proc/1/root");
    prefixed("cwd link", "/proc/self/cwd/../../../../../../..");
    symlink(outside, "/absolute");
    attempt("absolute link", "/absolute");
    strcat(up, outside + 1);
    symlink(up, "/climbing");
    attempt("climbing link", "/climbing");
    symlink("/proc/self/root", "/chained");
    prefixed("link to root link", "/chained");
    int root = open("/", O_RDONLY | O_DIRECTORY);
    refused("openat of ..", openat(root, up, O_RDONLY));
    prefixed("descriptor link", "/proc/self/fd/3/../..");
    mkdir("/jail", 0755);
    int before = open("/", O_RDONLY | O_DIRECTORY);
    chroot("/jail");
    fchdir(before);
    for (int i = 0; i < 40; i++) chdir("..");
    attempt("chroot and fchdir", outside + 1);
    chroot(".");
    refused("open_by_handle_at", syscall(265, before, "", O_RDONLY));
    refused("mount", mount("none", "/jail", "proc", 0, 0));
    refused("ptrace", syscall(117, 16, 1, 0, 0));
    refused("mknod", mknod("/disk", S_IFBLK | 0600, 7 << 8));
    refused("chmod of a device", chmod("/dev/null", 0));
    refused("unlink of a device", unlink("/dev/null"));
    refused("rename of /proc", rename("/proc", "/moved"));
    refused("fchmod of standard input", fchmod(0, 0));
    printf("write to a descriptor that was inherited for reading: %s\n",
           open("/proc/self/fd/0", O_WRONLY) < 0 ? strerror(errno) : "ALLOWED");
    struct sockaddr_in far = {AF_INET, htons(53), {htonl(0x08080808)}};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    printf("far away: %s\n", s < 0 || connect(s, (void *)&far, sizeof far) < 0 ? "refused" : "ALLOWED");
    struct sockaddr_un local = {AF_UNIX};
    snprintf(local.sun_path, sizeof local.sun_path, "%s.sock", outside);
    s = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("a socket of the host: %s\n", connect(s, (void *)&local, sizeof local) < 0 ? "refused" : "ALLOWED");
    local.sun_path[0] = 0;
    strcpy(local.sun_path + 1, "escapes-test");
    printf("an abstract socket of the host: %s\n", connect(s, (void *)&local, 15) < 0 ? "refused" : "ALLOWED");
    return 0;
}
