// A node at work between its sockets and its disk: requests in, replies out. The log is durable at
// once, and nobody else is there to wait for; the state is LMDB's, with its checkpoints.
#include <benchmark/benchmark.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/per_operation.h"
#include "benchmarks/workload.h"
#include "consensus/configuration.h"
#include "src/commands/table.h"
#include "src/members/membership.h"
#include "src/node/instance.h"
#include "src/node/node.h"
#include "src/pipeline/dispatcher.h"
#include "src/requests/batch.h"
#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/folder/data_directory.h"
#include "storage/log/log_sizes.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate {
namespace {

constexpr uint64_t kKeys = 100'000;

class RealClock : public Clock {
 public:
  int64_t monotonic_ns() const override { return Ns(std::chrono::steady_clock::now()); }
  int64_t unix_us() const override { return Ns(std::chrono::system_clock::now()) / 1000; }

 private:
  template <typename Time>
  static int64_t Ns(Time time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  }
};

// A log in memory.
class InstantLog : public storage::LogWriter, public consensus::LogReader {
 public:
  void Submit(consensus::Persist persist) override {
    for (consensus::Entry& entry : persist.entries) {
      sizes_.Append(entry.payload.size());
      entries_.push_back(std::move(entry));
    }
    durable_ = persist.seq;
  }
  void Trim(consensus::Index index) override {
    while (!entries_.empty() && entries_.front().index <= index) entries_.pop_front();
    trimmed_ = index;
    sizes_.Trim(index);
  }
  consensus::PersistSeq durable() const override { return durable_; }
  consensus::Index trimmed() const override { return trimmed_; }
  size_t log_bytes() const override { return sizes_.bytes(); }
  consensus::Index StartOfTail(size_t payload_bytes_max) const override {
    return sizes_.StartOfTail(payload_bytes_max);
  }
  std::vector<consensus::Entry> Read(consensus::Index first, consensus::Index last,
                                     size_t) const override {
    std::vector<consensus::Entry> found;
    for (consensus::Index index = first; index <= last; ++index) {
      found.push_back(entries_.at(index.DistanceFrom(entries_.front().index)));
    }
    return found;
  }

 private:
  std::deque<consensus::Entry> entries_;
  storage::LogSizes sizes_;
  consensus::PersistSeq durable_;
  consensus::Index trimmed_;
};

class NoSnapshots : public storage::SnapshotStore {
 public:
  storage::Result<std::unique_ptr<storage::SnapshotView>> OpenView() override {
    return storage::Error{"there are no snapshots"};
  }
  std::unique_ptr<storage::SnapshotTarget> BeginTarget(const storage::StateMeta&) override {
    return nullptr;
  }
};

class NoNetwork : public Network {
 public:
  void SetPeers(const std::vector<Member>&) override {}
  void Send(consensus::NodeId, consensus::Message) override {}
  void FoundingKnown() override {}
  void Probe(const Member&, int64_t, Probed) override {}
};

std::vector<Member> Members(uint64_t count) {
  std::vector<Member> members;
  for (uint64_t id = 1; id <= count; ++id) {
    const auto port = static_cast<uint16_t>(7000 + id);
    members.push_back({id, "127.0.0.1", port, static_cast<uint16_t>(port + 10000)});
  }
  return members;
}

storage::OpenedStorage OpenStorage(const std::string& path, const std::vector<Member>& members) {
  storage::StorageOptions options;
  options.initial_configuration = consensus::Encode(InitialConfiguration(members));
  const storage::Identity identity = {
      .cluster_id = 7, .node_id = consensus::NodeId(1), .members = "all"};
  auto opened = storage::OpenStorage(path, identity, options);
  if (!opened.ok()) std::abort();
  return std::move(opened.value());
}

// The member 1 of so many.
class Machine {
 public:
  explicit Machine(uint64_t member_count)
      : storage_(OpenStorage(folder_ / "data", Members(member_count))) {
    spdlog::set_level(spdlog::level::off);
    const std::vector<Member> members = Members(member_count);
    NodeOptions options;
    options.cluster_id = 7;
    options.raft.id = consensus::NodeId(1);
    options.raft.seed = 1;
    options.self = members[0];
    consensus::Recovered recovered = storage_.recovered;
    recovered.configuration = InitialConfiguration(members);
    // One of several has voted once, or a leader's word would tell it that its folder was lost.
    if (member_count > 1) recovered.hard_state = {consensus::Term(1), consensus::NodeId(2)};
    node_ =
        std::make_unique<Node>(options, recovered,
                               Node::Parts{log_, log_, *storage_.state, checkpointer_, snapshots_,
                                           network_, clock_, statistics_, sessions_, Commands()});
    backups_ = std::make_unique<Backups>(*node_, sessions_, statistics_, clock_,
                                         [] { return Backups::Task(); });
    instance_ = std::make_unique<Instance>(Instance{
        config_, *node_, sessions_, statistics_, clock_, *backups_, {}, {}, {}, {}, {}, {}});
    instance_->storage_statistics = [] { return StorageStatistics{}; };
    instance_->config_changed = [] { return std::nullopt; };
    dispatcher_ = std::make_unique<Dispatcher>(*instance_);
  }

