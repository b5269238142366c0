/* Creates each file that it is told of and says how that went. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_CREAT | O_WRONLY, 0600);
        printf("%s\n", fd >= 0 && write(fd, "written", 7) == 7 ? "ok" : strerror(errno));
    }
    return 0;
}
