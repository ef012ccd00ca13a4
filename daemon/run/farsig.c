/*
 * farsig -- cancel and kill for other shards whose way is full: a word per slot of the receiver,
 * set by any shard, so that such a signal needs neither room nor memory, however many there are.
 *
 * A word holds the generation meant, the reason of a cancel and what is asked for; while something
 * is, its slot is on the shard's stack, once. The words lie in memory reserved at the shard's start
 * and never given back before its end. Signals raised for a later life of a slot replace those for
 * an earlier one, which is over.
 */
#include "run/internal.h"

#include <sys/mman.h>

#define GEN_SHIFT 32
#define WHY_SHIFT 8
#define WHY_MASK  0xffffffU
#define END	  UINT32_MAX

enum { RAISED = 1, RAISED_CANCEL = 2, RAISED_KILL = 4, RAISED_STOP = 8 };

static size_t bytes_of(const act_shard *sh)
{
	return (size_t)sh->max_slots * (sizeof(uint64_t) + sizeof(uint32_t));
}

bool rt_farsig_init(act_shard *sh)
{
	void *p = mmap(NULL, bytes_of(sh), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	sh->far.word = p;
	sh->far.next = (uint32_t *)(void *)(sh->far.word + sh->max_slots);
	sh->far.top = END;
	return true;
}

void rt_farsig_fini(act_shard *sh)
{
	if (sh->far.word != NULL)
		munmap(sh->far.word, bytes_of(sh));
	sh->far.word = NULL;
}

static uint64_t bit_of(enum wire kind)
{
	return kind == WIRE_KILL ? RAISED_KILL : kind == WIRE_STOP ? RAISED_STOP : RAISED_CANCEL;
}

/* What the word becomes; the same as it was: the id meant has ended since. */
static uint64_t with(uint64_t word, uint32_t gen, uint64_t bit, int why)
{
	uint32_t there = (uint32_t)(word >> GEN_SHIFT);
	bool is_new = (word & RAISED) == 0 || there < gen;
	uint64_t reason = (uint64_t)((uint32_t)why & WHY_MASK) << WHY_SHIFT;
	if (is_new)
		return (uint64_t)gen << GEN_SHIFT | reason | bit | RAISED;
	if (there > gen)
		return word;
	bool is_first = bit == RAISED_CANCEL && (word & RAISED_CANCEL) == 0;
	return (is_first ? (word & ~((uint64_t)WHY_MASK << WHY_SHIFT)) | reason : word) | bit;
}

static void push(act_shard *to, uint32_t slot)
{
	uint32_t top = __atomic_load_n(&to->far.top, __ATOMIC_RELAXED);
	do
		to->far.next[slot] = top;
	while (!__atomic_compare_exchange_n(&to->far.top, &top, slot, true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED));
}

void rt_farsig_raise(act_shard *to, enum wire kind, act_id id, int why)
{
	uint32_t slot = rt_id_slot(id);
	if (slot >= to->max_slots)
		return;
	uint64_t *word = &to->far.word[slot], old = __atomic_load_n(word, __ATOMIC_RELAXED), new;
	do {
		new = with(old, (uint32_t)id, bit_of(kind), why);
		if (new == old)
			return;
	} while (!__atomic_compare_exchange_n(word, &old, new, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	if ((old & RAISED) != 0)
		return;
	push(to, slot);
	rt_shard_rouse(to);
}

bool rt_farsig_is_empty(const act_shard *sh)
{
	return __atomic_load_n(&sh->far.top, __ATOMIC_SEQ_CST) == END;
}

static void hand_out(act_shard *sh, uint32_t slot, uint64_t word)
{
	act_id id = (act_id)(sh->first + slot) << 32 | word >> GEN_SHIFT;
	struct actor *a = rt_find(sh, id);
	if (a == NULL)
		return;
	if ((word & RAISED_KILL) != 0)
		rt_kill_actor(sh, a);
	if ((word & RAISED_CANCEL) != 0) /* sign-extended */
		rt_cancel_actor(sh, a, (int)((uint32_t)(word >> WHY_SHIFT) << 8) >> 8);
	if ((word & RAISED_STOP) != 0)
		rt_stop_actor(sh, a);
}

/* The link is read before the word is cleared: from then on the slot may be pushed again. */
void rt_farsig_take(act_shard *sh)
{
	if (__atomic_load_n(&sh->far.top, __ATOMIC_RELAXED) == END)
		return;
	uint32_t slot = __atomic_exchange_n(&sh->far.top, END, __ATOMIC_SEQ_CST);
	while (slot != END) {
		uint32_t next = sh->far.next[slot];
		hand_out(sh, slot, __atomic_exchange_n(&sh->far.word[slot], 0, __ATOMIC_ACQ_REL));
		slot = next;
	}
}
