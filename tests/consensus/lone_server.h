// One Raft under test: server 1 (or another) of a cluster whose other members are played by the
// test. Its disk writes nothing by itself, so that a test can look between a write and its
// durability.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "consensus/raft.h"
#include "gtest/gtest.h"
#include "tests/consensus/memory_disk.h"
#include "tests/consensus/trace.h"

namespace quorate::consensus {

inline constexpr NodeId kSelf{1};
inline constexpr NodeId kSecond{2};
inline constexpr NodeId kThird{3};

using Messages = std::vector<Envelope>;

// In an AppendEntries for LoneServer::Receive: the leader's log up to there is this server's.
inline constexpr Chain kReceiversOwn{~uint64_t{0}};

struct Given {
  size_t voters = 3;  // with the ids 1 .. voters
  uint64_t term = 0;
  uint64_t voted_for = 0;
  std::vector<uint64_t> log_terms = {};  // the terms of the entries 1, 2, ...
  uint64_t base = 0;                     // trimmed up to here
  uint64_t last_applied = 0;
  bool joined = false;  // to a cluster that exists: it knows no configuration
  NodeId self = kSelf;
  bool fresh = false;  // the rules for a cluster's first election apply if its log is empty
  Config config = Defaults();

  // Short timeouts, so that tests tick little.
  static Config Defaults();
};

class LoneServer {
 public:
  explicit LoneServer(const Given& given = {});
  LoneServer(const LoneServer&) = delete;
  LoneServer& operator=(const LoneServer&) = delete;

  Raft& raft() { return *raft_; }
  MemoryDisk& disk() { return disk_; }
  const Config& config() const { return config_; }
  const std::vector<NodeId>& others() const { return others_; }  // the other voters at the start

  void Tick(uint64_t ticks = 1);
  template <typename M>
  void Receive(NodeId from, M message) {
    if constexpr (std::is_same_v<M, AppendEntries>) {
      message = WithChain(std::move(message));
      NoteChains(message);
    }
    raft_->Receive(from, std::move(message));
  }

  // One round of a driver: the write, if any, is queued; reads are collected below.
  Messages Round();
  // Makes all queued writes durable and says so.
  void MakeDurable();
  // Rounds, and durable writes, until there is nothing more to write. All messages of them.
  Messages Settle();
  // All that may be applied.
  std::vector<Entry> Apply();

  // A crash now, and a start from what is durable.
  void Restart(uint64_t last_applied = 0);

  // With the chain of this server's log instead of kReceiversOwn, or with none where it has never
  // had that entry.
  AppendEntries WithChain(AppendEntries append) const;

  // Makes it the leader of the next term, its no-op durable. The messages of the last round.
  Messages BecomeLeader();
  // Makes it a follower of `leader` in `term`.
  void Follow(NodeId leader, uint64_t term);
  // As that follower: everything up to `last_log_index` has been acknowledged.
  void Acknowledge(NodeId from, Index last_log_index);
  // Leader: all peers have acknowledged the whole log; commits it, and tells them.
  void CommitAll();

  Index Propose(const char* bytes);

  std::vector<ReadState> reads;
  std::vector<ReadToken> dropped_reads;
  bool leadership_changed = false;  // in the last round
  std::optional<Persist> last_write;
  std::vector<NodeId> needs_snapshot;
  std::vector<Divergence> divergences;  // of all rounds
  std::vector<SnapshotMessage> snapshot_messages;
  std::vector<ChangeAnswer> change_answers;
  bool configuration_changed = false;  // in the last round

 private:
  void NoteChains(const AppendEntries& append);
  void NoteChains(const Persist& write);

  MemoryDisk disk_;
  Config config_;
  std::vector<NodeId> others_;
  std::unique_ptr<Raft> raft_;
  // Of all entries that it has had or was sent.
  std::map<std::pair<Index, Term>, Chain> chains_;
};

// The messages of one kind, to one server or to all.
template <typename M>
std::vector<M> Of(const Messages& messages, std::optional<NodeId> to = std::nullopt) {
  std::vector<M> found;
  for (const Envelope& envelope : messages) {
    if (const M* message = std::get_if<M>(&envelope.message);
        message && (!to || envelope.to == *to)) {
      found.push_back(*message);
    }
  }
  return found;
}

// The only message of its kind to `to`; a failure of the test, and an empty message, if there is
// none or more than one.
template <typename M>
M Only(const Messages& messages, NodeId to) {
  std::vector<M> found = Of<M>(messages, to);
  EXPECT_EQ(found.size(), 1U);
  return found.size() == 1 ? found.front() : M();
}

// Members without addresses; the learners behind the voters.
Configuration MakeConfiguration(std::vector<uint64_t> voters, std::vector<uint64_t> learners = {});
Entry MakeEntry(uint64_t index, uint64_t term, const char* bytes = "x");
Entry MakeEntry(uint64_t index, uint64_t term, const Configuration& configuration);
// With kReceiversOwn as the chain.
AppendEntries MakeAppend(uint64_t term, uint64_t prev_index, uint64_t prev_term, uint64_t commit,
                         std::vector<Entry> entries = {});
AppendEntriesReply Success(uint64_t term, uint64_t index);
AppendEntriesReply Refusal(uint64_t term, uint64_t prev_index, uint64_t hint_index,
                           uint64_t hint_term);
RequestVote AskVote(uint64_t term, uint64_t last_index, uint64_t last_term);
RequestVote AskPreVote(uint64_t term, uint64_t last_index, uint64_t last_term);
RequestVoteReply Vote(uint64_t term, bool granted = true);
RequestVoteReply PreVote(uint64_t term, bool granted = true);

}  // namespace quorate::consensus
