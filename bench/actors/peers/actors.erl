%% actors: the actor benchmarks as an Erlang programmer writes them: processes and messages.
%% usage: erl -noshell -pa DIR -run actors main NAME [TIMES] -s init stop
%% Prints, a line each time, {"ops":N,"s":SECONDS,"answer":X[,"bytes":B][,"p99_us":P]}; see bench/actors/README.md.
-module(actors).
-export([main/1]).

main([Name]) -> main([Name, "1"]);
main(["storm1m", _]) -> halt(2);
main(["idletask", _]) -> halt(2);
main([Name, Times]) -> [once(list_to_atom(Name)) || _ <- lists:seq(1, list_to_integer(Times))].

once(Name) ->
    Began = now_us(),
    {Ops, Answer, Extra} = bench(Name),
    Spent = (now_us() - Began) / 1.0e6,
    io:format("{\"ops\":~w,\"s\":~.6f,\"answer\":~w~s}~n", [Ops, Spent, Answer, Extra]).

now_us() -> erlang:monotonic_time(microsecond).
inner(Began) -> io_lib:format(",\"inner_s\":~.6f", [(now_us() - Began) / 1.0e6]).

collect(0, Sum) -> Sum;
collect(N, Sum) -> receive {done, X} -> collect(N - 1, Sum + X) end.

bench(pingpong) ->
    Pong = spawn_link(fun ponger/0),
    {2000000, pinger(Pong, 0, 1000000), ""};
bench(ring1) -> ring(1, 5000000);
bench(ring503) -> ring(503, 10000);
bench(fanin) -> fanin(100, 20000);
bench(counting) -> fanin(1, 1000000);
bench(forkjoincreate) ->
    Me = self(),
    [begin P = spawn(fun() -> receive X -> Me ! {done, X} end end), P ! 1 end || _ <- lists:seq(1, 40000)],
    {40000, collect(40000, 0), ""};
bench(forkjointhroughput) ->
    Me = self(),
    Ps = [spawn(fun() -> counter(0, Me) end) || _ <- lists:seq(1, 60)],
    [[P ! 1 || P <- Ps] || _ <- lists:seq(1, 10000)],
    [P ! stop || P <- Ps],
    {600000, collect(60, 0), ""};
bench(chameneos) ->
    Me = self(),
    [spawn(fun() -> creature(Me, I rem 3, 0) end) || I <- lists:seq(0, 99)],
    mall(200000),
    [receive {meet, P, _} -> P ! stop end || _ <- lists:seq(1, 100)],
    {400000, collect(100, 0), ""};
bench(big) ->
    Me = self(),
    Ps = [spawn(fun() -> receive {peers, T} -> big_send(T, 20000, 20000, Me) end end) || _ <- lists:seq(1, 120)],
    T = list_to_tuple(Ps),
    [P ! {peers, T} || P <- Ps],
    Sum = collect(120, 0),
    [exit(P, kill) || P <- Ps],
    {4800000, Sum, ""};
bench(concdict) ->
    asked(20, 10000, fun(S) -> dict_server(S) end, #{},
          fun() -> case rand:uniform(100) of X when X =< 10 -> write; _ -> read end end);
bench(conclist) ->
    asked(20, 8000, fun(S) -> list_server(S) end, [],
          fun() -> case rand:uniform(100) of 1 -> size; X when X =< 11 -> write; _ -> read end end);
bench(boundedbuffer) ->
    Me = self(),
    Buffer = spawn(fun() -> buffer(queue:new(), 0, 50, queue:new(), queue:new()) end),
    [spawn(fun() -> producer(Buffer, 1000) end) || _ <- lists:seq(1, 40)],
    [spawn(fun() -> consumer(Buffer, Me) end) || _ <- lists:seq(1, 40)],
    Sum = collect(40000, 0),
    exit(Buffer, kill),
    {40000, Sum, ""};
