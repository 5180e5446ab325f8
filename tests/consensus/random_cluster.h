// Rafts alone, no server around them, on a network that loses, duplicates, delays and reorders, on
// disks that lag and stall, with crashes that lose what was not durable. Everything follows from
// one seed.
//
// After every round of every server the five properties of the paper's figure 3 are checked over
// all of them, and what the header of Raft promises: nothing leaves that vouches for a write which
// is not durable, a committed entry is on a majority of the disks, a read's index is not before
// what any server knew to be committed when the read came, each read is named once.
//
// Members come and go, logs are trimmed and snapshots installed in their place, and folders are
// emptied, of fewer than half of the first members.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/raft.h"
#include "consensus/random.h"
#include "tests/consensus/memory_disk.h"

namespace quorate::consensus {

// The hash of a log that ends with `entry`, from that of the log before it. Two logs with one hash
// hold the same entries.
uint64_t ExtendChain(uint64_t chain, const Entry& entry);

class RandomCluster {
 public:
  RandomCluster(uint64_t seed, size_t servers);

  // Lets time pass with faults.
  void RunWithFaults(uint64_t ticks);
  // Ends all faults, and requires that the cluster then serves: a leader that stays, writes that
  // are committed everywhere, reads on every server.
  void HealAndServe();

  // The first property that was found broken; empty: none.
  const std::string& violation() const { return violation_; }
  uint64_t committed() const { return committed_.size() - 1; }
  uint64_t proven_reads() const { return proven_reads_; }
  uint64_t terms_led() const { return leader_of_term_.size(); }
  uint64_t installed() const { return installed_; }
  uint64_t changes() const { return changes_; }
  uint64_t losses() const { return losses_; }  // of data, that were noticed

 private:
  struct OpenRead {
    Index floor;                   // the highest commit index anywhere when it was requested
    std::optional<Index> barrier;  // on a leader: its last_log_index then
  };

  struct Server {
    NodeId id;
    std::unique_ptr<Raft> raft;  // none: crashed
    MemoryDisk disk;
    std::deque<uint64_t> write_due;     // when each write that is queued will be durable
    std::optional<PersistSeq> durable;  // what the Raft is not told of yet
    uint64_t disk_stalled_until = 0;
    uint64_t paused_until = 0;  // the process stands still, its clock too; messages wait
    uint64_t restart_at = 0;
    Index checkpoint;  // a restart has applied up to here
    Index applied;
    std::vector<uint64_t> chain;  // chain[i]: a hash of the log's entries 1 .. i, in memory
    Configuration configuration;  // the latest that is applied
    Configuration in_force;       // as of the last round
    std::vector<uint64_t> lost;   // what chain was when the folder was emptied
    bool wiped = false;
    bool noticed = false;  // that it was wiped
    std::map<uint64_t, OpenRead> reads;
    uint64_t last_proven = 0;  // tokens rise, so proven tokens must
    bool needs_round = false;
  };

  struct InFlight {
    NodeId from;
    NodeId to;
    uint64_t due;
    Message message;
  };

  struct Committed {
    uint64_t chain;
    Term in_term;  // of the server that first knew
  };

  bool Chance(uint64_t in_a_thousand) { return random_.Below(1000) < in_a_thousand; }
  Server& At(NodeId id) { return servers_[id.value() - 1]; }
  bool IsLive(const Server& server) const { return !server.wiped; }

  void AddServer(bool joined);
  void Start(Server& server);
  void Step();
  void DeliverDue();
  bool IsKeptOut(const Server& to, NodeId from) const;
  void RunServers();
  void CompleteWrites(Server& server);
  void TellDurable(Server& server);
  void TickServer(Server& server);
  void ServeClients(Server& server);
  bool Propose(Server& server);
  bool RequestRead(Server& server);
  void Checkpoint(Server& server);
  void SendSnapshot(Server& server, NodeId to);
  void TakeSnapshotMessage(Server& server, const SnapshotMessage& message);
  void Touched(Server& server);
  void Round(Server& server);
  void Apply(Server& server);

  // --- Faults (random_cluster_faults.cc) ---
  void DrawFaults(Server& server);
  void DrawPartition();
  void Crash(Server& server);
  void Wipe(Server& server);
  void ChangeMembers(Server& server);
  // Of a configuration's voters, more than half have not lost their data.
  bool CanServe(const Configuration& configuration) const;

  // --- Checks (random_cluster_checks.cc) ---
  void Violate(const std::string& what);
  void TakeWrite(Server& server, const Persist& persist);
  void CheckMessage(Server& server, const Envelope& envelope);
  void CheckLeader(Server& server);
  void CheckCommit(Server& server);
  bool IsOnMajority(const Configuration& configuration, uint64_t index, uint64_t chain) const;
  void CheckReads(Server& server, const Effects& effects);
  void StepUntil(uint64_t tick);
  Server* EstablishedLeader();
  bool Serves(const Server& server, const Server& leader) const;

  static constexpr size_t kServersMax = 9;

  const uint64_t seed_;
  Random random_;
  Config config_;
  Configuration first_configuration_;
  std::vector<Server> servers_;  // by id; grows, but stays where it is
  std::deque<InFlight> network_;
  std::vector<std::vector<bool>> cut_;  // cut_[from][to]
  uint64_t now_ = 0;
  uint64_t start_count_ = 0;
  uint64_t next_payload_ = 0;
  uint64_t next_token_ = 0;
  uint64_t proven_reads_ = 0;
  uint64_t installed_ = 0;
  uint64_t changes_ = 0;
  uint64_t losses_ = 0;
  std::string violation_;

  bool faults_ = true;
  uint64_t loss_ = 0;  // these in a thousand
  uint64_t duplication_ = 0;
  uint64_t long_delay_ = 0;
  uint64_t crash_ = 0;
  uint64_t stall_ = 0;
  uint64_t pause_ = 0;
  uint64_t peer_gone_ = 0;
  uint64_t transfer_ = 0;
  uint64_t change_ = 0;
  uint64_t wipes_left_ = 0;
  uint64_t proposal_ = 0;
  uint64_t read_ = 200;
  uint64_t round_at_once_ = 0;

  std::vector<Committed> committed_;  // by index; [0] is unused
  std::map<Term, NodeId> leader_of_term_;
  std::map<Term, std::pair<Index, uint64_t>>
      leader_log_;                                       // where its log ended, and the chain there
  std::map<std::pair<Index, Term>, uint64_t> chain_at_;  // Log Matching
  std::map<std::pair<Term, NodeId>, NodeId> votes_;
};

}  // namespace quorate::consensus
