// etcd-load drives an etcd cluster the way redis-benchmark drives Redis, so that the two can be
// compared: N clients that each wait for a reply before they send the next request, random keys
// `key:000000012345` from a fixed range, one value of a fixed size.
//
// It speaks etcd's own gRPC client (clientv3), talks to the leader alone as a Redis client would,
// and reads linearizably, which is etcd's default. With -outstanding P each client keeps P requests
// in flight, as redis-benchmark -P does; the latencies are then of each request, where those of
// redis-benchmark are of each batch of P.
//
// The operation `mixed` goes on for -seconds and reports its puts and gets apart.
//
// The result is one line of JSON on standard output; errors go to standard error, with status 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc"
)

const (
	dialTimeout      = 5 * time.Second
	leaderTimeout    = 30 * time.Second
	leaderPollPeriod = 100 * time.Millisecond

	// Twice etcd's own backend-batch-interval of 100 ms, and a margin.
	backendCommitTime = 250 * time.Millisecond
)

type options struct {
	endpoints   []string
	operation   string
	clients     int
	outstanding int
	connections int
	requests    int64
	keys        int64
	keyPrefix   string
	valueBytes  int
	seed        int64
	seconds     float64
	setPercent  int
}

// result is what a run prints; latencies are in milliseconds.
type result struct {
	Requests          int64   `json:"requests"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	P50Ms             float64 `json:"p50_ms"`
	P95Ms             float64 `json:"p95_ms"`
	P99Ms             float64 `json:"p99_ms"`
	MaxMs             float64 `json:"max_ms"`
}

// mixedResult is what a run of `mixed` prints; null: there was no such operation.
type mixedResult struct {
	Set *detailedResult `json:"set,omitempty"`
	Get *detailedResult `json:"get,omitempty"`
}

type detailedResult struct {
	result
	P999Ms float64 `json:"p999_ms"`
}

func parseOptions() (options, error) {
	var parsed options
	endpoints := flag.String("endpoints", "", "comma-separated host:port of all members")
	flag.StringVar(&parsed.operation, "operation", "put",
		"put, get, mixed, fill (put each key once) or settle (bring the members to rest)")
	flag.IntVar(&parsed.clients, "clients", 50, "concurrent clients")
	flag.IntVar(&parsed.outstanding, "outstanding", 1, "requests in flight for each client")
	flag.IntVar(&parsed.connections, "connections", 16, "gRPC connections, at most one a client")
	flag.Int64Var(&parsed.requests, "requests", 10000, "requests in all (fill: one a key)")
	flag.Int64Var(&parsed.keys, "keys", 100000, "size of the key range")
	flag.StringVar(&parsed.keyPrefix, "key-prefix", "key:", "what comes before a key's 12 digits")
	flag.IntVar(&parsed.valueBytes, "value-bytes", 64, "size of a value")
	flag.Int64Var(&parsed.seed, "seed", 1, "seed of the random keys")
	flag.Float64Var(&parsed.seconds, "seconds", 3, "mixed: for how long")
	flag.IntVar(&parsed.setPercent, "set-percent", 20, "mixed: how many of 100 are puts")
	flag.Parse()

	parsed.endpoints = strings.Split(*endpoints, ",")
	if parsed.operation == "fill" {
		parsed.requests = parsed.keys
	}
	if parsed.connections > parsed.clients {
		parsed.connections = parsed.clients
	}
	switch {
	case flag.NArg() != 0:
		return parsed, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *endpoints == "":
		return parsed, errors.New("-endpoints is required")
	case !isOperation(parsed.operation):
		return parsed, fmt.Errorf("unknown operation %q", parsed.operation)
	case parsed.clients < 1 || parsed.outstanding < 1 || parsed.connections < 1 ||
		parsed.requests < 1 || parsed.keys < 1 || parsed.valueBytes < 0:
		return parsed, errors.New("a count is too small")
	}
	return parsed, nil
}

func isOperation(name string) bool {
	return name == "put" || name == "get" || name == "mixed" || name == "fill" || name == "settle"
}

// connect returns once there is a connection to endpoint.
func connect(endpoint string) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{endpoint},
		DialTimeout: dialTimeout,
		DialOptions: []grpc.DialOption{grpc.WithBlock()},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", endpoint, err)
	}
	return client, nil
}

// leaderAmong asks every member once; "" when none of them says that it leads.
func leaderAmong(client *clientv3.Client, endpoints []string) string {
	for _, endpoint := range endpoints {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		status, err := client.Status(ctx, endpoint)
		cancel()
		if err == nil && status.Leader != 0 && status.Leader == status.Header.MemberId {
			return endpoint
		}
	}
	return ""
}

// findLeader waits for members that are still starting or electing.
func findLeader(endpoints []string) (string, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints})
	if err != nil {
		return "", err
	}
	defer client.Close()
	for deadline := time.Now().Add(leaderTimeout); time.Now().Before(deadline); {
		if leader := leaderAmong(client, endpoints); leader != "" {
			return leader, nil
		}
		time.Sleep(leaderPollPeriod)
	}
	return "", fmt.Errorf("no leader among %v after %v", endpoints, leaderTimeout)
}

// worker is one blocking loop: a request, its reply, the next request.
type worker struct {
	client    *clientv3.Client
	random    *rand.Rand
	latencies []time.Duration // of puts and gets alike, but for `mixed`: there of gets
	puts      []time.Duration // of `mixed`
	err       error
}

// run takes tickets until the requests of all workers together are used up, or one of them failed.
func (w *worker) run(opts *options, value string, tickets *int64, failed *int32) {
	for {
		ticket := atomic.AddInt64(tickets, 1) - 1
		if ticket >= opts.requests || atomic.LoadInt32(failed) != 0 {
			return
		}
		number := ticket
		if opts.operation != "fill" {
			number = w.random.Int63n(opts.keys)
		}
		key := fmt.Sprintf("%s%012d", opts.keyPrefix, number)

		start := time.Now()
		if opts.operation == "get" {
			w.err = get(w.client, key)
		} else {
			_, w.err = w.client.Put(context.Background(), key, value)
		}
		w.latencies = append(w.latencies, time.Since(start))
		if w.err != nil {
			atomic.StoreInt32(failed, 1)
			return
		}
	}
}

// runMixed goes on until the deadline, or until one of the workers failed.
func (w *worker) runMixed(opts *options, value string, deadline time.Time, failed *int32) {
	for start := time.Now(); start.Before(deadline) && atomic.LoadInt32(failed) == 0; {
		key := fmt.Sprintf("%s%012d", opts.keyPrefix, w.random.Int63n(opts.keys))
		isPut := w.random.Intn(100) < opts.setPercent
		if isPut {
			_, w.err = w.client.Put(context.Background(), key, value)
		} else {
			w.err = get(w.client, key)
		}
		if w.err != nil {
			atomic.StoreInt32(failed, 1)
			return
		}
		end := time.Now()
		if isPut {
			w.puts = append(w.puts, end.Sub(start))
		} else {
			w.latencies = append(w.latencies, end.Sub(start))
		}
		start = end
	}
}

// get fails on a missing key: a miss is cheaper than a hit, so it would flatter the result.
func get(client *clientv3.Client, key string) error {
	response, err := client.Get(context.Background(), key)
	if err == nil && len(response.Kvs) == 0 {
		return fmt.Errorf("key %s is missing: fill the key range first", key)
	}
	return err
}

func newWorkers(opts *options, connections []*clientv3.Client) []*worker {
	workers := make([]*worker, 0, opts.clients*opts.outstanding)
	// Room for twice a fair share, so that growing a slice does not show up as latency.
	share := 2 * opts.requests / int64(cap(workers))
	for client := 0; client < opts.clients; client++ {
		for i := 0; i < opts.outstanding; i++ {
			workers = append(workers, &worker{
				client:    connections[client%len(connections)],
				random:    rand.New(rand.NewSource(opts.seed*1000003 + int64(len(workers)))),
				latencies: make([]time.Duration, 0, share+1),
			})
		}
	}
	return workers
}

func percentileMs(sorted []time.Duration, percent float64) float64 {
	rank := int(math.Ceil(float64(len(sorted)) * percent / 100)) // the nearest-rank definition
	return float64(sorted[rank-1]) / float64(time.Millisecond)
}

// connectAll finds the leader and returns the clients' connections to it.
func connectAll(opts *options) ([]*clientv3.Client, error) {
	leader, err := findLeader(opts.endpoints)
	if err != nil {
		return nil, err
	}
	connections := make([]*clientv3.Client, opts.connections)
	for i := range connections {
		if connections[i], err = connect(leader); err != nil {
			return nil, err
		}
	}
	return connections, nil
}

// runAll has all workers do `work` at once and returns how long that took.
func runAll(opts *options, workers []*worker, work func(w *worker)) (time.Duration, error) {
	var done sync.WaitGroup
	start := time.Now()
	for _, w := range workers {
		done.Add(1)
		go func(w *worker) {
			defer done.Done()
			work(w)
		}(w)
	}
	done.Wait()
	elapsed := time.Since(start)
	for _, w := range workers {
		if w.err != nil {
			return 0, fmt.Errorf("%s: %w", opts.operation, w.err)
		}
	}
	return elapsed, nil
}

// summarize sorts latencies, of which there is at least one.
func summarize(latencies []time.Duration, elapsed time.Duration) detailedResult {
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	return detailedResult{
		result: result{
			Requests:          int64(len(latencies)),
			RequestsPerSecond: float64(len(latencies)) / elapsed.Seconds(),
			P50Ms:             percentileMs(latencies, 50),
			P95Ms:             percentileMs(latencies, 95),
			P99Ms:             percentileMs(latencies, 99),
			MaxMs:             percentileMs(latencies, 100),
		},
		P999Ms: percentileMs(latencies, 99.9),
	}
}

func runLoad(opts *options) (result, error) {
	connections, err := connectAll(opts)
	if err != nil {
		return result{}, err
	}
	workers := newWorkers(opts, connections)
	value := strings.Repeat("x", opts.valueBytes)
	var tickets int64
	var failed int32
	elapsed, err := runAll(opts, workers, func(w *worker) { w.run(opts, value, &tickets, &failed) })
	if err != nil {
		return result{}, err
	}
	latencies := make([]time.Duration, 0, opts.requests)
	for _, w := range workers {
		latencies = append(latencies, w.latencies...)
	}
	return summarize(latencies, elapsed).result, nil
}

func runMixedLoad(opts *options) (mixedResult, error) {
	connections, err := connectAll(opts)
	if err != nil {
		return mixedResult{}, err
	}
	workers := newWorkers(opts, connections)
	value := strings.Repeat("x", opts.valueBytes)
	var failed int32
	deadline := time.Now().Add(time.Duration(opts.seconds * float64(time.Second)))
	elapsed, err := runAll(opts, workers, func(w *worker) {
		w.runMixed(opts, value, deadline, &failed)
	})
	if err != nil {
		return mixedResult{}, err
	}
	var puts, gets []time.Duration
	for _, w := range workers {
		puts = append(puts, w.puts...)
		gets = append(gets, w.latencies...)
	}
	var measured mixedResult
	if len(puts) > 0 {
		summary := summarize(puts, elapsed)
		measured.Set = &summary
	}
	if len(gets) > 0 {
		summary := summarize(gets, elapsed)
		measured.Get = &summary
	}
	return measured, nil
}

// settle undoes what a burst of writes does to the reads that follow it. etcd 3.4 copies its buffer
// of recent writes for every read, at the size to which the largest burst made it grow, and gives a
// grown buffer up only at a backend commit that wrote something, but no key (mvcc/backend,
// txBuffer.reset). Reads after a fill were measured at less than half the speed of reads after a
// restart. Granting and revoking a lease is such a write, so every measurement starts from etcd at
// its best.
func settle(opts *options) error {
	leader, err := findLeader(opts.endpoints)
	if err != nil {
		return err
	}
	client, err := connect(leader)
	if err != nil {
		return err
	}
	defer client.Close()
	time.Sleep(backendCommitTime) // the commit of what was written last
	lease, err := client.Grant(context.Background(), 60)
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	time.Sleep(backendCommitTime)
	if _, err = client.Revoke(context.Background(), lease.ID); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	time.Sleep(backendCommitTime)
	return nil
}

func run() error {
	opts, err := parseOptions()
	if err != nil {
		return err
	}
	if opts.operation == "settle" {
		return settle(&opts)
	}
	if opts.operation == "mixed" {
		measured, err := runMixedLoad(&opts)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(measured)
	}
	measured, err := runLoad(&opts)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(measured)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "etcd-load:", err)
		os.Exit(1)
	}
}
