/* plant PATH...: writes to each PATH, removes it, and moves a file of its own over it; says what each came to.
   plant @DIR PATH: moves the folder DIR away first, and does so with PATH, which lay in it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char text[] = "open('PLANTED', 'w').close()\nimport os; os.system('touch PLANTED')\n";

__attribute__((noinline)) void marked(long n)
{
	__asm__ volatile("" ::"r"(n));
}

static int put(const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (file < 0)
		return errno;
	write(file, text, sizeof text - 1);
	close(file);
	return 0;
}

static void folders(const char *path)
{
	char made[4096];

	for (const char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		snprintf(made, sizeof made, "%.*s", (int)(at - path), path);
		mkdir(made, 0755);
	}
}

int main(int count, char **words)
{
	marked(1);
	for (int i = 1; i < count; i++) {
		if (words[i][0] == '@') {
			printf("%s moved %d\n", words[i] + 1, rename(words[i] + 1, "moved") ? errno : 0);
			continue;
		}
		folders(words[i]);
		int opened = put(words[i]);
		put("own");
		int moved = rename("own", words[i]) ? errno : 0;
		int removed = unlink(words[i]) ? errno : 0;
		if (!removed)
			put(words[i]);
		printf("%s open %d, rename %d, unlink %d\n", words[i], opened, moved, removed);
	}
	unlink("own");
	marked(2);
	return 0;
}
