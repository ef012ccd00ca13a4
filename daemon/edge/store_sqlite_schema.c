/*
 * store_sqlite_schema -- the tables, and the way to them from every earlier version.
 *
 * PRAGMA user_version is the number of steps applied. All steps that are missing run in one
 * transaction, so a crash leaves the old version or the new one. A step is never changed once it
 * has been released: a new one follows it. docs/store.md describes the tables for people.
 */
#include "edge/store_sqlite.h"

#include "base/check.h"

#include <stdio.h>

/*
 * What changes often stands in small rows, large texts in tables of their own or in the last
 * columns, where queries that do not want them need not read. Tables of large rows have a rowid,
 * since SQLite keeps whole rows in the inner pages of tables without one.
 */
static const char step_1[] =
	"CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE job(id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, priority INTEGER NOT NULL,"
	" attached INTEGER NOT NULL, state TEXT NOT NULL, name TEXT, idem TEXT,"
	" created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,"
	" due INTEGER NOT NULL, deadline INTEGER NOT NULL, remaining INTEGER NOT NULL,"
	" keep INTEGER NOT NULL, expires INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL, ok "
	"INTEGER NOT NULL,"
	" failed INTEGER NOT NULL, handled INTEGER NOT NULL, cancelled INTEGER NOT NULL,"
	" not_started INTEGER NOT NULL, last_seq INTEGER NOT NULL DEFAULT 0,"
	" acked_seq INTEGER NOT NULL DEFAULT 0, pruned_seq INTEGER NOT NULL DEFAULT 0,"
	" bytes INTEGER NOT NULL DEFAULT 0);"
	"CREATE UNIQUE INDEX job_idem ON job(uid, idem) WHERE idem IS NOT NULL;"
	"CREATE INDEX job_uid ON job(uid, id);"
	"CREATE INDEX job_queued ON job(priority, id) WHERE state = 'queued';"
	"CREATE INDEX job_open ON job(id) WHERE state IN ('running','paused','cancelling');"
	"CREATE INDEX job_ended ON job(ended)"
	" WHERE state IN ('succeeded','failed','cancelled','expired') AND expires = 0;"
	"CREATE INDEX job_expires ON job(expires) WHERE state <> 'forgotten' AND expires > 0;"
	"CREATE INDEX job_forgotten ON job(id) WHERE state = 'forgotten';"
	"CREATE INDEX job_acked ON job(attached, id) WHERE acked_seq > pruned_seq;"
	"CREATE TABLE spec(job INTEGER PRIMARY KEY, sum INTEGER NOT NULL, vars TEXT, spec TEXT);"
	"CREATE TABLE final(job INTEGER PRIMARY KEY, error TEXT, scopes TEXT);"
	"CREATE TABLE feed(id INTEGER PRIMARY KEY, job INTEGER NOT NULL, path TEXT NOT NULL,"
	" first INTEGER NOT NULL, n INTEGER NOT NULL, eof INTEGER NOT NULL, sum INTEGER NOT NULL,"
	" lines TEXT NOT NULL);"
	"CREATE UNIQUE INDEX feed_first ON feed(job, path, first);"
	"CREATE TABLE fact(job INTEGER NOT NULL, path TEXT NOT NULL, n INTEGER NOT NULL,"
	" kind TEXT NOT NULL, at INTEGER NOT NULL, data TEXT NOT NULL,"
	" PRIMARY KEY(job, path, n)) WITHOUT ROWID;"
	"CREATE TABLE chunk(id INTEGER PRIMARY KEY, job INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" n INTEGER NOT NULL, ok INTEGER NOT NULL, failed INTEGER NOT NULL,"
	" cancelled INTEGER NOT NULL, bytes INTEGER NOT NULL, sum INTEGER NOT NULL,"
	" done TEXT NOT NULL, lines TEXT NOT NULL);"
	"CREATE UNIQUE INDEX chunk_seq ON chunk(job, seq);"
	"CREATE TABLE cursor(job INTEGER NOT NULL, path TEXT NOT NULL, watermark INTEGER NOT NULL,"
	" gaps TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(job, path)) WITHOUT ROWID;"
	"CREATE TABLE key(name TEXT PRIMARY KEY, tat INTEGER NOT NULL, horizon INTEGER NOT NULL,"
	" blocked_until INTEGER NOT NULL, quota BLOB NOT NULL, learned BLOB NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE body(id INTEGER PRIMARY KEY, job INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" size INTEGER NOT NULL, sha256 BLOB NOT NULL);"
	"CREATE INDEX body_job ON body(job, seq);"
	"CREATE TABLE hold(name TEXT NOT NULL, session TEXT NOT NULL, fence INTEGER NOT NULL,"
	" data TEXT NOT NULL, PRIMARY KEY(name, session)) WITHOUT ROWID;"
	"CREATE TABLE opid(uid INTEGER NOT NULL, op_id TEXT NOT NULL, at INTEGER NOT NULL,"
	" answer TEXT NOT NULL, PRIMARY KEY(uid, op_id)) WITHOUT ROWID;"
	"CREATE INDEX opid_at ON opid(at);";