bench(philosophers) ->
    Me = self(),
    Arbiter = spawn(fun() -> arbiter(list_to_tuple(lists:duplicate(20, free))) end),
    [spawn(fun() -> philosopher(Arbiter, I, 0, Me) end) || I <- lists:seq(1, 20)],
    Sum = collect(20, 0),
    exit(Arbiter, kill),
    {200000, Sum, ""};
bench(barber) ->
    Me = self(),
    Room = spawn(fun() -> barber(0, Me) end),
    [spawn(fun() -> customer(Room) end) || _ <- lists:seq(1, 5000)],
    {5000, collect(1, 0), ""};
bench(smokers) ->
    Me = self(),
    Ps = list_to_tuple([spawn(fun() -> smoker(Me) end) || _ <- lists:seq(1, 200)]),
    Sum = lists:sum([begin element(rand:uniform(200), Ps) ! 25, collect(1, 0) end || _ <- lists:seq(1, 1000)]),
    {1000, Sum, ""};
bench(bank) ->
    Me = self(),
    Ps = list_to_tuple([spawn(fun() -> account(1000) end) || _ <- lists:seq(1, 1000)]),
    [begin
         From = rand:uniform(999),
         To = From + rand:uniform(1000 - From),
         element(From, Ps) ! {debit, rand:uniform(100) - 1, element(To, Ps), Me},
         receive ok -> ok end
     end || _ <- lists:seq(1, 50000)],
    [P ! {stop, Me} || P <- tuple_to_list(Ps)],
    {50000, collect(1000, 0), ""};
bench(logisticmap) ->
    Me = self(),
    [begin
         Rate = 3.46 + 0.0025 * S,
         C = spawn(fun() -> compute(Rate) end),
         spawn(fun() -> series(C, 0.0025 * (S + 1), 25000, Me) end)
     end || S <- lists:seq(0, 9)],
    {250000, trunc(collect(10, 0.0) * 1000 + 0.5), ""};
bench(fibonacci) ->
    Me = self(),
    spawn(fun() -> fib(25, Me) end),
    X = collect(1, 0),
    {2 * X - 1, X, ""};
bench(sieve) ->
    Me = self(),
    First = spawn(fun() -> stage([], 0, none, Me) end),
    feed(First, 2),
    {100000, primes(0), ""};
bench(nqueens) ->
    Me = self(),
    N = split(10, 3, 0, [], Me),
    {N, collect(N, 0), ""};
bench(spawn) ->
    Me = self(),
    {500000, spawner(500000, Me, 0), ""};
bench(idle) ->
    Before = erlang:memory(total),
    Ps = [spawn(fun() -> idler(<<0:512>>) end) || _ <- lists:seq(1, 200000)],
    Used = erlang:memory(total) - Before,
    N = length([P || P <- Ps, is_process_alive(P)]),
    {200000, N, io_lib:format(",\"bytes\":~w", [Used div 200000])};
bench(storm) ->
    Me = self(),
    N = 200000,
    Ps = list_to_tuple([spawn(fun() -> receive {peers, T} -> stormer(T, N, Me) end end) || _ <- lists:seq(1, N)]),
    persistent_term:put(peers, Ps),
    [P ! {peers, shared} || P <- tuple_to_list(Ps)],
    Began = now_us(),
    [element(K * 200, Ps) ! {token, 1000} || K <- lists:seq(1, 1000)],
    {1000000, collect(1000, 0), inner(Began)};
bench(group) ->
    Rs = [spawn_monitor(fun() -> ok end) || _ <- lists:seq(1, 100000)],
    {100000, length([ok || {P, R} <- Rs, receive {'DOWN', R, process, P, normal} -> true end]), ""};
bench(cancel) ->
    Me = self(),
    Rs = [spawn_monitor(fun() -> receive stop -> Me ! {done, 1} end end) || _ <- lists:seq(1, 100000)],
    Began = now_us(),
    [P ! stop || {P, _} <- Rs],
    Cleaned = ended(100000, 0),
    {100000, Cleaned, inner(Began)};
