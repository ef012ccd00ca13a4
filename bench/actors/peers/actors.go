// actors: the actor benchmarks as a Go programmer writes them: goroutines and channels.
// usage: actors NAME [TIMES]   prints, a line each time, {"ops":N,"s":SECONDS,"answer":X[,"bytes":B][,"p99_us":P]}
//
// Parameters and answers are those of bench/actors/README.md; the same for every runtime.
package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"time"
)

type result struct {
	ops    int64
	answer float64
	extra  string
}

func pingpong() result {
	const rounds = 1000000
	ping, pong := make(chan int, 1), make(chan int, 1)
	go func() {
		for x := range ping {
			pong <- x + 1
		}
	}()
	x := 0
	for i := 0; i < rounds; i++ {
		ping <- x
		x = <-pong
	}
	close(ping)
	return result{2 * rounds, float64(x), ""}
}

func ring(tokens, hopsEach int) result {
	const n = 503
	links := make([]chan int, n)
	for i := range links {
		links[i] = make(chan int, tokens+1)
	}
	ended := make(chan int, tokens)
	for i := range links {
		go func(i int) {
			for left := range links[i] {
				if left == 0 {
					ended <- i
				} else {
					links[(i+1)%n] <- left - 1
				}
			}
		}(i)
	}
	for t := 0; t < tokens; t++ {
		links[t%n] <- hopsEach
	}
	last := 0
	for t := 0; t < tokens; t++ {
		last = <-ended
	}
	answer := float64(tokens)
	if tokens == 1 {
		answer = float64(last)
	}
	return result{int64(tokens) * int64(hopsEach), answer, ""}
}

func fanin(producers, each int) result {
	box := make(chan int, 1024)
	for p := 0; p < producers; p++ {
		go func() {
			for i := 0; i < each; i++ {
				box <- 1
			}
		}()
	}
	sum := 0
	for i := 0; i < producers*each; i++ {
		sum += <-box
	}
	return result{int64(producers * each), float64(sum), ""}
}

func forkJoinCreate() result {
	const n = 40000
	done := make(chan int, 1024)
	go func() {
		for i := 0; i < n; i++ {
			box := make(chan int, 1)
			go func() { done <- <-box }()
			box <- 1
		}
	}()
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-done
	}
	return result{n, float64(sum), ""}
}

func forkJoinThroughput() result {
	const actors, each = 60, 10000
	var all sync.WaitGroup
	boxes := make([]chan int, actors)
	counts := make([]int, actors)
	for i := range boxes {
		boxes[i] = make(chan int, 1024)
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for x := range boxes[i] {
				counts[i] += x
			}
		}(i)
	}
	for k := 0; k < each; k++ {
		for i := range boxes {
			boxes[i] <- 1
		}
	}
	for i := range boxes {
		close(boxes[i])
	}
	all.Wait()
	sum := 0
	for _, c := range counts {
		sum += c
	}
	return result{actors * each, float64(sum), ""}
}

type meeting struct {
	colour int
	back   chan int
}

func chameneos() result {
	const creatures, meetings = 100, 200000
	mall := make(chan meeting, creatures)
	counts := make(chan int, creatures)
	for i := 0; i < creatures; i++ {
		go func(colour int) {
			back, met := make(chan int, 1), 0
			for {
				mall <- meeting{colour, back}
				other := <-back
				if other < 0 {
					counts <- met
					return
				}
				colour = (6 - colour - other) % 3
				met++
			}
		}(i % 3)
	}
	for k := 0; k < meetings; k++ {
		a, b := <-mall, <-mall
		a.back <- b.colour
		b.back <- a.colour
	}
	sum := 0
	for i := 0; i < creatures; i++ {
		(<-mall).back <- -1
		sum += <-counts
	}
	return result{2 * meetings, float64(sum), ""}
}

type ask struct {
	kind, key int
	back      chan int
}

