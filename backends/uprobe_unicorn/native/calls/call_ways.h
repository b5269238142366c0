/* Where a path of the program leads, without asking the host to follow a link or to leave the mount. */
#ifndef UPROBE_CALL_WAYS_H
#define UPROBE_CALL_WAYS_H

#include <stddef.h>

#include "own_calls.h"

enum { WAY_PATH = 1024, WAY_LINKS = 8 };

/* Where a way starts if not at a descriptor. */
enum way_start { WAY_CWD = -100, WAY_ROOT = -1 };

/*
 * A copy of a path that starts at file.  Nothing of ours lies below that, so what the host does not find there
 * does not exist, and mount and rights are those of file.
 */
struct way {
	struct call_file file;
	int start;		/* a descriptor or a way_start */
	const char *path;	/* in text, never empty; may end in slashes */
	const char *name;	/* its last component, once way_parent was asked for */
	unsigned links;		/* so many were followed */
	char text[WAY_PATH];
};

/* The way from dirfd by the path at address; false: Python has to look, or the call was refused. */
bool way_find(struct call *call, uint64_t dirfd, uint64_t address, struct way *ret);
/* The program's string at address in ret, which holds size bytes; false: it is not there or too long. */
bool way_text(const struct call *call, uint64_t address, char *ret, size_t size);
/* Whether what the way leads to may be changed, and by this call. */
bool way_may_change(const struct call *call, const struct way *way);
/* Whether the way is one name, which cannot lead anywhere else than into its folder. */
bool way_is_name(const struct way *way);
/* Opens what is there: the descriptor, or the error below 0. flags and mode are the host's. */
int way_open(const struct way *way, int flags, unsigned mode);
/*
 * The way has met a link (-ELOOP): it now leads where the first one on it says, its last component's only if last; may be
 * asked WAY_LINKS times.  false: Python has to look.
 */
bool way_follow(const struct call *call, struct way *way, bool last);
/* As way_open, without O_CREAT, and follows links; the last component's not with O_NOFOLLOW. */
int way_open_through(const struct call *call, struct way *way, int flags);
/* What a look-up answers that failed: false where a link or the host's kernel may be the reason. */
bool way_refused(struct call *call, int error);
/* Cuts the way before its last component: the folder, to be given to way_leave, or below 0. */
int way_parent(struct way *way);
void way_leave(const struct way *way, int folder);

#endif