bench(timers) ->
    Ts = [erlang:start_timer(3600000, self(), x) || _ <- lists:seq(1, 1000000)],
    Began = now_us(),
    Us = [begin erlang:cancel_timer(T), erlang:start_timer(7200000, self(), x) end || T <- Ts],
    Extra = inner(Began),
    {1000000, length([ok || U <- Us, erlang:cancel_timer(U) =/= false]), Extra};
bench(flood) ->
    A = spawn(fun() -> receive {peer, P} -> bounce(P) end end),
    B = spawn(fun() -> bounce(A) end),
    A ! {peer, B},
    [A ! I || I <- lists:seq(1, 32)],
    Late = lists:sort(pings(2000, [])),
    exit(A, kill), exit(B, kill),
    {2000, length(Late), io_lib:format(",\"p99_us\":~w", [lists:nth(1980, Late)])}.

ponger() -> receive {P, X} -> P ! X + 1, ponger() end.
pinger(_, X, 0) -> X;
pinger(P, X, N) -> P ! {self(), X}, receive Y -> pinger(P, Y, N - 1) end.

ring(Tokens, Hops) ->
    Me = self(),
    Ps = list_to_tuple([spawn(fun() -> receive {next, P} -> link_of_ring(I, P, Me) end end) || I <- lists:seq(0, 502)]),
    [element(I + 1, Ps) ! {next, element((I + 1) rem 503 + 1, Ps)} || I <- lists:seq(0, 502)],
    [element(T rem 503 + 1, Ps) ! Hops || T <- lists:seq(0, Tokens - 1)],
    Ends = [receive {done, I} -> I end || _ <- lists:seq(1, Tokens)],
    Answer = case Tokens of 1 -> hd(Ends); _ -> length(Ends) end,
    {Tokens * Hops, Answer, ""}.
link_of_ring(I, Next, Me) ->
    receive
        0 -> Me ! {done, I}, link_of_ring(I, Next, Me);
        N -> Next ! N - 1, link_of_ring(I, Next, Me)
    end.

%% Bounded by credit: a producer has at most its share of 1024 unacknowledged messages.
fanin(Producers, Each) ->
    Me = self(),
    Credit = max(1, 1024 div Producers),
    [spawn(fun() -> fan_out(Me, Each, Credit) end) || _ <- lists:seq(1, Producers)],
    {Producers * Each, fan_in(Producers * Each, 0), ""}.
fan_out(_, 0, _) -> ok;
fan_out(To, Left, 0) -> receive credit -> fan_out(To, Left, 1) end;
fan_out(To, Left, Credit) -> To ! {self(), 1}, fan_out(To, Left - 1, Credit - 1).
fan_in(0, Sum) -> Sum;
fan_in(N, Sum) -> receive {P, X} -> P ! credit, fan_in(N - 1, Sum + X) end.

counter(N, Me) -> receive stop -> Me ! {done, N}; X -> counter(N + X, Me) end.

creature(Mall, Colour, Met) ->
    Mall ! {meet, self(), Colour},
    receive
        stop -> Mall ! {done, Met};
        {other, C} -> creature(Mall, (6 - Colour - C) rem 3, Met + 1)
    end.
mall(0) -> ok;
mall(N) ->
    receive {meet, A, CA} -> receive {meet, B, CB} -> A ! {other, CB}, B ! {other, CA}, mall(N - 1) end end.

big_send(_, 0, All, Me) -> Me ! {done, All}, big_serve();
big_send(T, Left, All, Me) -> element(rand:uniform(120), T) ! {ping, self()}, big_wait(T, Left, All, Me).
big_wait(T, Left, All, Me) ->
    receive
        {ping, P} -> P ! pong, big_wait(T, Left, All, Me);
        pong -> big_send(T, Left - 1, All, Me)
    end.
big_serve() -> receive {ping, P} -> P ! pong, big_serve(); _ -> big_serve() end.

