// actors: those of the actor benchmarks that a library of actors is made for, on CAF 0.17.
// usage: actors NAME [TIMES]   prints, a line each time, {"ops":N,"s":SECONDS,"answer":X[,...]};
//                              --list names them
//
// Parameters and answers are those of bench/actors/README.md; mailboxes have no bound here.
#include <caf/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <unistd.h>

using namespace caf;

namespace {

struct outcome {
	uint64_t ops;
	double answer, inner_s, bytes;
};

double now_s()
{
	using clock = std::chrono::steady_clock;
	return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

double resident()
{
	uint64_t total = 0, pages = 0;
	std::ifstream("/proc/self/statm") >> total >> pages;
	return double(pages) * double(sysconf(_SC_PAGESIZE));
}

/* ---- pingpong ---- */

behavior ponger(event_based_actor *)
{
	return {[](int64_t x) { return x + 1; }};
}

behavior pinger(event_based_actor *self, const actor &pong, const actor &boss, int64_t rounds)
{
	self->send(pong, int64_t(0));
	return {[=](int64_t x) {
		if (x < rounds)
			self->send(pong, x);
		else {
			self->send(boss, x);
			self->quit();
		}
	}};
}

int64_t wait_for(scoped_actor &self)
{
	int64_t got = 0;
	self->receive([&](int64_t x) { got = x; });
	return got;
}

outcome pingpong(actor_system &sys)
{
	const int64_t rounds = 1000000;
	scoped_actor self{sys};
	auto pong = sys.spawn(ponger);
	sys.spawn(pinger, pong, actor(self), rounds);
	auto x = wait_for(self);
	self->send_exit(pong, exit_reason::user_shutdown);
	return {2 * uint64_t(rounds), double(x), 0, 0};
}

/* ---- rings ---- */

struct link_state {
	actor next;
};

behavior ring_link(stateful_actor<link_state> *self, int64_t index, const actor &boss)
{
	return {[=](const actor &next) { self->state.next = next; },
		[=](int64_t left) {
			if (left > 0)
				self->send(self->state.next, left - 1);
			else
				self->send(boss, index);
		}};
}

outcome ring(actor_system &sys, int64_t tokens, int64_t hops)
{
	const int64_t n = 503;
	scoped_actor self{sys};
	std::vector<actor> links;
	for (int64_t i = 0; i < n; i++)
		links.push_back(sys.spawn(ring_link, i, actor(self)));
	for (int64_t i = 0; i < n; i++)
		self->send(links[size_t(i)], links[size_t((i + 1) % n)]);
	for (int64_t t = 0; t < tokens; t++)
		self->send(links[size_t(t % n)], hops);
	int64_t last = 0;
	for (int64_t t = 0; t < tokens; t++)
		last = wait_for(self);
	for (auto &l : links)
		self->send_exit(l, exit_reason::user_shutdown);
	return {uint64_t(tokens * hops), double(tokens == 1 ? last : tokens), 0, 0};
}

/* ---- fan-in ---- */

struct sum_state {
	int64_t sum = 0;
};

behavior sink(stateful_actor<sum_state> *self, const actor &boss, int64_t want)
{
	return {[=](int64_t x) {
		self->state.sum += x;
		if (self->state.sum == want) {
			self->send(boss, want);
			self->quit();
		}
	}};
}

outcome fan(actor_system &sys, int64_t sources, int64_t each)
{
	scoped_actor self{sys};
	auto to = sys.spawn(sink, actor(self), sources * each);
	for (int64_t i = 0; i < sources; i++)
		sys.spawn([=](event_based_actor *s) {
			for (int64_t k = 0; k < each; k++)
				s->send(to, int64_t(1));
		});
	auto x = wait_for(self);
	return {uint64_t(sources * each), double(x), 0, 0};
}

/* ---- actors that come and go ---- */

behavior once(event_based_actor *self, const actor &to)
{
	return {[=](int64_t x) {
		self->send(to, x);
		self->quit();
	}};
}

outcome forkjoincreate(actor_system &sys)
{
	const int64_t n = 40000;
	scoped_actor self{sys};
	auto to = sys.spawn(sink, actor(self), n);
	for (int64_t i = 0; i < n; i++)
		self->send(sys.spawn(once, to), int64_t(1));
	return {uint64_t(n), double(wait_for(self)), 0, 0};
}

behavior spawner(stateful_actor<sum_state> *self, const actor &boss, int64_t n)
{
	return {[=](int64_t x) {
		self->state.sum += x;
		if (self->state.sum < n)
			self->send(self->spawn(once, actor_cast<actor>(self)), int64_t(1));
		else {
			self->send(boss, n);
			self->quit();
		}
	}};
}

outcome spawn_bench(actor_system &sys)
{
	const int64_t n = 500000;
	scoped_actor self{sys};
	self->send(sys.spawn(spawner, actor(self), n), int64_t(0));
	return {uint64_t(n), double(wait_for(self)), 0, 0};
}

struct idle_state {
	char bytes[64];
};

behavior idler(stateful_actor<idle_state> *)
{
	return {[](int64_t) {}};
}

outcome idle(actor_system &sys)
{
	const size_t n = 200000;
	scoped_actor self{sys};
	std::vector<actor> all;
	all.reserve(n);
	auto before = resident();
	for (size_t i = 0; i < n; i++)
		all.push_back(sys.spawn(idler));
	auto used = resident() - before;
	for (auto &a : all)
		self->send_exit(a, exit_reason::user_shutdown);
	return {n, double(all.size()), 0, used / double(n)};
}

} // namespace

int main(int argc, char **argv)
{
	const std::map<std::string, std::function<outcome(actor_system &)>> all = {
		{"pingpong", pingpong},
		{"ring1", [](actor_system &s) { return ring(s, 1, 5000000); }},
		{"ring503", [](actor_system &s) { return ring(s, 503, 10000); }},
		{"fanin", [](actor_system &s) { return fan(s, 100, 20000); }},
		{"counting", [](actor_system &s) { return fan(s, 1, 1000000); }},
		{"forkjoincreate", forkjoincreate},
		{"spawn", spawn_bench},
		{"idle", idle}};
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (auto &row : all)
			puts(row.first.c_str());
		return 0;
	}
	auto found = argc >= 2 ? all.find(argv[1]) : all.end();
	if (found == all.end())
		return 2;
	actor_system_config cfg;
	if (getenv("ONE_THREAD") != nullptr)
		cfg.set("scheduler.max-threads", 1);
	actor_system sys{cfg};
	for (int times = argc > 2 ? atoi(argv[2]) : 1; times > 0; times--) {
		auto began = now_s();
		auto r = found->second(sys);
		printf("{\"ops\":%llu,\"s\":%.6f,\"answer\":%.0f", (unsigned long long)r.ops,
		       now_s() - began, r.answer);
		if (r.bytes > 0)
			printf(",\"bytes\":%.1f", r.bytes);
		puts("}");
	}
	return 0;
}
