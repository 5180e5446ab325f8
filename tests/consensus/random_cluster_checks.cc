#include <algorithm>
#include <sstream>

#include "tests/consensus/random_cluster.h"

namespace quorate::consensus {

uint64_t ExtendChain(uint64_t chain, const Entry& entry) {
  uint64_t content = entry.term.value() * 0x100000001b3 + entry.payload.crc32c() * 31 +
                     entry.payload.size() * 7 + static_cast<uint64_t>(entry.kind);
  return Random(chain ^ content).Next();
}

void RandomCluster::Violate(const std::string& what) {
  if (violation_.empty()) {
    std::ostringstream text;
    text << "seed " << seed_ << ", " << servers_.size() << " servers, tick " << now_ << ": "
         << what;
    violation_ = text.str();
  }
}

void RandomCluster::TakeWrite(Server& server, const Persist& persist) {
  if (persist.truncate_from) {
    if (persist.truncate_from->value() >= server.chain.size()) {
      Violate("truncation past the log's end");
      return;
    }
    server.chain.resize(persist.truncate_from->value());
  }
  for (const Entry& entry : persist.entries) {
    if (entry.index.value() != server.chain.size()) {
      Violate("a write that does not follow the log");
      return;
    }
    server.chain.push_back(ExtendChain(server.chain.back(), entry));
    auto [known, is_new] =
        chain_at_.emplace(std::pair(entry.index, entry.term), server.chain.back());
    if (!is_new && known->second != server.chain.back()) {
      Violate("Log Matching: two logs differ up to " + std::to_string(entry.index.value()));
    }
  }
}

void RandomCluster::CheckLeader(Server& server) {
  if (server.raft->has_lost_its_data() && !server.noticed) {
    server.noticed = true;
    ++losses_;
    if (!server.wiped) {
      Violate("a server that believes that it has lost its data");
    }
  }
  if (server.wiped && server.disk.last_index() > Index()) {
    Violate("a server that has lost its data has taken some");
  }
  if (!server.raft->is_leader()) {
    return;
  }
  Term term = server.raft->current_term();
  auto [leader, is_new] = leader_of_term_.emplace(term, server.id);
  if (leader->second != server.id) {
    Violate("Election Safety: two leaders in term " + std::to_string(term.value()));
  }
  if (is_new) {
    // Leader Completeness: the last entry that was committed in an earlier term, and with it all
    // before.
    for (uint64_t index = committed(); index > 0; --index) {
      if (committed_[index].in_term < term) {
        if (server.chain.size() <= index || server.chain[index] != committed_[index].chain) {
          Violate("Leader Completeness: the leader of term " + std::to_string(term.value()) +
                  " lacks " + std::to_string(index));
        }
        break;
      }
    }
  }
  auto [log, first_seen] =
      leader_log_.emplace(term, std::pair(server.raft->last_log_index(), server.chain.back()));
  if (!first_seen) {
    auto& [last, chain] = log->second;
    if (server.chain.size() <= last.value() || server.chain[last.value()] != chain) {
      Violate("Leader Append-Only: broken in term " + std::to_string(term.value()));
    }
    last = server.raft->last_log_index();
    chain = server.chain.back();
  }
}

void RandomCluster::CheckCommit(Server& server) {
  uint64_t commit = server.raft->commit_index().value();
  if (commit >= server.chain.size()) {
    Violate("commit index past the log's end");
    return;
  }
  for (uint64_t index = committed_.size(); index <= commit; ++index) {
    committed_.push_back({server.chain[index], server.raft->current_term()});
    changes_ += index == server.raft->configuration_index().value() ? 1 : 0;
    // A learner may have been made a voter since, in the same round.
    if (!IsOnMajority(server.raft->configuration(), index, server.chain[index]) &&
        !IsOnMajority(server.in_force, index, server.chain[index])) {
      Violate("entry " + std::to_string(index) + " committed without a majority of the disks");
    }
  }
  if (committed_[commit].chain != server.chain[commit]) {
    Violate("State Machine Safety: another entry is committed at " + std::to_string(commit));
  }
}

bool RandomCluster::IsOnMajority(const Configuration& configuration, uint64_t index,
                                 uint64_t chain) const {
  size_t on_disk = 0;
  for (const ConfigurationMember& member : configuration.members) {
    if (member.id.value() > servers_.size()) {
      continue;  // added in this round
    }
    const Server& server = servers_[member.id.value() - 1];
    // chain holds what is in memory; up to the disk's end it is the disk's, but where a truncation
    // is queued.
    Index durable = server.disk.last_index();
    for (const Persist& write : server.disk.queue()) {
      if (write.truncate_from) {
        durable = std::min(durable, *write.truncate_from - 1);
      }
    }
    const bool has = durable.value() >= index && server.chain[index] == chain;
    const bool had = server.lost.size() > index && server.lost[index] == chain;
    on_disk += member.voter && (has || had) ? 1 : 0;
  }
  return 2 * on_disk > VoterCount(configuration);
}

void RandomCluster::CheckReads(Server& server, const Effects& effects) {
  for (const ReadState& proven : effects.reads) {
    uint64_t token = proven.token.value();
    auto read = server.reads.find(token);
    if (read == server.reads.end()) {
      Violate("read " + std::to_string(token) + " named twice");
      return;
    }
    if (proven.index < read->second.floor) {
      Violate("stale read: index " + std::to_string(proven.index.value()) + ", committed before " +
              std::to_string(read->second.floor.value()));
    }
    if (proven.index.value() > committed()) {
      Violate("read index past what is committed");
    }
    if (token <= server.last_proven) {
      Violate("reads out of order");
    }
    server.last_proven = token;
    server.reads.erase(read);
    ++proven_reads_;
  }
  for (ReadToken dropped : effects.dropped_reads) {
    if (server.reads.erase(dropped.value()) == 0) {
      Violate("read " + std::to_string(dropped.value()) + " dropped twice");
    }
  }
}

void RandomCluster::CheckMessage(Server& server, const Envelope& envelope) {
  const HardState& durable = server.disk.hard_state();
  if (server.raft->has_lost_its_data()) {
    Violate("a message of a server that knows that it has lost its data");
  }
  if (durable.current_term != server.raft->current_term()) {
    Violate("a message of a term that is not durable");
  }
  if (const auto* vote = std::get_if<RequestVote>(&envelope.message)) {
    if (!vote->pre_vote && (durable.voted_for != server.id || vote->term != durable.current_term)) {
      Violate("a candidacy that is not durable");
    }
  } else if (const auto* reply = std::get_if<RequestVoteReply>(&envelope.message)) {
    if (reply->vote_granted && !reply->pre_vote) {
      auto given = votes_.emplace(std::pair(reply->term, server.id), envelope.to).first;
      if (given->second != envelope.to) {
        Violate("two votes in one term");
      }
      if (durable.voted_for != envelope.to || reply->term != durable.current_term) {
        Violate("a vote that is not durable");
      }
    }
  } else if (const auto* success = std::get_if<AppendEntriesReply>(&envelope.message)) {
    if (success->success) {
      if (success->index > server.disk.last_index()) {
        Violate("an acknowledgement of what is not durable");
      }
      auto leader = leader_log_.find(success->term);
      const Server& to = At(envelope.to);
      if (leader != leader_log_.end() && to.raft && to.raft->is_leader() &&
          to.raft->current_term() == success->term &&
          to.chain[success->index.value()] != server.chain[success->index.value()]) {
        Violate("an acknowledgement of what the leader does not have");
      }
    }
  } else if (const auto* append = std::get_if<AppendEntries>(&envelope.message)) {
    size_t bytes = 0;
    for (const Entry& entry : append->entries) {
      bytes += entry.payload.size();
    }
    if (append->entries.size() > 1 && bytes > config_.append_bytes_max) {
      Violate("an AppendEntries larger than its limit");
    }
  }
}

// --- Liveness ---

void RandomCluster::StepUntil(uint64_t tick) {
  while (now_ < tick && violation_.empty()) {
    Step();
  }
}

RandomCluster::Server* RandomCluster::EstablishedLeader() {
  for (Server& server : servers_) {
    if (server.raft && server.raft->leader_is_established()) {
      return &server;
    }
  }
  return nullptr;
}

// Whether it is to answer clients once all faults are over.
bool RandomCluster::Serves(const Server& server, const Server& leader) const {
  return IsLive(server) && FindMember(leader.raft->configuration(), server.id) != nullptr;
}

void RandomCluster::HealAndServe() {
  if (!violation_.empty()) {
    return;
  }
  faults_ = false;
  for (auto& row : cut_) {
    row.assign(servers_.size(), false);
  }
  uint64_t longest_log = 0;
  for (Server& server : servers_) {
    server.disk_stalled_until = 0;
    server.paused_until = 0;
    server.restart_at = now_;
    longest_log = std::max<uint64_t>(longest_log, server.chain.size());
  }
  // The smallest windows let one entry through each round trip.
  uint64_t patience = 12ULL * config_.election_timeout_ticks + 6 * longest_log;
  proposal_ = 0;
  StepUntil(now_ + patience);
  Server* leader = EstablishedLeader();
  if (leader == nullptr) {
    Violate("no leader after healing");
    return;
  }

  // It stays, and every proposal and every read from now on succeeds.
  Term term = leader->raft->current_term();
  uint64_t expected = committed();
  uint64_t expected_reads = proven_reads_;
  read_ = 0;
  for (int i = 0; i < 10 && violation_.empty(); ++i) {
    ++expected;
    if (!Propose(*leader)) {
      Violate("a proposal refused in a healthy cluster");
    }
    for (Server& server : servers_) {
      if (!Serves(server, *leader)) {
        continue;
      }
      ++expected_reads;
      if (!RequestRead(server)) {
        Violate("a read refused in a healthy cluster");
      }
    }
    StepUntil(now_ + 3);
  }
  StepUntil(now_ + 12ULL * config_.election_timeout_ticks);
  if (committed() != expected) {
    Violate("proposals that were not committed after healing");
  }
  if (proven_reads_ < expected_reads) {
    Violate("reads that were not proven after healing");
  }
  for (Server& server : servers_) {
    if (!Serves(server, *leader)) {
      continue;
    }
    if (server.raft->current_term() != term || server.raft->leader() != leader->id) {
      Violate("the leader changed in a healthy cluster");
    }
    if (server.applied != leader->raft->last_log_index()) {
      Violate("server " + std::to_string(server.id.value()) + " has applied " +
              std::to_string(server.applied.value()) + " of " +
              std::to_string(leader->raft->last_log_index().value()));
    }
    if (!server.reads.empty()) {
      Violate("a read without an answer");
    }
  }
  for (const PeerStatus& peer : leader->raft->peers()) {
    if (IsLive(At(peer.id)) && !peer.voter) {
      Violate("a learner that is not made a voter");
    }
    if (IsLive(At(peer.id)) && peer.match_index != leader->raft->last_log_index()) {
      Violate("a follower that is not known to match");
    }
  }
}

}  // namespace quorate::consensus
