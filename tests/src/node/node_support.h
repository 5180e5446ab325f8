// A cluster of real nodes over made-up disks, network and clock, driven step by step: a test
// decides when a disk completes, what a network delivers, and which time it is.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/raft.h"
#include "src/node/instance.h"
#include "src/node/node.h"
#include "src/pipeline/dispatcher.h"
#include "storage/keyspace/key_space.h"
#include "storage/log/log_sizes.h"
#include "storage/log/log_writer.h"
#include "tests/storage/keyspace/owned_record.h"

namespace quorate {

class TestClock : public Clock {
 public:
  int64_t monotonic_ns() const override { return now_ms * 1'000'000; }
  int64_t unix_us() const override { return 1'700'000'000'000'000 + now_ms * 1000; }
  int64_t now_ms = 1;
};

// What one member's clocks show. Its wall clock may be wrong.
class MemberClock : public Clock {
 public:
  explicit MemberClock(const TestClock& time) : time_(time) {}
  int64_t monotonic_ns() const override { return time_.monotonic_ns(); }
  int64_t unix_us() const override { return time_.unix_us() + wall_offset_ms * 1000; }
  int64_t wall_offset_ms = 0;

 private:
  const TestClock& time_;
};

// A log that is durable as far as Complete() has been called.
class TestDisk : public storage::LogWriter, public consensus::LogReader {
 public:
  void Submit(consensus::Persist persist) override { queue_.push_back(std::move(persist)); }
  void Trim(consensus::Index index) override {
    trimmed_ = index;
    sizes_.Trim(index);
  }
  consensus::PersistSeq durable() const override { return durable_; }
  consensus::Index trimmed() const override { return trimmed_; }
  size_t room_bytes() const override { return room; }
  size_t log_bytes() const override { return sizes_.bytes(); }
  consensus::Index StartOfTail(size_t payload_bytes_max) const override {
    return sizes_.StartOfTail(payload_bytes_max);
  }
  std::vector<consensus::Entry> Read(consensus::Index first, consensus::Index last,
                                     size_t) const override {
    std::vector<consensus::Entry> entries;
    for (consensus::Index index = first; index <= last; ++index) entries.push_back(log_.at(index));
    return entries;
  }

  // Makes everything that was submitted durable.
  void Complete();
  size_t room = std::numeric_limits<size_t>::max();  // bytes that still find space

  // What a start finds now.
  consensus::Recovered Recover() const;
  // The process has ended: what was not durable is gone.
  void Crash();

  // What is durable.
  struct Image {
    consensus::HardState hard_state;
    consensus::FoundingId founding;
    std::string ledger;
    std::map<consensus::Index, consensus::Entry> log;
  };
  Image Copy() const { return {hard_state_, founding_, ledger_, log_}; }
  // The process has ended, and the disk is as it was when the copy was made.
  void PutBack(const Image& copy);

 private:
  std::deque<consensus::Persist> queue_;
  consensus::PersistSeq durable_;
  consensus::Index trimmed_;
  consensus::HardState hard_state_;
  consensus::FoundingId founding_;
  std::string ledger_;
  std::map<consensus::Index, consensus::Entry> log_;
  storage::LogSizes sizes_;
};

// Checkpoints in memory, finished when the test says so.
class TestState : public storage::StateReader, public storage::Checkpointer {
 public:
  const storage::StateMeta& meta() const override { return meta_; }
  std::optional<storage::RecordView> Find(storage::DatabaseId database,
                                          std::string_view key) const override;
  storage::DatabaseSums LoadSlotSums() const override;
  void Refresh() override;
  void Start(storage::Checkpoint checkpoint) override { started_ = std::move(checkpoint); }
  bool TakeFinished() override { return std::exchange(finished_, false); }

  bool disk_full() const override { return full; }

  bool full = false;  // the checkpoint finds no space
  // The members that the cluster begins with.
  void BeginWith(const std::vector<Member>& members) {
    meta_.configuration = consensus::Encode(InitialConfiguration(members));
  }
  bool checkpoint_started() const { return started_.has_value(); }
  void Finish() { finished_ = started_.has_value(); }
  // The process has ended: the checkpoint under way is lost.
  void Crash() { started_.reset(); }