asked(Workers, Each, Server, State, KindOf) ->
    Me = self(),
    S = spawn(fun() -> Server(State) end),
    [spawn(fun() -> Me ! {done, asker(S, Each, KindOf, 0)} end) || _ <- lists:seq(1, Workers)],
    Sum = collect(Workers, 0),
    exit(S, kill),
    {Workers * Each, Sum, ""}.
asker(_, 0, _, Got) -> Got;
asker(S, Left, KindOf, Got) ->
    S ! {KindOf(), rand:uniform(65536), self()},
    receive {reply, _} -> asker(S, Left - 1, KindOf, Got + 1) end.
dict_server(D) ->
    receive
        {write, K, P} -> P ! {reply, K}, dict_server(D#{K => K});
        {read, K, P} -> P ! {reply, maps:get(K, D, 0)}, dict_server(D)
    end.
list_server(L) ->
    receive
        {write, K, P} -> P ! {reply, K}, list_server(ordsets:add_element(K, L));
        {size, _, P} -> P ! {reply, length(L)}, list_server(L);
        {read, K, P} -> P ! {reply, ordsets:is_element(K, L)}, list_server(L)
    end.

burn(0, X) -> X;
burn(N, X) -> burn(N - 1, 3.7 * X * (1 - X)).

buffer(Items, N, Cap, Putters, Getters) ->
    receive
        {put, P, X} when N < Cap -> P ! ok, give(queue:in(X, Items), N + 1, Cap, Putters, Getters);
        {put, P, X} -> buffer(Items, N, Cap, queue:in({P, X}, Putters), Getters);
        {get, P} -> give(Items, N, Cap, Putters, queue:in(P, Getters))
    end.
give(Items, N, Cap, Putters, Getters) ->
    case N > 0 andalso not queue:is_empty(Getters) of
        false -> buffer(Items, N, Cap, Putters, Getters);
        true ->
            {{value, X}, I2} = queue:out(Items),
            {{value, G}, G2} = queue:out(Getters),
            G ! {item, X},
            case queue:out(Putters) of
                {empty, _} -> give(I2, N - 1, Cap, Putters, G2);
                {{value, {P, Y}}, P2} -> P ! ok, give(queue:in(Y, I2), N, Cap, P2, G2)
            end
    end.
producer(_, 0) -> ok;
producer(B, N) -> B ! {put, self(), burn(25, 0.5)}, receive ok -> producer(B, N - 1) end.
consumer(B, Me) -> B ! {get, self()}, receive {item, _} -> burn(25, 0.5), Me ! {done, 1}, consumer(B, Me) end.

arbiter(Forks) ->
    receive
        {hungry, I, P} ->
            J = I rem 20 + 1,
            case {element(I, Forks), element(J, Forks)} of
                {free, free} -> P ! eat, arbiter(setelement(I, setelement(J, Forks, used), used));
                _ -> P ! denied, arbiter(Forks)
            end;
        {full, I} -> arbiter(setelement(I, setelement(I rem 20 + 1, Forks, free), free))
    end.
philosopher(_, _, 10000, Me) -> Me ! {done, 10000};
philosopher(A, I, Meals, Me) ->
    A ! {hungry, I, self()},
    receive
        eat -> A ! {full, I}, philosopher(A, I, Meals + 1, Me);
        denied -> erlang:yield(), philosopher(A, I, Meals, Me)
    end.

barber(5000, Me) -> Me ! {done, 5000};
barber(N, Me) ->
    {message_queue_len, Waiting} = process_info(self(), message_queue_len),
    receive
        {enter, P} when Waiting > 1000 -> P ! full, barber(N, Me);
        {enter, P} -> burn(100, 0.5), P ! cut, barber(N + 1, Me)
    end.
customer(Room) ->
    Room ! {enter, self()},
    receive full -> erlang:yield(), customer(Room); cut -> ok end.

smoker(Me) -> receive Cost -> burn(Cost, 0.5), Me ! {done, 1}, smoker(Me) end.

account(Balance) ->
    receive
        {credit, X, P} -> P ! credited, account(Balance + X);
        {debit, X, To, P} ->
            To ! {credit, X, self()},
            receive credited -> P ! ok, account(Balance - X) end;
        {stop, P} -> P ! {done, Balance}
    end.

compute(Rate) -> receive {X, P} -> P ! Rate * X * (1 - X), compute(Rate) end.
series(_, X, 0, Me) -> Me ! {done, X};
series(C, X, N, Me) -> C ! {X, self()}, receive Y -> series(C, Y, N - 1, Me) end.

fib(N, P) when N =< 2 -> P ! {done, 1};
fib(N, P) ->
    Me = self(),
    spawn(fun() -> fib(N - 1, Me) end),
    spawn(fun() -> fib(N - 2, Me) end),
    P ! {done, collect(2, 0)}.

%% Bounded by a window of 1024 between stages.
feed(First, X) when X > 100000 -> First ! stop;
feed(First, X) when X rem 1024 =:= 0 -> First ! {X, self()}, receive go_on -> feed(First, X + 1) end;
feed(First, X) -> First ! {X, none}, feed(First, X + 1).
stage(Primes, N, Next, Me) ->
    receive
        stop when Next =:= none -> Me ! {done, N}, Me ! last;
        stop -> Me ! {done, N}, Next ! stop;
        {X, Ack} ->
            Ack =:= none orelse (Ack ! go_on),
            case lists:any(fun(P) -> X rem P =:= 0 end, Primes) of
                true -> stage(Primes, N, Next, Me);
                false when N < 1000 -> stage(Primes ++ [X], N + 1, Next, Me);
                false when Next =:= none ->
                    P = spawn(fun() -> stage([], 0, none, Me) end),
                    P ! {X, none},
                    stage(Primes, N, P, Me);
                false -> Next ! {X, none}, stage(Primes, N, Next, Me)
            end
    end.
primes(Sum) ->
    receive {done, N} -> primes(Sum + N); last -> rest(Sum) end.
rest(Sum) -> receive {done, N} -> rest(Sum + N) after 0 -> Sum end.

safe(_, _, []) -> true;
safe(C, D, [Q | Qs]) -> C =/= Q andalso abs(C - Q) =/= D andalso safe(C, D + 1, Qs).
queens(N, N, _) -> 1;
queens(N, Row, Qs) -> lists:sum([queens(N, Row + 1, [C | Qs]) || C <- lists:seq(1, N), safe(C, 1, Qs)]).
split(N, Depth, Row, Qs, Me) when Row =:= Depth ->
    spawn(fun() -> Me ! {done, queens(N, Row, Qs)} end), 1;
split(N, Depth, Row, Qs, Me) ->
    lists:sum([split(N, Depth, Row + 1, [C | Qs], Me) || C <- lists:seq(1, N), safe(C, 1, Qs)]).

spawner(0, _, Sum) -> Sum;
spawner(N, Me, Sum) ->
    P = spawn(fun() -> receive X -> Me ! {done, X} end end),
    P ! 1,
    receive {done, X} -> spawner(N - 1, Me, Sum + X) end.

%% Until all are down; what each did last (its clean-up) came before its DOWN.
ended(0, Cleaned) -> Cleaned;
ended(N, Cleaned) ->
    receive
        {done, X} -> ended(N, Cleaned + X);
        {'DOWN', _, process, _, _} -> ended(N - 1, Cleaned)
    end.

idler(State) -> receive stop -> State end.

stormer(_, N, Me) ->
    receive
        {token, 0} -> Me ! {done, 1}, stormer(shared, N, Me);
        {token, H} ->
            element(rand:uniform(N), persistent_term:get(peers)) ! {token, H - 1},
            stormer(shared, N, Me)
    end.

bounce(P) -> receive X -> P ! X, bounce(P) end.
pings(0, Late) -> Late;
pings(N, Late) ->
    Port = self(),
    erlang:send_after(1, Port, {tick, now_us() + 1000}),
    receive {tick, Due} -> pings(N - 1, [max(0, now_us() - Due) | Late]) end.
