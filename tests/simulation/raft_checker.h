// Looks at all nodes at once, after every round of each, and holds them to what must be true of any
// Raft cluster: the five properties of the paper's figure 3, and the promises about durability that
// they rest on. Nothing here can be seen by one node alone, which is why the asserts in consensus/
// are not enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "consensus/message.h"
#include "consensus/raft.h"
#include "consensus/types.h"
#include "src/node/node.h"
#include "tests/simulation/log_disk.h"
#include "tests/simulation/verdict.h"

namespace quorate::simulation {

class RaftChecker {
 public:
  // `disks`: of all machines, in the order of their places. `first`: what the cluster begins with.
  RaftChecker(std::vector<const LogDisk*> disks, const consensus::Configuration& first,
              Verdict& verdict);

  // The node at that place begins a life as that member, with this and with what is on its disk.
  void Started(size_t node, consensus::NodeId member, const consensus::Recovered& recovered);
  // Its disk is empty now, whoever's it was.
  void Emptied(size_t node) { lives_[node] = {}; }
  // What the member there has on its disk, and has said, is about to be lost without its knowing.
  void Lost(size_t node) { lost_.emplace(lives_[node].member, disks_[node]->chain()); }
  // It has handed a write to its disk.
  void Submitted(size_t node, const consensus::Persist& persist);
  // It says something. Called after the round's write was submitted.
  void Sent(size_t node, const consensus::Raft& raft, consensus::NodeId to,
            const consensus::Message& message);
  // A round has ended: what it has written and sent has been shown before.
  void EndRound(size_t node, const Node& member);

  // Of the committed log up to each index, from 0 to `index`. Precondition: index <= committed().
  std::vector<Chain> CommittedChain(consensus::Index index) const;
  uint64_t committed() const { return committed_.size() - 1; }
  // How many of the committed entries hold commands.
  uint64_t committed_batches() const { return committed_batches_; }
  // Those of the committed entries that hold commands, in their order.
  std::vector<consensus::Payload> CommittedBatches() const;
  size_t terms_led() const { return leader_of_term_.size(); }
  // Those that were committed, by index; the first is what the cluster began with.
  const std::map<uint64_t, consensus::Configuration>& configurations() const {
    return committed_configurations_;
  }

 private:
  // One life of one node, as far as it has been seen.
  struct Life {
    consensus::NodeId member;  // 0: none
    std::vector<Chain> log;    // in memory, up to each index, from 0 on
    // In the log, by index; the first is that of the state it began with, or of none.
    std::map<uint64_t, consensus::Configuration> configurations;
    consensus::Term term;
    consensus::Index commit_index;
    consensus::Index last_applied;
  };
  struct Committed {
    Chain chain;
    consensus::Term term_of_commit;  // of the node that was first to know
  };
  struct LeaderLog {
    consensus::NodeId member;
    size_t node;
    uint64_t last_index;
    Chain chain;
  };
  // The state after an entry.
  struct State {
    uint64_t digest;
    uint64_t revision;
    uint64_t key_count;
    int64_t clock_ms;
    bool operator==(const State&) const = default;
  };
  struct IndexAndTerm {
    uint64_t index;
    uint64_t term;
    bool operator==(const IndexAndTerm&) const = default;
  };
  struct IndexAndTermHash {
    size_t operator()(const IndexAndTerm& place) const {
      return (place.index * 0x9e3779b97f4a7c15) ^ place.term;
    }
  };

  void CheckLeader(size_t node, const consensus::Raft& raft);
  void CheckCommit(size_t node, const consensus::Raft& raft);
  void CheckConfiguration(size_t node, const consensus::Raft& raft);
  void CheckChange(size_t node, const consensus::Configuration& before,
                   const consensus::Configuration& after);
  bool MayVote(const Life& life) const;
  size_t DisksWith(uint64_t index, Chain chain, const consensus::Configuration& voters) const;
  void CheckState(size_t node, const Node& member);
  void Commit(size_t node, const consensus::Raft& raft, uint64_t index);
  void Fail(size_t node, const std::string& what);

  std::vector<const LogDisk*> disks_;
  Verdict& verdict_;
  std::vector<Life> lives_;

  uint64_t committed_batches_ = 0;
  int64_t committed_clock_ms_ = 0;    // of the last of them
  std::vector<Committed> committed_;  // by index; 0 stands for the empty log
  std::map<uint64_t, LeaderLog> leader_of_term_;
  std::unordered_map<IndexAndTerm, Chain, IndexAndTermHash> chain_at_;
  std::unordered_map<Chain, consensus::Payload> batches_;  // of entries, by the log up to them
  std::unordered_map<Chain, consensus::Configuration> configurations_;  // likewise
  std::map<uint64_t, consensus::Configuration> committed_configurations_;
  std::map<consensus::NodeId, std::vector<Chain>> lost_;                       // what they had
  std::map<std::pair<uint64_t, consensus::NodeId>, consensus::NodeId> votes_;  // term, voter
  std::unordered_map<uint64_t, State> states_;                                 // by index
};

}  // namespace quorate::simulation