/* For people with the sqlite3 shell. */
static const char step_2[] =
	"CREATE VIEW jobs AS SELECT 'j' || id AS job, name, state, uid, priority,"
	" strftime('%Y-%m-%dT%H:%M:%SZ', created / 1000000000, 'unixepoch') AS created,"
	" CASE WHEN started = 0 THEN NULL ELSE"
	" strftime('%Y-%m-%dT%H:%M:%SZ', started / 1000000000, 'unixepoch') END AS started,"
	" CASE WHEN ended = 0 THEN NULL ELSE"
	" strftime('%Y-%m-%dT%H:%M:%SZ', ended / 1000000000, 'unixepoch') END AS ended,"
	" total, ok, failed, handled, cancelled, not_started, last_seq, acked_seq, bytes,"
	" (SELECT spec FROM spec WHERE spec.job = id) AS spec,"
	" (SELECT error FROM final WHERE final.job = id) AS error"
	" FROM job WHERE state <> 'forgotten';"
	"CREATE VIEW results AS SELECT 'j' || c.job AS job, c.seq + l.key AS seq,"
	" json_extract(l.value, '$.task') AS task, json_extract(l.value, '$.url') AS url,"
	" json_extract(l.value, '$.ok') AS ok, json_extract(l.value, '$.status') AS status,"
	" json_extract(l.value, '$.size') AS size, json_extract(l.value, '$.error.kind') AS error,"
	" json_extract(l.value, '$.at') AS at, l.value AS line FROM chunk AS c,"
	" json_each('[' || replace(rtrim(c.lines, char(10)), char(10), ',') || ']') AS l;";

/* What named objects keep: items of queues may be large. */
static const char step_named[] =
	"CREATE TABLE named(id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INTEGER NOT NULL,"
	" holder TEXT NOT NULL, tries INTEGER NOT NULL, sum INTEGER NOT NULL,"
	" data TEXT NOT NULL);"
	"CREATE UNIQUE INDEX named_n ON named(name, n);";

/* The newest has the greatest id. */
static const char step_validator[] =
	"CREATE TABLE validator(id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, url TEXT NOT NULL,"
	" etag TEXT NOT NULL, modified TEXT NOT NULL, at INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX validator_url ON validator(uid, url);"
	"CREATE INDEX validator_at ON validator(at);";

static const char *const steps[] = {step_1, step_2, step_named, step_validator};

#define N_STEPS ((int)(sizeof(steps) / sizeof(steps[0])))

static enum err run(struct sq_conn *c, const char *text)
{
	int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? ERR_OK : sq_failed(c, rc);
}

static enum err version_of(struct sq_conn *c, int *ret_version)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		enum err e = sq_failed(c, rc);
		sqlite3_finalize(st);
		return e;
	}
	*ret_version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return ERR_OK;
}

static enum err migrate(struct sq_store *s, int from)
{
	struct sq_conn *c = &s->writer;
	enum err e = run(c, "BEGIN IMMEDIATE");
	char text[48];

	for (int i = from; e == ERR_OK && i < N_STEPS; i++)
		e = run(c, steps[i]);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", N_STEPS);
	if (e == ERR_OK)
		e = run(c, text);
	FAULT(s->base.fault, mid_migration);
	return e == ERR_OK ? run(c, "COMMIT") : e;
}

enum err sq_schema(struct sq_store *s)
{
	int version = 0;
	enum err e = version_of(&s->writer, &version);

	if (e != ERR_OK)
		return e;
	if (version > N_STEPS)
		return ERR_UNSUPPORTED;
	return version < N_STEPS ? migrate(s, version) : ERR_OK;
}
