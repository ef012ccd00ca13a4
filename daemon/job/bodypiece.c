#include "job/bodypiece.h"

#include "edge/bodyfile.h"

#include <stdlib.h>
#include <unistd.h>

struct bodypiece *bodypiece_new(struct bodydir *dir, const struct store_body *row, size_t length)
{
	struct bodypiece *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	*p = (struct bodypiece){.dir = dir, .row = *row, .length = length, .fd = -1};
	p->data = malloc(length > 0 ? length : 1);
	if (p->data == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void bodypiece_free(void *piece)
{
	struct bodypiece *p = piece;
	if (p == NULL)
		return;
	bodyread_close(p->read);
	if (p->fd >= 0)
		close(p->fd);
	free(p->data);
	free(p);
}

int bodypiece_read(void *piece)
{
	struct bodypiece *p = piece;
	p->n = 0;
	p->result = ERR_OK;
	if (p->read == NULL)
		p->result = bodyread_open(p->dir, p->row.id, p->row.size, p->row.sha256, &p->read);
	if (p->result == ERR_OK)
		p->result = bodyread_at(p->read, p->offset, p->data, p->length, &p->n);
	return 0;
}

int bodypiece_open(void *piece)
{
	struct bodypiece *p = piece;
	p->result = bodyread_file(p->dir, p->row.id, &p->fd);
	return 0;
}