  Node& node() { return *node_; }

  void BecomeLeader() {
    while (!node_->raft().leader_is_established()) {
      node_->Tick();
      node_->Flush();
    }
  }

  std::shared_ptr<Session> Connect() {
    return sessions_.Open("127.0.0.1:50000", "127.0.0.1:7001", clock_.monotonic_ms());
  }
  void Receive(Session& session, std::string_view bytes) { dispatcher_->Receive(session, bytes); }

  // What the owner of the sockets does at the end of a round. How many replies bytes there were.
  size_t TakeReplies() {
    size_t bytes = 0;
    for (const std::shared_ptr<Session>& session : sessions_.TakeScheduled()) {
      bytes += session->replies.output().size();
      session->replies.output().clear();
      sessions_.Count(*session);
    }
    return bytes;
  }

 private:
  const storage::TemporaryDirectory folder_;
  storage::OpenedStorage storage_;
  storage::ThreadedCheckpointer checkpointer_{*storage_.state, {}};
  InstantLog log_;
  NoSnapshots snapshots_;
  NoNetwork network_;
  RealClock clock_;
  Config config_;
  Statistics statistics_;
  resp::Limits limits_;
  Sessions sessions_{&limits_};
  std::unique_ptr<Node> node_;
  std::unique_ptr<Backups> backups_;
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

// --- The leader: a cluster of one, with clients ---

class Leader {
 public:
  explicit Leader(size_t clients) {
    machine_.BecomeLeader();
    for (size_t i = 0; i < clients; ++i) clients_.push_back(machine_.Connect());
    std::string fill;
    for (uint64_t number = 0; number < kKeys; ++number) {
      fill += SetRequest(number);
      if (fill.size() < 100'000 && number + 1 < kKeys) continue;
      Ask(0, std::exchange(fill, {}));
      Answer(1);
    }
  }

  void Ask(size_t client, std::string_view bytes) { machine_.Receive(*clients_[client], bytes); }
  // Ends rounds until there are replies of so many bytes.
  void Answer(size_t reply_bytes) {
    size_t bytes = machine_.TakeReplies();
    do {
      machine_.node().Flush();
      bytes += machine_.TakeReplies();
    } while (bytes < reply_bytes || machine_.node().requests_in_flight() > 0);
  }

  static Leader& OfFiftyClients() {
    static Leader leader(50);
    return leader;
  }

 private:
  Machine machine_{1};
  std::vector<std::shared_ptr<Session>> clients_;
};

std::vector<std::string> MakeRequests(std::string (*make)(uint64_t)) {
  std::vector<std::string> requests;
  for (uint64_t number = 0; number < kKeys; ++number) requests.push_back(make(number));
  return requests;
}

// 50 clients ask one after another, and get their replies in one round: from the bytes of a socket
// to those of the reply, but for the disk and the other members.
void Serve(benchmark::State& state, std::string (*make)(uint64_t), size_t reply_bytes) {
  constexpr size_t kClients = 50;
  Leader& leader = Leader::OfFiftyClients();
  const std::vector<std::string> requests = MakeRequests(make);
  Scattered numbers(kKeys);
  const PerOperation report(state, kClients);
  for (auto _ : state) {
    for (size_t client = 0; client < kClients; ++client) {
      leader.Ask(client, requests[numbers.Next()]);
    }
    leader.Answer(kClients * reply_bytes);
  }
}

void LeaderSet(benchmark::State& state) { Serve(state, &SetRequest, resp::kReplyOk.size()); }
BENCHMARK(LeaderSet);

void LeaderGet(benchmark::State& state) {
  Serve(state, &GetRequest, std::string_view("$64\r\n\r\n").size() + SomeValue().size());
}
BENCHMARK(LeaderGet);

// --- A follower: what the leader has sent is applied ---

class Follower {
 public:
  // Appends a batch of commands and has it applied: the next message says that it is committed.
  void Apply(std::string batch) {
    consensus::AppendEntries append;
    append.term = kTerm;
    append.prev_log_index = last_;
    append.prev_log_term = last_ == consensus::Index() ? consensus::Term() : kTerm;
    append.prev_log_chain = chain_;
    append.leader_commit = last_;
    append.entries.push_back({.term = kTerm,
                              .index = last_ + 1,
                              .kind = consensus::EntryKind::kBatch,
                              .payload = consensus::Payload(std::move(batch))});
    chain_ = ExtendChain(chain_, append.entries.back());
    ++last_;
    Receive(std::move(append));
    Receive(consensus::Heartbeat{.term = kTerm, .leader_commit = last_});
    while (machine_.node().keys().last_applied() < last_) machine_.node().Flush();
  }

