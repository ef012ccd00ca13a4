/*
 * doorbell -- see doorbell.h.
 */
#include "actor/doorbell.h"

bool doorbell_init(struct doorbell *d, act_shard *shard, act_id to, uint32_t type)
{
	*d = (struct doorbell){.shard = shard, .to = to, .type = type};
	return doorbell_answered(d);
}

void doorbell_fini(struct doorbell *d)
{
	if (d->cell != NULL)
		act_unprepare_local(d->shard, d->cell);
	d->cell = NULL;
}

void doorbell_ring(struct doorbell *d)
{
	act_msg *cell = d->cell;
	if (cell == NULL)
		return;
	d->cell = NULL;
	act_deliver_local(d->shard, d->to, cell);
}

bool doorbell_answered(struct doorbell *d)
{
	if (d->cell == NULL)
		d->cell = act_prepare_local(d->shard, d->type, NULL, 0);
	return d->cell != NULL;
}