func big() result {
	const n, pings = 120, 20000
	boxes := make([]chan ask, n)
	for i := range boxes {
		boxes[i] = make(chan ask, n)
	}
	sink := make(chan int, n)
	for i := range boxes {
		go func(i int) {
			r := rand.New(rand.NewSource(int64(i)))
			back, got, waiting := make(chan int, 1), 0, false
			for {
				if !waiting && got < pings {
					boxes[r.Intn(n)] <- ask{0, i, back}
					waiting = true
				}
				select {
				case q, open := <-boxes[i]:
					if !open {
						return
					}
					q.back <- 1
				case <-back:
					waiting = false
					got++
					if got == pings {
						sink <- got
					}
				}
			}
		}(i)
	}
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-sink
	}
	return result{2 * n * pings, float64(sum), ""}
}

// A server actor with per-request replies: the concurrent dictionary and the sorted list.
func asked(workers, each int, serve func(kind, key int) int, kindOf func(r *rand.Rand) int) result {
	box := make(chan ask, workers)
	var all sync.WaitGroup
	replies := make([]int, workers)
	go func() {
		for q := range box {
			q.back <- serve(q.kind, q.key)
		}
	}()
	for w := 0; w < workers; w++ {
		all.Add(1)
		go func(w int) {
			defer all.Done()
			r, back := rand.New(rand.NewSource(int64(w))), make(chan int, 1)
			for i := 0; i < each; i++ {
				box <- ask{kindOf(r), r.Intn(65536), back}
				<-back
				replies[w]++
			}
		}(w)
	}
	all.Wait()
	close(box)
	sum := 0
	for _, n := range replies {
		sum += n
	}
	return result{int64(workers * each), float64(sum), ""}
}

func concDict() result {
	dict := map[int]int{}
	return asked(20, 10000, func(kind, key int) int {
		if kind == 1 {
			dict[key] = key
		}
		return dict[key]
	}, func(r *rand.Rand) int {
		if r.Intn(100) < 10 {
			return 1
		}
		return 0
	})
}

func concList() result {
	var list []int
	return asked(20, 8000, func(kind, key int) int {
		at := sort.SearchInts(list, key)
		has := at < len(list) && list[at] == key
		switch kind {
		case 1:
			if !has {
				list = append(list, 0)
				copy(list[at+1:], list[at:])
				list[at] = key
			}
		case 2:
			return len(list)
		}
		if has {
			return 1
		}
		return 0
	}, func(r *rand.Rand) int {
		switch x := r.Intn(100); {
		case x < 1:
			return 2
		case x < 11:
			return 1
		}
		return 0
	})
}

func burn(cost int) float64 {
	x := 0.5
	for i := 0; i < cost; i++ {
		x = 3.7 * x * (1 - x)
	}
	return x
}

func boundedBuffer() result {
	const producers, consumers, items = 40, 40, 1000
	box, done := make(chan float64, 50), make(chan int, consumers)
	var all sync.WaitGroup
	for p := 0; p < producers; p++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < items; i++ {
				box <- burn(25)
			}
		}()
	}
	for c := 0; c < consumers; c++ {
		go func() {
			n := 0
			for range box {
				burn(25)
				n++
			}
			done <- n
		}()
	}
	all.Wait()
	close(box)
	sum := 0
	for c := 0; c < consumers; c++ {
		sum += <-done
	}
	return result{producers * items, float64(sum), ""}
}

func philosophers() result {
	const n, rounds = 20, 10000
	arbiter := make(chan ask, n)
	done := make(chan int, n)
	go func() {
		forks := make([]bool, n)
		for q := range arbiter {
			left, right := q.key, (q.key+1)%n
			if q.kind == 1 {
				forks[left], forks[right] = false, false
				continue
			}
			if forks[left] || forks[right] {
				q.back <- 0
				continue
			}
			forks[left], forks[right] = true, true
			q.back <- 1
		}
	}()
	for i := 0; i < n; i++ {
		go func(i int) {
			back, meals := make(chan int, 1), 0
			for meals < rounds {
				arbiter <- ask{0, i, back}
				if <-back == 1 {
					meals++
					arbiter <- ask{1, i, nil}
				} else {
					runtime.Gosched()
				}
			}
			done <- meals
		}(i)
	}
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-done
	}
	close(arbiter)
	return result{n * rounds, float64(sum), ""}
}

