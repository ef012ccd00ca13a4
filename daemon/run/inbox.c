/*
 * inbox -- the way in from other threads: a lock-free stack that the shard takes whole and turns
 * round, so that each producer's order is kept and nobody ever waits for a half-done push.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

struct post {
	struct inbox_node node;
	act_id to;
	uint32_t type;
	size_t len;
	act_cleanup dtor;
	void *owned; /* NULL: the bytes follow */
	uint64_t bytes[];
};

void rt_inbox_push(act_shard *sh, struct inbox_node *n)
{
	n->next = __atomic_load_n(&sh->inbox, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&sh->inbox, &n->next, n, true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		continue;
	rt_shard_rouse(sh);
}

bool rt_inbox_is_empty(const act_shard *sh)
{
	return __atomic_load_n(&sh->inbox, __ATOMIC_SEQ_CST) == NULL;
}

static void take_post(act_shard *sh, struct post *p)
{
	int rc;
	if (p->owned != NULL) {
		rc = act_post_local_buf(sh, p->to, p->type, p->owned, p->len, p->dtor);
		if (rc != ACT_OK && p->dtor != NULL)
			p->dtor(p->owned);
	} else {
		rc = act_post_local(sh, p->to, p->type, p->bytes, p->len);
	}
	if (rc != ACT_OK) {
		COUNT(sh, sent, 1);
		COUNT(sh, dropped, 1);
	}
	free(p);
}

static struct inbox_node *reversed(struct inbox_node *n)
{
	struct inbox_node *first = NULL;
	while (n != NULL) {
		struct inbox_node *next = n->next;
		n->next = first;
		first = n;
		n = next;
	}
	return first;
}

bool rt_inbox_take(act_shard *sh)
{
	if (__atomic_load_n(&sh->inbox, __ATOMIC_RELAXED) == NULL)
		return false;
	struct inbox_node *n = reversed(__atomic_exchange_n(&sh->inbox, NULL, __ATOMIC_ACQUIRE));
	while (n != NULL) {
		struct inbox_node *next = n->next;
		if (n->kind == INBOX_POST)
			take_post(sh, (struct post *)(void *)n);
		else
			rt_offload_done(sh, LIST_ENTRY(n, struct act_job, node));
		n = next;
	}
	return true;
}

static struct post *make(act_id to, uint32_t type, size_t len, size_t extra)
{
	struct post *p = malloc(sizeof(*p) + extra);
	if (p != NULL)
		*p = (struct post){.node.kind = INBOX_POST, .to = to, .type = type, .len = len};
	return p;
}

int act_post(act_shard *sh, act_id to, uint32_t type, const void *p, size_t len)
{
	struct post *post = make(to, type, len, len);
	if (post == NULL)
		return ACT_ENOMEM;
	if (len > 0)
		memcpy(post->bytes, p, len);
	rt_inbox_push(sh, &post->node);
	return ACT_OK;
}

int act_post_buf(act_shard *sh, act_id to, uint32_t type, void *owned, size_t len, act_cleanup dtor)
{
	struct post *post = make(to, type, len, 0);
	if (post == NULL)
		return ACT_ENOMEM;
	post->owned = owned;
	post->dtor = dtor;
	rt_inbox_push(sh, &post->node);
	return ACT_OK;
}
