/* Starts small programs one after the other: forks N [exec|fork|vfork].
   What is started does nothing; argv[1] "0" is it. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    const char *how = argc > 2 ? argv[2] : "exec";
    char *nothing[] = {argv[0], "0", NULL};
    for (int i = 0; i < count; i++) {
        pid_t pid = strcmp(how, "vfork") ? fork() : vfork();
        if (pid < 0)
            return 1;
        if (pid == 0) {
            if (strcmp(how, "fork"))
                execv(argv[0], nothing);
            _exit(0);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status)
            return 2;
    }
    return 0;
}
