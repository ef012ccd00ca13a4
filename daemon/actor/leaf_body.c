/*
 * leaf_body -- bodies that are more than a few bytes at hand: uploads, and forms of several parts
 * (RFC 7578).
 *
 * Each request reads its own from the beginning: files are found by a worker before the request
 * waits for its limits, and read while it goes out.
 */
#include "actor/leaf_fetch_state.h"
#include "edge/uploads.h"
#include "run/offload.h"

#include <stdio.h>
#include <string.h>

bool fetch_has_source(const struct fetch *f)
{
	enum fetch_body kind = f->spec->body_kind;
	return !f->to_get && (kind == FETCH_BODY_UPLOAD || kind == FETCH_BODY_MULTIPART);
}

/* ---- the parts ---- */

static const struct {
	const char *suffix, *type;
} media_types[] = {
	{".txt", "text/plain"},	     {".html", "text/html"},	  {".css", "text/css"},
	{".csv", "text/csv"},	     {".xml", "application/xml"}, {".json", "application/json"},
	{".pdf", "application/pdf"}, {".gif", "image/gif"},	  {".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},     {".png", "image/png"},	  {".svg", "image/svg+xml"},
	{".zip", "application/zip"},
};

static struct slice type_of(const struct fetch_part *p)
{
	if (p->type.n > 0 || (p->filename.n == 0 && p->upload.n == 0))
		return p->type;
	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++) {
		struct slice suffix = slice_of(media_types[i].suffix);
		if (p->filename.n < suffix.n)
			continue;
		struct slice end = {p->filename.p + p->filename.n - suffix.n, suffix.n};
		if (slice_eq_nocase(end, suffix))
			return slice_of(media_types[i].type);
	}
	return SLICE_LIT("application/octet-stream");
}

/* As browsers do (RFC 7578 section 2): a quote would end the name. */
static void add_quoted(struct bytes *out, const char *name, struct slice v)
{
	bytes_printf(out, "; %s=\"", name);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '"')
			bytes_add_str(out, "%22");
		else
			bytes_add_byte(out, v.p[i]);
	bytes_add_byte(out, '"');
}

static void add_part(const struct fetch *f, const struct fetch_part *p, struct uploadread *r)
{
	struct bytes head = BYTES_LIMIT(0);
	struct slice type = type_of(p);
	bytes_printf(&head, "--%s\r\nContent-Disposition: form-data", f->boundary);
	add_quoted(&head, "name", p->name);
	if (p->filename.n > 0)
		add_quoted(&head, "filename", p->filename);
	if (type.n > 0) {
		bytes_add_str(&head, "\r\nContent-Type: ");
		bytes_add_slice(&head, type);
	}
	bytes_add_str(&head, "\r\n\r\n");
	uploadread_add_text(r, bytes_slice(&head));
	if (p->upload.n > 0)
		uploadread_add_file(r, p->upload);
	else
		uploadread_add_text(r, p->value);
	uploadread_add_text(r, SLICE_LIT("\r\n"));
	bytes_fini(&head);
}

static void add_parts(act_self *self, struct fetch *f, struct uploadread *r)
{
	char last[sizeof(f->boundary) + 8];
	char id[33];
	fetch_new_id(self, f, id);
	snprintf(f->boundary, sizeof(f->boundary), "muster-%s", id);
	for (uint32_t i = 0; i < f->spec->n_part; i++)
		add_part(f, &f->spec->part[i], r);
	int n = snprintf(last, sizeof(last), "--%s--\r\n", f->boundary);
	uploadread_add_text(r, (struct slice){last, (size_t)n});
}

/* ---- whether it is wanted ---- */

#define EXPECT_FROM (1u << 20) /* as curl */

/* What the fetch itself says of it; NULL: nothing. */
static const struct fetch_header *own_expect(const struct fetch *f)
{
	for (uint32_t i = 0; i < f->spec->n_header; i++)
		if (slice_eq_nocase(f->spec->header[i].name, SLICE_LIT("Expect")))
			return &f->spec->header[i];
	return NULL;
}

bool fetch_expects(const struct fetch *f, uint64_t size)
{
	const struct fetch_header *own = own_expect(f);
	if (own != NULL)
		return size > 0 && slice_eq_nocase(own->value, SLICE_LIT("100-continue"));
	return size > EXPECT_FROM && !f->is_unexpecting;
}

bool fetch_was_unexpected(struct fetch *f)
{
	if (!f->is_expecting || own_expect(f) != NULL || !f->done->end.ok || f->done->status != 417)
		return false;
	f->is_unexpecting = true;
	f->kind = KIND_NONE;
	bytes_clear(&f->message);
	return true;
}

/* ---- finding it ---- */

static int open_source(void *source)
{
	uploadread_open(source);
	return ACT_OK;
}

static struct uploadread *new_source(act_self *self, struct fetch *f)
{
	const struct job *j = fetch_job(f);
	const struct upload_of of = {.job = j->number, .is_volatile = j->is_volatile};
	struct uploadread *r = uploadread_new(j->peers->uploads, &of);
	if (r == NULL)
		return NULL;
	if (f->spec->body_kind == FETCH_BODY_UPLOAD)
		uploadread_add_file(r, f->spec->upload);
	else
		add_parts(self, f, r);
	return r;
}

int fetch_open_source(act_self *self, struct fetch *f)
{
	uploadread_free(f->source);
	f->source = new_source(self, f);
	if (f->source == NULL)
		return ACT_ENOMEM;
	struct act_work w = {.fn = open_source,
			     .arg = f->source,
			     .dtor = uploadread_free,
			     .cls = fetch_job(f)->peers->body_class};
	return act_offload(self, &w);
}

bool fetch_source_is_open(struct fetch *f)
{
	if (f->rc == ACT_ECANCELED || f->rc == ACT_ETIMEDOUT) {
		f->source = NULL; /* the worker's */
		f->is_cancelled = true;
		return false;
	}
	enum err e = f->rc == ACT_OK ? uploadread_opened(f->source) : ERR_BUSY;
	if (e == ERR_NOT_FOUND) {
		struct slice name = uploadread_missing(f->source);
		fetch_says(f, KIND_REQUEST_INVALID, "there is no complete upload \"%.*s\"",
			   (int)name.n, name.p);
	} else if (e != ERR_OK) {
		bool no_memory = f->rc == ACT_ENOMEM || e == ERR_NOMEM;
		fetch_says(f, no_memory ? KIND_MEMORY : KIND_LOCAL_RESOURCE,
			   "the upload cannot be read: %s", err_text(e));
	}
	return e == ERR_OK;
}
