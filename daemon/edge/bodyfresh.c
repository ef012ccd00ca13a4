/*
 * bodyfresh -- see bodyfresh.h. Its time is that of files, the wall's: a jump of it makes a file
 * read once more, no more than that.
 */
#include "edge/bodyfresh.h"

#include <sys/stat.h>

void bodyfresh_init(struct bodyfresh *b)
{
	*b = (struct bodyfresh){.next = 0};
	pthread_mutex_init(&b->lock, NULL);
}

void bodyfresh_fini(struct bodyfresh *b)
{
	pthread_mutex_destroy(&b->lock);
}

void bodyfresh_add(struct bodyfresh *b, uint64_t id, int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return;
	pthread_mutex_lock(&b->lock);
	b->one[b->next] = (struct bodyfresh_one){id, (uint64_t)st.st_size, st.st_mtim};
	b->next = (b->next + 1) % BODYFRESH_MAX;
	pthread_mutex_unlock(&b->lock);
}

static bool is_same(const struct bodyfresh_one *o, const struct stat *st)
{
	return o->size == (uint64_t)st->st_size && o->modified.tv_sec == st->st_mtim.tv_sec &&
	       o->modified.tv_nsec == st->st_mtim.tv_nsec;
}

bool bodyfresh_has(struct bodyfresh *b, uint64_t id, int fd, uint64_t size)
{
	struct stat st;
	bool has = false;
	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != size)
		return false;
	int64_t age_s = (int64_t)time(NULL) - (int64_t)st.st_mtim.tv_sec;
	if (age_s < 0 || age_s > BODYFRESH_S)
		return false;
	pthread_mutex_lock(&b->lock);
	for (unsigned i = 0; i < BODYFRESH_MAX && !has; i++)
		has = b->one[i].id == id && is_same(&b->one[i], &st);
	pthread_mutex_unlock(&b->lock);
	return has;
}
