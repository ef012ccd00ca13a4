/*
 * exec: one program, by the port; everything about it is in the leaf.
 */
#include "job/verb.h"
#include "job/verb_line.h"

#include <stdlib.h>

int verb_exec_step(act_self *self, void *task)
{
	struct task *t = task;
	struct exec_frame *f = (void *)t->frame;
	const struct leaf_port *port = &t->env->port;
	CO_BEGIN(&f->co);
	f->leaf = calloc(1, port->exec_size);
	if (f->leaf == NULL) {
		task_fail(t, KIND_MEMORY, "out of memory");
		return ACT_OK;
	}
	f->leaf->task = t;
	CO_CALL(&f->co, f->rc, port->exec, f->leaf);
	CO_END(&f->co);
}

void verb_exec_fini(struct task *t)
{
	struct exec_frame *f = (void *)t->frame;
	if (f->leaf != NULL)
		t->env->port.exec_fini(f->leaf);
	free(f->leaf);
	f->leaf = NULL;
}
