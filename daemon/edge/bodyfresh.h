/*
 * bodyfresh -- the body files this process has written within the last minute: what one of them
 * holds was hashed when it was written and lies in memory still, so reading it through again before
 * it is handed out would find nothing. Threads: any.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define BODYFRESH_MAX 64
#define BODYFRESH_S   60

struct bodyfresh_one {
	uint64_t id, size; /* id 0: none */
	struct timespec modified;
};

struct bodyfresh {
	pthread_mutex_t lock;
	unsigned next;
	struct bodyfresh_one one[BODYFRESH_MAX];
};

void bodyfresh_init(struct bodyfresh *b);
void bodyfresh_fini(struct bodyfresh *b);
/* fd is the finished file. */
void bodyfresh_add(struct bodyfresh *b, uint64_t id, int fd);
/* Whether it is one of them, of that size, and nobody has written to it since. */
bool bodyfresh_has(struct bodyfresh *b, uint64_t id, int fd, uint64_t size);