func barber() result {
	const haircuts, room = 5000, 1000
	waiting, cut := make(chan chan bool, room), 0
	done := make(chan bool)
	go func() {
		for customer := range waiting {
			burn(100)
			cut++
			customer <- true
			if cut == haircuts {
				done <- true
				return
			}
		}
	}()
	for i := 0; i < haircuts; i++ {
		go func() {
			me := make(chan bool, 1)
			for {
				select {
				case waiting <- me:
					<-me
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	<-done
	return result{haircuts, float64(cut), ""}
}

func smokers() result {
	const n, rounds = 200, 1000
	boxes, done := make([]chan int, n), make(chan int)
	for i := range boxes {
		boxes[i] = make(chan int, 1)
		go func(i int) {
			for cost := range boxes[i] {
				burn(cost)
				done <- 1
			}
		}(i)
	}
	r, sum := rand.New(rand.NewSource(1)), 0
	for k := 0; k < rounds; k++ {
		boxes[r.Intn(n)] <- 25
		sum += <-done
	}
	return result{rounds, float64(sum), ""}
}

type transfer struct {
	amount int
	credit bool
	to     int
	back   chan bool
}

func bank() result {
	const n, transfers, start = 1000, 50000, 1000
	boxes := make([]chan transfer, n)
	total := make(chan int, n)
	for i := range boxes {
		boxes[i] = make(chan transfer, 8)
	}
	for i := range boxes {
		go func(i int) {
			balance := start
			ack := make(chan bool, 1)
			for t := range boxes[i] {
				if t.credit {
					balance += t.amount
					t.back <- true
					continue
				}
				balance -= t.amount
				boxes[t.to] <- transfer{t.amount, true, 0, ack}
				<-ack
				t.back <- true
			}
			total <- balance
		}(i)
	}
	r, back := rand.New(rand.NewSource(2)), make(chan bool, 1)
	for k := 0; k < transfers; k++ {
		from := r.Intn(n - 1)
		boxes[from] <- transfer{r.Intn(100), false, from + 1 + r.Intn(n-from-1), back}
		<-back
	}
	sum := 0
	for i := range boxes {
		close(boxes[i])
		sum += <-total
	}
	return result{transfers, float64(sum), ""}
}

func logisticMap() result {
	const series, terms = 10, 25000
	type step struct {
		x    float64
		back chan float64
	}
	sums := make(chan float64, series)
	for s := 0; s < series; s++ {
		rate := 3.46 + 0.0025*float64(s)
		compute := make(chan step, 1)
		go func() {
			for q := range compute {
				q.back <- rate * q.x * (1 - q.x)
			}
		}()
		go func(s int) {
			x, back := 0.0025*float64(s+1), make(chan float64, 1)
			for i := 0; i < terms; i++ {
				compute <- step{x, back}
				x = <-back
			}
			close(compute)
			sums <- x
		}(s)
	}
	sum := 0.0
	for s := 0; s < series; s++ {
		sum += <-sums
	}
	return result{series * terms, float64(int64(sum*1000 + 0.5)), ""}
}

func fib(n int, back chan int) {
	if n <= 2 {
		back <- 1
		return
	}
	mine := make(chan int, 2)
	go fib(n-1, mine)
	go fib(n-2, mine)
	back <- <-mine + <-mine
}

func fibonacci() result {
	back := make(chan int, 1)
	go fib(25, back)
	x := <-back
	return result{2*int64(x) - 1, float64(x), ""}
}

func sieve() result {
	const limit, per = 100000, 1000
	var stage func(in chan int, out chan int)
	stage = func(in chan int, out chan int) {
		var primes []int
		var next chan int
		for x := range in {
			prime := true
			for _, p := range primes {
				if x%p == 0 {
					prime = false
					break
				}
			}
			if !prime {
				continue
			}
			if len(primes) < per {
				primes = append(primes, x)
				continue
			}
			if next == nil {
				next = make(chan int, 1024)
				go stage(next, out)
			}
			next <- x
		}
		if next != nil {
			close(next)
		}
		out <- len(primes)
		if next == nil {
			out <- -1
		}
	}
	in, out := make(chan int, 1024), make(chan int, 64)
	go stage(in, out)
	for x := 2; x <= limit; x++ {
		in <- x
	}
	close(in)
	sum := 0
	for {
		n := <-out
		if n < 0 {
			break
		}
		sum += n
	}
	for sum < 9592 {
		sum += <-out
	}
	return result{limit, float64(sum), ""}
}

func queens(n, row int, cols, d1, d2 uint) int {
	if row == n {
		return 1
	}
	sum := 0
	for c := 0; c < n; c++ {
		a, b, d := uint(1)<<c, uint(1)<<(row+c), uint(1)<<(row-c+n)
		if cols&a == 0 && d1&b == 0 && d2&d == 0 {
			sum += queens(n, row+1, cols|a, d1|b, d2|d)
		}
	}
	return sum
}

func nqueens() result {
	const n, depth = 10, 3
	back, tasks := make(chan int, 1024), int64(0)
	var split func(row int, cols, d1, d2 uint) int
	split = func(row int, cols, d1, d2 uint) int {
		started := 0
		for c := 0; c < n; c++ {
			a, b, d := uint(1)<<c, uint(1)<<(row+c), uint(1)<<(row-c+n)
			if cols&a != 0 || d1&b != 0 || d2&d != 0 {
				continue
			}
			if row+1 == depth {
				started++
				go func() { back <- queens(n, row+1, cols|a, d1|b, d2|d) }()
			} else {
				started += split(row+1, cols|a, d1|b, d2|d)
			}
		}
		return started
	}
	started := split(0, 0, 0, 0)
	tasks = int64(started)
	sum := 0
	for i := 0; i < started; i++ {
		sum += <-back
	}
	return result{tasks, float64(sum), ""}
}

func spawn() result {
	const n = 500000
	sum, done := 0, make(chan int, 1)
	for i := 0; i < n; i++ {
		box := make(chan int, 1)
		go func() { done <- <-box }()
		box <- 1
		sum += <-done
	}
	return result{n, float64(sum), ""}
}

func resident() int64 {
	var total, res int64
	f, err := os.Open("/proc/self/statm")
	if err == nil {
		fmt.Fscan(f, &total, &res)
		f.Close()
	}
	return res * int64(os.Getpagesize())
}

func idle() result {
	const n = 200000
	before := resident()
	stop := make(chan bool)
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func(i int) {
			var state [64]byte
			state[0] = byte(i)
			box := make(chan int, 1)
			all.Done()
			select {
			case <-box:
			case <-stop:
			}
			_ = state
		}(i)
	}
	all.Wait()
	used := resident() - before
	close(stop)
	return result{n, n, fmt.Sprintf(`,"bytes":%d`, used/n)}
}

func storm() result {
	const n, tokens, hops = 200000, 1000, 1000
	boxes := make([]chan int, n)
	ended := make(chan int, tokens)
	for i := range boxes {
		boxes[i] = make(chan int, 64)
		go func(i int) {
			x := uint64(i)*2862933555777941757 + 3037000493
			for left := range boxes[i] {
				if left == 0 {
					ended <- 1
					continue
				}
				x = x*2862933555777941757 + 3037000493
				boxes[(x>>33)%n] <- left - 1
			}
		}(i)
	}
	began := time.Now()
	for t := 0; t < tokens; t++ {
		boxes[t*(n/tokens)] <- hops
	}
	sum := 0
	for t := 0; t < tokens; t++ {
		sum += <-ended
	}
	return result{tokens * hops, float64(sum), fmt.Sprintf(`,"inner_s":%f`, time.Since(began).Seconds())}
}

func group() result {
	const n = 100000
	var all sync.WaitGroup
	var lock sync.Mutex
	sum := 0
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			lock.Lock()
			sum++
			lock.Unlock()
			all.Done()
		}()
	}
	all.Wait()
	return result{n, float64(sum), ""}
}

func cancel() result {
	const n = 100000
	ctx, stop := context.WithCancel(context.Background())
	var all, ready sync.WaitGroup
	var lock sync.Mutex
	cleaned := 0
	for i := 0; i < n; i++ {
		all.Add(1)
		ready.Add(1)
		go func() {
			defer all.Done()
			defer func() { lock.Lock(); cleaned++; lock.Unlock() }()
			ready.Done()
			<-ctx.Done()
		}()
	}
	ready.Wait()
	began := time.Now()
	stop()
	all.Wait()
	return result{n, float64(cleaned), fmt.Sprintf(`,"inner_s":%f`, time.Since(began).Seconds())}
}

func timers() result {
	const n = 1000000
	set := make([]*time.Timer, n)
	for i := range set {
		set[i] = time.AfterFunc(time.Hour, func() {})
	}
	began := time.Now()
	for i := range set {
		set[i].Reset(2 * time.Hour)
	}
	spent := time.Since(began)
	stopped := 0
	for i := range set {
		if set[i].Stop() {
			stopped++
		}
	}
	return result{n, float64(stopped), fmt.Sprintf(`,"inner_s":%f`, spent.Seconds())}
}

func flood() result {
	const pings = 2000
	a, b := make(chan int, 64), make(chan int, 64)
	stop := make(chan bool)
	pass := func(in, out chan int) {
		for {
			select {
			case x := <-in:
				out <- x
			case <-stop:
				return
			}
		}
	}
	go pass(a, b)
	go pass(b, a)
	for i := 0; i < 32; i++ {
		a <- i
	}
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	late := make([]float64, 0, pings)
	got := make(chan float64, pings)
	go func() {
		buf := make([]byte, 8)
		for i := 0; i < pings; i++ {
			if _, err := r.Read(buf); err != nil {
				return
			}
			var at int64
			for k := 7; k >= 0; k-- {
				at = at<<8 | int64(buf[k])
			}
			got <- float64(time.Now().UnixNano()-at) / 1e3
		}
	}()
	for i := 0; i < pings; i++ {
		time.Sleep(time.Millisecond)
		at := time.Now().UnixNano()
		buf := make([]byte, 8)
		for k := range buf {
			buf[k] = byte(at >> (8 * k))
		}
		w.Write(buf)
		late = append(late, <-got)
	}
	close(stop)
	sort.Float64s(late)
	return result{pings, float64(len(late)), fmt.Sprintf(`,"p99_us":%.1f`, late[pings*99/100])}
}

func main() {
	all := map[string]func() result{
		"pingpong": pingpong, "ring1": func() result { return ring(1, 5000000) },
		"ring503": func() result { return ring(503, 10000) }, "fanin": func() result { return fanin(100, 20000) },
		"counting": func() result { return fanin(1, 1000000) }, "forkjoincreate": forkJoinCreate,
		"forkjointhroughput": forkJoinThroughput, "chameneos": chameneos, "big": big, "concdict": concDict,
		"conclist": concList, "boundedbuffer": boundedBuffer, "philosophers": philosophers, "barber": barber,
		"smokers": smokers, "bank": bank, "logisticmap": logisticMap, "fibonacci": fibonacci, "sieve": sieve,
		"nqueens": nqueens, "spawn": spawn, "idle": idle, "storm": storm, "group": group, "cancel": cancel,
		"timers": timers, "flood": flood,
	}
	run, ok := all[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such benchmark")
		os.Exit(2)
	}
	times := 1
	if len(os.Args) > 2 {
		times, _ = strconv.Atoi(os.Args[2])
	}
	for ; times > 0; times-- {
		began := time.Now()
		r := run()
		fmt.Printf(`{"ops":%d,"s":%f,"answer":%.0f%s}`+"\n", r.ops, time.Since(began).Seconds(), r.answer, r.extra)
	}
}
