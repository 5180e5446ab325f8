// etcd-load drives an etcd cluster the way redis-benchmark drives Redis, so that the two can be
// compared: N clients that each wait for a reply before they send the next request, random keys
// `key:000000012345` from a fixed range, one value of a fixed size.
//
// It speaks etcd's own gRPC client (clientv3), talks to the leader alone as a Redis client would,
// and reads linearizably, which is etcd's default. With -outstanding P each client keeps P requests
// in flight, as redis-benchmark -P does; the latencies are then of each request, where those of
// redis-benchmark are of each batch of P.
//
// The result is one line of JSON on standard output; errors go to standard error, with status 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
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

func parseOptions() (options, error) {
	var parsed options
	endpoints := flag.String("endpoints", "", "comma-separated host:port of all members")
	flag.StringVar(&parsed.operation, "operation", "put",
		"put, get, fill (put each key once) or settle (bring the members to rest)")
	flag.IntVar(&parsed.clients, "clients", 50, "concurrent clients")
	flag.IntVar(&parsed.outstanding, "outstanding", 1, "requests in flight for each client")
	flag.IntVar(&parsed.connections, "connections", 16, "gRPC connections, at most one a client")
	flag.Int64Var(&parsed.requests, "requests", 10000, "requests in all (fill: one a key)")
	flag.Int64Var(&parsed.keys, "keys", 100000, "size of the key range")
	flag.StringVar(&parsed.keyPrefix, "key-prefix", "key:", "what comes before a key's 12 digits")
	flag.IntVar(&parsed.valueBytes, "value-bytes", 64, "size of a value")
	flag.Int64Var(&parsed.seed, "seed", 1, "seed of the random keys")
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
	return name == "put" || name == "get" || name == "fill" || name == "settle"
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
	latencies []time.Duration
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

func percentileMs(sorted []time.Duration, percent int) float64 {
	rank := (len(sorted)*percent + 99) / 100 // the nearest-rank definition
	return float64(sorted[rank-1]) / float64(time.Millisecond)
}

func runLoad(opts *options) (result, error) {
	leader, err := findLeader(opts.endpoints)
	if err != nil {
		return result{}, err
	}
	connections := make([]*clientv3.Client, opts.connections)
	for i := range connections {
		if connections[i], err = connect(leader); err != nil {
			return result{}, err
		}
		defer connections[i].Close()
	}

	workers := newWorkers(opts, connections)
	value := strings.Repeat("x", opts.valueBytes)
	var tickets int64
	var failed int32
	var done sync.WaitGroup
	start := time.Now()
	for _, w := range workers {
		done.Add(1)
		go func(w *worker) {
			defer done.Done()
			w.run(opts, value, &tickets, &failed)
		}(w)
	}
	done.Wait()
	elapsed := time.Since(start)

	latencies := make([]time.Duration, 0, opts.requests)
	for _, w := range workers {
		if w.err != nil {
			return result{}, fmt.Errorf("%s: %w", opts.operation, w.err)
		}
		latencies = append(latencies, w.latencies...)
	}
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	return result{
		Requests:          opts.requests,
		RequestsPerSecond: float64(opts.requests) / elapsed.Seconds(),
		P50Ms:             percentileMs(latencies, 50),
		P95Ms:             percentileMs(latencies, 95),
		P99Ms:             percentileMs(latencies, 99),
		MaxMs:             percentileMs(latencies, 100),
	}, nil
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
