/* At the limit of message cells: every call says so, nothing is lost, and it works again later. */
#include "run/stats.h"
#include "tests/unit/run/scribe.h"
#include "tests/unit/run/script.h"

/* The first chunk of cells, and no more. */
enum { CELLS = 128 };

struct set {
	struct world w;
	act_id reader;
	act_msg *reply;
	act_group *g;
	int n_args, go_rc;
};

static int ask_reader(act_self *self, void *ctx)
{
	struct set *s = ctx;
	return act_ask(self, s->reader, NOTE, NULL, 0, &s->reply);
}

static void arg_over(void *arg)
{
	++*(int *)arg;
}

static int group_of_one(act_self *self, void *ctx)
{
	struct set *s = ctx;
	struct act_task_opts o = {.arg = &s->n_args, .arg_dtor = arg_over};
	s->g = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	s->go_rc = act_group_go(self, s->g, script_step, sizeof(struct script), &o);
	return act_group_join(self, s->g);
}

static int close_group(act_self *self, void *ctx)
{
	return act_group_close(self, ((struct set *)ctx)->g);
}

/* Fills all cells but `left` with mail for an actor that is not let run. */
static void fill(struct set *s, int left)
{
	story[0] = '\0';
	*s = (struct set){.n_args = 0};
	world_open_with(&s->w, (struct act_shard_opts){.max_cells = CELLS, .turn_messages = 1});
	s->reader = act_spawn(s->w.root, &scribe, NULL, &(struct act_opts){.cap = 1000});
	for (int i = 0; i < CELLS - left; i++)
		ck_assert_int_eq(act_send(s->w.root, s->reader, NOTE, NULL, 0), ACT_OK);
}

START_TEST(a_send_without_memory_leaves_the_payload_with_the_sender)
{
	struct set s;
	fill(&s, 0);
	n_freed = 0;
	char *mine = strdup("x");
	ck_assert_int_eq(act_send_buf(s.w.root, s.reader, NOTE, mine, 1, freed), ACT_ENOMEM);
	ck_assert_int_eq(act_send(s.w.root, s.reader, NOTE, "y", 1), ACT_ENOMEM);
	ck_assert_ptr_null(act_prepare(s.w.root, NOTE, NULL, 0));
	ck_assert_int_eq(n_freed, 0);
	world_settle(&s.w);
	ck_assert_int_eq(act_send_buf(s.w.root, s.reader, NOTE, mine, 1, freed), ACT_OK);
	world_settle(&s.w);
	ck_assert_str_eq(story, "x");
	world_close(&s.w);
}
END_TEST

START_TEST(an_ask_without_memory_for_its_reply_is_not_sent)
{
	struct set s;
	struct log_of_script a;
	act_msg *all[CELLS];
	fill(&s, CELLS);
	for (int i = 0; i < CELLS; i++)
		all[i] = act_prepare(s.w.root, NOTE, NULL, 0);
	act_unprepare(s.w.root, all[0]); /* for the script's defer */
	act_unprepare(s.w.root, all[1]); /* for the request, none for the reply */
	script_start(&s.w, OPS(ask_reader), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_ENOMEM);
	ck_assert_str_eq(story, "");
	for (int i = 2; i < CELLS; i++)
		act_unprepare(s.w.root, all[i]);
	ck_assert_uint_eq(act_stats_cells(s.w.sh), 0);
	world_close(&s.w);
}
END_TEST

START_TEST(a_child_without_memory_is_refused_and_its_argument_freed)
{
	struct set s;
	struct log_of_script a;
	fill(&s, CELLS);
	act_kill(s.w.root, s.reader);
	world_settle(&s.w);
	act_msg *all[CELLS];
	for (int i = 0; i < CELLS; i++)
		all[i] = act_prepare(s.w.root, NOTE, NULL, 0);
	act_unprepare(s.w.root, all[0]); /* for the script's own defer */
	script_start(&s.w, OPS(group_of_one, close_group), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(s.go_rc, ACT_ENOMEM);
	ck_assert_int_eq(s.n_args, 1);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	ck_assert_int_eq(a.rc[1], ACT_OK);
	for (int i = 1; i < CELLS; i++)
		act_unprepare(s.w.root, all[i]);
	world_close(&s.w);
}
END_TEST

RUN_TESTS("limits", a_send_without_memory_leaves_the_payload_with_the_sender,
	  an_ask_without_memory_for_its_reply_is_not_sent,
	  a_child_without_memory_is_refused_and_its_argument_freed)