 private:
  std::optional<storage::Checkpoint> started_;
  bool finished_ = false;
  storage::StateMeta meta_;
  std::map<std::pair<storage::DatabaseId, std::string>, storage::OwnedRecord> rows_;
};

class TestCluster;

// Of a test without snapshots.
class NoSnapshots : public storage::SnapshotStore {
 public:
  storage::Result<std::unique_ptr<storage::SnapshotView>> OpenView() override {
    return storage::Error{"there are no snapshots"};
  }
  std::unique_ptr<storage::SnapshotTarget> BeginTarget(const storage::StateMeta&) override {
    return nullptr;
  }
};

struct TestNetwork : Network {
  void SetPeers(const std::vector<Member>&) override {}
  void Send(consensus::NodeId to, consensus::Message message) override;
  void FoundingKnown() override {}
  void Probe(const Member& place, int64_t timeout_ms, Probed done) override;
  TestCluster* cluster = nullptr;
  uint64_t from = 0;
};

// One member, and what it stands on.
struct TestMember {
  TestMember(TestCluster* cluster, const NodeOptions& options, const std::vector<Member>& members,
             uint64_t id);
  // Begins a life with what is on the disk.
  void Start();

  NodeOptions options;
  MemberClock clock;
  TestDisk disk;
  TestState state;
  NoSnapshots snapshots;
  TestNetwork network;
  Config config;
  Statistics statistics;
  resp::Limits limits;
  Sessions sessions{&limits};
  bool disk_works = true;  // completes what is submitted at the end of each step
  bool connected = true;   // sends and receives
  std::unique_ptr<Node> node;
  std::unique_ptr<Backups> backups;
  // What has come of the backup under way, and how many were begun.
  std::optional<storage::Result<storage::StateMeta>> backup_end;
  int backups_begun = 0;
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Dispatcher> dispatcher;
};

class TestCluster {
 public:
  explicit TestCluster(size_t members, const NodeOptions& options = {});

  TestMember& member(uint64_t id) { return *members_.at(id); }
  Node& node(uint64_t id) { return *member(id).node; }
  // Ends the process, with all that is not durable, and starts it anew.
  void Restart(uint64_t id);
  TestClock& clock() { return clock_; }

  // One round of each member's loop, then everything sent is delivered, and working disks complete.
  void Step();
  void Steps(int count) {
    while (count-- > 0) Step();
  }
  // 10 ms pass, with steps enough for what they cause.
  void Tick();
  // Until a leader is established among the connected, which must come; its id.
  uint64_t WaitForLeader();
  // Until this member leads: it asks for leadership where need be.
  void MakeLeader(uint64_t id);

  std::shared_ptr<Session> Connect(uint64_t id);
  // Bytes from a client.
  void Send(uint64_t id, Session& session, std::string_view bytes) {
    member(id).dispatcher->Receive(session, bytes);
  }
  // The replies that have become known since the last call.
  static std::string Replies(Session& session) {
    return std::exchange(session.replies.output(), {});
  }

  void Deliver(uint64_t from, consensus::NodeId to, consensus::Message message);
  void Probe(uint64_t from, const Member& place, int64_t timeout_ms, Network::Probed done);

  // What is at an address, by its client port, where neither an empty node nor one of the members.
  std::map<uint16_t, ProbeAnswer> others;
  // Whoever is added answers heartbeats.
  bool newcomers_follow = true;

 private:
  struct OpenProbe {
    uint64_t from;
    uint16_t port;
    int64_t deadline_ms;
    Network::Probed done;
  };
  // What stands at that address now.
  ProbeAnswer FindOut(uint16_t port) const;

  struct Sent {
    uint64_t from;
    uint64_t to;
    consensus::Message message;
  };

  TestClock clock_;
  std::deque<Sent> sent_;
  std::vector<OpenProbe> probes_;
  std::map<uint64_t, std::unique_ptr<TestMember>> members_;
};

// "*2\r\n$3\r\nGET\r\n$1\r\na\r\n" for {"GET", "a"}.
std::string Request(const std::vector<std::string_view>& arguments);

}  // namespace quorate
