/* libaio's system calls: results, errors, and the ring that a program may read by itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, size;
	struct io_event events[];
};

static aio_context_t context;
static int file, pipes[2], counter;
static char text[64];

static long say(const char *what, long result)
{
	printf("%s: %ld\n", what, result < 0 ? -(long)errno : result);
	return result;
}

static struct iocb request(int operation, int fd, void *buffer, size_t size, long offset)
{
	struct iocb one = {.aio_data = 7, .aio_lio_opcode = operation, .aio_fildes = fd};

	one.aio_buf = (uintptr_t)buffer;
	one.aio_nbytes = size;
	one.aio_offset = offset;
	return one;
}

static long submit(const char *what, struct iocb *one)
{
	struct iocb *list[] = {one};

	return say(what, syscall(SYS_io_submit, context, 1L, list));
}

static void events(const char *what, long least, long most, long milliseconds)
{
	struct io_event found[8];
	struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	long count = say(what, syscall(SYS_io_getevents, context, least, most, found, milliseconds < 0 ? 0 : &limit));

	for (long i = 0; i < count; i++)
		printf("  data %llu result %lld %lld\n", found[i].data, found[i].res, found[i].res2);
}

static void setting_up(void)
{
	aio_context_t other = 0;
	struct ring *ring;

	say("none", syscall(SYS_io_setup, 0L, &context));
	say("too many", syscall(SYS_io_setup, 1 << 20, &context));
	say("far too many", syscall(SYS_io_setup, 1 << 30, &context));
	say("nowhere", syscall(SYS_io_setup, 8L, (void *)8));
	say("eight", syscall(SYS_io_setup, 8L, &context));
	say("again", syscall(SYS_io_setup, 8L, &context));
	say("another", syscall(SYS_io_setup, 1L, &other));
	ring = (struct ring *)context;
	printf("ring %d %x %u %u %u, of pages %d\n", ring->nr >= 16, ring->magic, ring->size, ring->head, ring->tail,
	       (ring->nr * 32 + 32) % 4096 > 4096 - 32 || (ring->nr * 32 + 32) % 4096 == 0);
	say("destroy", syscall(SYS_io_destroy, other));
	say("destroy again", syscall(SYS_io_destroy, other));
	say("destroy nothing", syscall(SYS_io_destroy, 0L));
}

static void files(void)
{
	char a[] = "asynchronous", b[8] = "", c[8] = "";
	struct iovec parts[] = {{b, 4}, {c, 6}};
	struct iocb one = request(IOCB_CMD_PWRITE, file, a, 12, 4), two = request(IOCB_CMD_PREADV, file, parts, 2, 4);
	struct iocb three = request(IOCB_CMD_FSYNC, file, 0, 0, 0), *list[] = {&one, &two, &three};

	say("three", syscall(SYS_io_submit, context, 3L, list));
	events("one of them", 1, 1, -1);
	events("the others", 2, 8, -1);
	events("no more", 0, 8, 0);
	events("no more in time", 1, 8, 5);
	printf("read %s %s\n", b, c);
	one = request(IOCB_CMD_PREAD, file, text, sizeof text, 0);
	submit("whole", &one);
	events("short", 1, 1, -1);
	one = request(IOCB_CMD_PREAD, file, (void *)8, 4, 0);
	submit("bad buffer", &one);
	events("its event", 0, 1, 0);
	list[1] = (void *)8;
	one = request(IOCB_CMD_FDSYNC, file, 0, 0, 0);
	say("a bad second", syscall(SYS_io_submit, context, 3L, list));
	events("of the first", 1, 8, -1);
}

static void refused(void)
{
	struct iocb one = request(IOCB_CMD_PREAD, 99, text, 4, 0), *list[] = {&one};
	int folder = open(".", O_RDONLY | O_DIRECTORY), readable = open("aio", O_RDONLY), path = open("aio", O_PATH);

	submit("closed", &one);
	one = request(IOCB_CMD_PWRITE, readable, text, 4, 0);
	submit("only to be read", &one);
	one = request(IOCB_CMD_PREAD, path, text, 4, 0);
	submit("a path", &one);
	one = request(IOCB_CMD_PREAD, folder, text, 4, 0);
	submit("a folder", &one);
	one = request(IOCB_CMD_PREAD, file, text, 4, -1);
	submit("before the start", &one);
	one = request(IOCB_CMD_PREAD, file, text, -4, 0);
	submit("a negative size", &one);
	one = request(99, file, text, 4, 0);
	submit("unknown", &one);
	one = request(IOCB_CMD_PREAD, file, text, 4, 0);
	one.aio_reserved2 = 1;
	submit("reserved", &one);
	one = request(IOCB_CMD_FSYNC, file, text, 0, 0);
	submit("fsync of a buffer", &one);
	one = request(IOCB_CMD_FSYNC, pipes[0], 0, 0, 0);
	submit("fsync of a pipe", &one);
	one = request(IOCB_CMD_PREAD, file, text, 4, 0);
	one.aio_flags = IOCB_FLAG_RESFD;
	one.aio_resfd = 99;
	submit("tells a closed one", &one);
	one.aio_resfd = file;
	submit("tells a file", &one);
	one = request(IOCB_CMD_PREAD, file, text, 4, 0);
	one.aio_rw_flags = 1 << 20;
	submit("unknown flags", &one);
	say("a negative number", syscall(SYS_io_submit, context, -1L, list));
	say("none", syscall(SYS_io_submit, context, 0L, list));
	say("no context", syscall(SYS_io_submit, 4096L, 1L, list));
	say("no list", syscall(SYS_io_submit, context, 1L, (void *)8));
	say("more than most", syscall(SYS_io_getevents, context, 2L, 1L, text, 0));
	say("less than none", syscall(SYS_io_getevents, context, -1L, 1L, text, 0));
	say("events of nothing", syscall(SYS_io_getevents, 4096L, 0L, 1L, text, 0));
	say("cancel what is done", syscall(SYS_io_cancel, context, &one, text));
	say("cancel nothing", syscall(SYS_io_cancel, context, (void *)8, text));
	events("nothing", 0, 8, 0);
	close(folder);
	close(readable);
	close(path);
}

static void told(void)
{
	struct ring *ring = (struct ring *)context;
	struct iocb one = request(IOCB_CMD_PREAD, file, text, 4, 0);
	uint64_t count = 0;

	one.aio_flags = IOCB_FLAG_RESFD;
	one.aio_resfd = counter;
	submit("tells", &one);
	submit("tells again", &one);
	say("count", read(counter, &count, 8));
	printf("%d\n", (int)count);
	printf("in the ring %u: %lld\n", (ring->tail - ring->head) % ring->nr, ring->events[ring->head].res);
	ring->head = (ring->head + 1) % ring->nr;
	events("what is left", 0, 8, 0);
}

static void streams(void)
{
	struct iocb one = request(IOCB_CMD_PREAD, pipes[0], text, 8, 0);
	struct iocb two = request(IOCB_CMD_PWRITE, pipes[1], "stream", 6, 0), *list[] = {&two, &one};

	say("a pipe", syscall(SYS_io_submit, context, 2L, list));
	events("both", 2, 8, -1);
	printf("%.6s\n", text);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	submit("empty", &one);
	events("its event", 1, 8, -1);
}

static void *later(void *nothing)
{
	struct timespec moment = {0, 5000000};
	struct iocb one = request(IOCB_CMD_PREAD, file, text, 4, 0);
	struct iocb *list[] = {&one};

	nanosleep(&moment, 0);
	syscall(SYS_io_submit, context, 1L, list);
	nanosleep(&moment, 0);
	syscall(SYS_io_submit, context, 1L, list);
	return nothing;
}

static void others(void)
{
	pthread_t thread;

	pthread_create(&thread, 0, later, 0);
	events("of another thread", 2, 8, -1);
	pthread_join(thread, 0);
	fflush(stdout);
	if (!fork()) {
		events("in a child", 0, 8, 0);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	say("destroy", syscall(SYS_io_destroy, context));
	events("of what is gone", 0, 8, 0);
}

int main(void)
{
	file = open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600);
	counter = eventfd(0, EFD_NONBLOCK);
	if (file < 0 || pipe(pipes) || counter < 0)
		return 1;
	setting_up();
	files();
	refused();
	told();
	streams();
	others();
	return unlink("aio");
}
