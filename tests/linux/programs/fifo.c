/* Opens both ends of a FIFO from two processes, the reader or the writer first; neither may miss the other. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int met = 0;
    mkfifo("meeting", 0600);
    for (int i = 0; i < 30; i++) {
        char text[8] = {0};
        if (!fork()) {
            usleep(i % 3 == 0 ? 2000 : 0);
            int out = open("meeting", O_WRONLY);
            _exit(write(out, "hello", 5) == 5 ? 0 : 1);
        }
        usleep(i % 3 == 1 ? 2000 : 0);
        int in = open("meeting", O_RDONLY), status;
        met += read(in, text, 8) == 5 && read(in, text, 8) == 0;
        close(in);
        wait(&status);
        met += status == 0;
    }
    printf("%d\n", met);
    return 0;
}