  static Follower& OfThree() {
    static Follower follower;
    return follower;
  }

 private:
  static constexpr consensus::Term kTerm{1};

  Follower() {
    for (uint64_t number = 0; number < kKeys;) {
      BatchBuilder builder;
      for (uint64_t end = number + 1000; number < end; ++number) Add(&builder, number);
      Apply(builder.Finish(1, 1));
    }
  }

  void Receive(consensus::Message message) {
    machine_.node().Receive(consensus::NodeId(2), std::move(message));
    machine_.node().Flush();
    machine_.node().Flush();
  }

 public:
  static void Add(BatchBuilder* builder, uint64_t number) {
    const std::string request = SetRequest(number);
    resp::Limits limits;
    resp::RequestParser parser(&limits);
    if (parser.Parse(request) != resp::RequestParser::Status::kRequest) std::abort();
    builder->Add(parser.request());
  }

 private:
  Machine machine_{3};
  consensus::Index last_;
  consensus::Chain chain_;  // up to last_
};

// Entries of so many SETs, appended and applied; reported is a SET, with its payload's checksum.
void FollowerApply(benchmark::State& state) {
  constexpr size_t kBatches = 64;
  Follower& follower = Follower::OfThree();
  Scattered numbers(kKeys);
  std::vector<std::string> batches;
  for (size_t i = 0; i < kBatches; ++i) {
    BatchBuilder builder;
    for (int64_t command = 0; command < state.range(0); ++command) {
      Follower::Add(&builder, numbers.Next());
    }
    batches.push_back(builder.Finish(1, i));
  }
  size_t next = 0;
  const PerOperation report(state, state.range(0));
  for (auto _ : state) follower.Apply(batches[next++ % kBatches]);
}
BENCHMARK(FollowerApply)->Arg(1)->Arg(50)->Arg(800);

}  // namespace
}  // namespace quorate
