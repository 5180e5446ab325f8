#include "tests/simulation/raft_checker.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <variant>

#include "src/requests/batch.h"

namespace quorate::simulation {

using consensus::Configuration;
using consensus::Index;
using consensus::NodeId;
using consensus::Raft;
using consensus::Term;

RaftChecker::RaftChecker(std::vector<const LogDisk*> disks, const Configuration& first,
                         Verdict& verdict)
    : disks_(std::move(disks)),
      verdict_(verdict),
      lives_(disks_.size()),
      committed_({{0, Term()}}),
      committed_configurations_({{0, first}}) {}

std::vector<Chain> RaftChecker::CommittedChain(Index index) const {
  std::vector<Chain> chain;
  for (uint64_t i = 0; i <= index.value(); ++i) chain.push_back(committed_.at(i).chain);
  return chain;
}

void RaftChecker::Fail(size_t node, const std::string& what) {
  verdict_.Fail(fmt::format("node {}: {}", node + 1, what));
}

void RaftChecker::Started(size_t node, NodeId member, const consensus::Recovered& recovered) {
  Life& life = lives_[node];
  life = {};
  life.member = member;
  life.log = disks_[node]->chain();
  life.term = recovered.hard_state.current_term;
  life.commit_index = recovered.last_applied;
  life.last_applied = recovered.last_applied;
  // State Machine Safety over lives: what was applied before is still what is committed.
  const uint64_t applied = recovered.last_applied.value();
  if (applied >= committed_.size() || life.log[applied] != committed_[applied].chain) {
    Fail(node, fmt::format("starts with {} applied, which was never committed", applied));
    return;
  }
  // One that was added to the cluster knows of nobody before the first change.
  const auto in_force = std::prev(committed_configurations_.upper_bound(applied));
  if (!recovered.configuration.members.empty() || in_force->first > 0) {
    if (recovered.configuration != in_force->second ||
        recovered.configuration_index.value() != in_force->first) {
      Fail(node, fmt::format("starts with the members of entry {}, in force at {} were those of {}",
                             recovered.configuration_index.value(), applied, in_force->first));
    }
  }
  life.configurations.emplace(recovered.configuration_index.value(), recovered.configuration);
  for (const auto& [index, configuration] : recovered.configurations) {
    life.configurations.emplace(index.value(), configuration);
  }
}

void RaftChecker::Submitted(size_t node, const consensus::Persist& persist) {
  Life& life = lives_[node];
  if (persist.truncate_from) {
    const uint64_t from = persist.truncate_from->value();
    if (from <= life.commit_index.value()) {
      Fail(node,
           fmt::format("truncates from {}, committed up to {}", from, life.commit_index.value()));
    }
    if (from >= life.log.size()) {
      Fail(node, fmt::format("truncates from {} behind its log's end", from));
      return;
    }
    life.log.resize(from);
    life.configurations.erase(life.configurations.lower_bound(from), life.configurations.end());
  }
  for (const consensus::Entry& entry : persist.entries) {
    if (entry.index.value() != life.log.size()) {
      Fail(node,
           fmt::format("writes entry {} behind {}", entry.index.value(), life.log.size() - 1));
      return;
    }
    const Chain chain = Extend(life.log.back(), entry);
    life.log.push_back(chain);
    if (entry.kind == consensus::EntryKind::kBatch) batches_.try_emplace(chain, entry.payload);
    if (entry.kind == consensus::EntryKind::kConfiguration) {
      const Configuration configuration =
          consensus::DecodeConfiguration(entry.payload.bytes()).value();
      CheckChange(node, life.configurations.rbegin()->second, configuration);
      configurations_.try_emplace(chain, configuration);
      life.configurations.emplace(entry.index.value(), configuration);
    }
    const auto [known, is_new] =
        chain_at_.emplace(IndexAndTerm{entry.index.value(), entry.term.value()}, chain);
    if (!is_new && known->second != chain) {
      Fail(node, fmt::format("Log Matching: two logs hold entry {} of term {}, and differ up to it",
                             entry.index.value(), entry.term.value()));
    }
  }
}

// One server at a time (dissertation 4.1), and no id a second time.
void RaftChecker::CheckChange(size_t node, const Configuration& before,
                              const Configuration& after) {
  if (before.members.empty()) return;  // has just joined
  if (consensus::VotersApart(before, after) > 1) {
    Fail(node, "more than one voter is changed by one entry");
  }
  for (const consensus::ConfigurationMember& member : after.members) {
    if (consensus::FindMember(before, member.id) == nullptr && member.id < before.next_id) {
      Fail(node, fmt::format("member {} is added a second time", member.id.value()));
    }
  }
}

// Whether it votes in the configuration in force, or in one that a truncation may bring back.
bool RaftChecker::MayVote(const Life& life) const {
  for (auto it = life.configurations.rbegin(); it != life.configurations.rend(); ++it) {
    if (consensus::IsVoter(it->second, life.member)) return true;
    if (it->first <= life.commit_index.value()) return false;
  }
  return false;
}

void RaftChecker::Sent(size_t node, const Raft& raft, NodeId to,
                       const consensus::Message& message) {
  const consensus::HardState& durable = disks_[node]->hard_state();
  if (durable.current_term != raft.current_term()) {
    Fail(node,
         fmt::format("speaks in term {}, which is not on its disk", raft.current_term().value()));
  }
  const NodeId self = lives_[node].member;
  if (const auto* request = std::get_if<consensus::RequestVote>(&message)) {
    if (!request->pre_vote &&
        (durable.voted_for != self || request->term != durable.current_term)) {
      Fail(node, "asks for votes before its own is on its disk");
    }
    if (!MayVote(lives_[node])) Fail(node, "asks for votes and is no voter");
  } else if (const auto* vote = std::get_if<consensus::RequestVoteReply>(&message)) {
    if (!vote->vote_granted || vote->pre_vote) return;
    const auto given = votes_.emplace(std::pair(vote->term.value(), self), to).first;
    if (given->second != to) {
      Fail(node, fmt::format("votes twice in term {}: for {} and {}", vote->term.value(),
                             given->second.value(), to.value()));
    }
    if (lost_.contains(self)) Fail(node, "votes, and has forgotten its earlier votes");
    if (durable.voted_for != to || vote->term != durable.current_term) {
      Fail(node, "gives a vote that is not on its disk");
    }
  } else if (const auto* reply = std::get_if<consensus::AppendEntriesReply>(&message)) {
    if (!reply->success) return;
    if (lost_.contains(self)) Fail(node, "acknowledges, and has forgotten what it had");
    if (reply->index > disks_[node]->last_index()) {
      Fail(node, fmt::format("acknowledges {}, has {} on its disk", reply->index.value(),
                             disks_[node]->last_index().value()));
    }
    // What it acknowledges is what that term's leader has.
    const auto leader = leader_of_term_.find(reply->term.value());
    if (leader == leader_of_term_.end()) return;
    const Life& leads = lives_[leader->second.node];
    if (leads.member == leader->second.member && leads.term == reply->term &&
        reply->index.value() < leads.log.size() &&
        disks_[node]->chain().size() > reply->index.value() &&
        leads.log[reply->index.value()] != disks_[node]->chain()[reply->index.value()]) {
      Fail(node, fmt::format("acknowledges {}, where the leader has another entry",
                             reply->index.value()));
    }
  }
}

void RaftChecker::EndRound(size_t node, const Node& member) {
  const Raft& raft = member.raft();
  Life& life = lives_[node];
  if (raft.current_term() < life.term) Fail(node, "its term has gone back");
  if (raft.commit_index() < life.commit_index) Fail(node, "its commit index has gone back");
  // Who runs with a disk that was put back compares nothing.
  if (raft.has_diverged()) Fail(node, "takes its log for another's");
  if (raft.rival_leaders()) Fail(node, "takes two members for leaders of one term");
  if (member.keys().last_applied() < life.last_applied) Fail(node, "it has unapplied an entry");
  if (!member.starts().own_conviction().empty() && !lost_.contains(life.member)) {
    Fail(node, "has lost nothing and is convicted: " + member.starts().own_conviction());
  }
  for (const auto& [convicted, reason] : member.starts().convictions()) {
    if (!lost_.contains(convicted)) {
      Fail(node, fmt::format("convicts member {}, which has lost nothing: {}", convicted.value(),
                             reason));
    }
  }
  // Requests that had waited may have been proposed since the round's write.
  if (raft.last_log_index().value() + 1 < life.log.size()) {
    Fail(node, "its log is shorter than what it has written");
    return;
  }
  life.term = raft.current_term();
  if (raft.is_leader()) CheckLeader(node, raft);
  if (raft.commit_index() != life.commit_index) CheckCommit(node, raft);
  life.commit_index = raft.commit_index();
  CheckConfiguration(node, raft);
  if (member.keys().last_applied() != life.last_applied) CheckState(node, member);
  life.last_applied = member.keys().last_applied();
}

// A server uses the latest configuration in its log (section 6), and a leader adds none before an
// entry of its term is committed (Ongaro 2015), nor while the one before is not (dissertation 4.1).
void RaftChecker::CheckConfiguration(size_t node, const Raft& raft) {
  const Life& life = lives_[node];
  const auto newest = life.configurations.rbegin();
  const bool all_seen = raft.last_log_index().value() + 1 == life.log.size();
  if (all_seen && (raft.configuration_index().value() != newest->first ||
                   raft.configuration() != newest->second)) {
    Fail(node, fmt::format("goes by the members of entry {}, the newest in its log are those of {}",
                           raft.configuration_index().value(), newest->first));
  }
  if (!raft.is_leader() || newest->first <= raft.commit_index().value()) return;
  const auto before = std::next(newest);
  if (raft.leader_is_established() && before != life.configurations.rend() &&
      before->first > raft.commit_index().value()) {
    Fail(node, "changes the members while an earlier change is not committed");
  }
  const bool is_own =
      chain_at_.contains({newest->first, raft.current_term().value()}) &&
      chain_at_.at({newest->first, raft.current_term().value()}) == life.log[newest->first];
  if (is_own && committed_.back().term_of_commit < raft.current_term()) {
    Fail(node, "changes the members before it has committed an entry of its term");
  }
}

void RaftChecker::CheckLeader(size_t node, const Raft& raft) {
  const std::vector<Chain>& log = lives_[node].log;
  const uint64_t term = raft.current_term().value();
  const auto [known, is_new] = leader_of_term_.emplace(
      term, LeaderLog{lives_[node].member, node, log.size() - 1, log.back()});
  LeaderLog& leader = known->second;
  if (leader.member != lives_[node].member) {
    Fail(node,
         fmt::format("Election Safety: leads in term {}, as does node {}", term, leader.node + 1));
  }
  if (is_new) {
    // The newest entry that was committed in an earlier term, and with it all before.
    for (uint64_t index = committed(); index > 0; --index) {
      if (committed_[index].term_of_commit >= raft.current_term()) continue;
      if (index >= log.size() || log[index] != committed_[index].chain) {
        Fail(node, fmt::format("Leader Completeness: leads in term {} without entry {}, committed "
                               "in term {}",
                               term, index, committed_[index].term_of_commit.value()));
      }
      break;
    }
  }
  if (log.size() <= leader.last_index || log[leader.last_index] != leader.chain) {
    Fail(node, fmt::format("Leader Append-Only: has changed its log in term {}", term));
  }
  leader.last_index = log.size() - 1;
  leader.chain = log.back();
}

void RaftChecker::CheckCommit(size_t node, const Raft& raft) {
  const std::vector<Chain>& log = lives_[node].log;
  const uint64_t commit = raft.commit_index().value();
  if (commit >= log.size()) {
    Fail(node, "has committed what it does not have");
    return;
  }
  if (raft.is_leader()) {
    // Section 5.4.2: by counting, a leader commits entries of its own term only.
    const auto own = chain_at_.find({commit, raft.current_term().value()});
    if (own == chain_at_.end() || own->second != log[commit]) {
      Fail(node, fmt::format("commits {} of an earlier term by counting", commit));
    }
  }
  for (uint64_t index = committed_.size(); index <= commit; ++index) Commit(node, raft, index);
  if (committed_[commit].chain != log[commit]) {
    Fail(node, fmt::format("State Machine Safety: another entry is committed at {}", commit));
  }
}

// The first to know that this entry is committed.
void RaftChecker::Commit(size_t node, const Raft& raft, uint64_t index) {
  const Chain chain = lives_[node].log[index];
  committed_.push_back({chain, raft.current_term()});
  if (const auto batch = batches_.find(chain); batch != batches_.end()) {
    ++committed_batches_;
    const std::optional<int64_t> clock_ms = BatchClock(batch->second.bytes());
    if (!clock_ms || *clock_ms < committed_clock_ms_) {
      Fail(node, fmt::format("the log's clock goes back at entry {}", index));
    }
    committed_clock_ms_ = clock_ms.value_or(0);
  }
  if (const auto found = configurations_.find(chain); found != configurations_.end()) {
    committed_configurations_.emplace(index, found->second);
  }
  // It has counted by the members in force, or, where it has added a change in this same round, by
  // those before it.
  const auto& known = lives_[node].configurations;
  const Configuration& in_force = known.rbegin()->second;
  const Configuration& before =
      known.size() > 1 ? std::next(known.rbegin())->second : known.rbegin()->second;
  if (DisksWith(index, chain, in_force) <= consensus::VoterCount(in_force) / 2 &&
      DisksWith(index, chain, before) <= consensus::VoterCount(before) / 2) {
    Fail(node, fmt::format("has committed {}, which is on {} of {} disks", index,
                           DisksWith(index, chain, in_force), consensus::VoterCount(in_force)));
  }
}

size_t RaftChecker::DisksWith(uint64_t index, Chain chain, const Configuration& voters) const {
  size_t count = 0;
  for (size_t node = 0; node < disks_.size(); ++node) {
    const std::vector<Chain>& log = disks_[node]->chain();
    if (consensus::IsVoter(voters, lives_[node].member) && !lost_.contains(lives_[node].member) &&
        log.size() > index && log[index] == chain) {
      ++count;
    }
  }
  // Who has lost it has acknowledged it before.
  for (const auto& [member, log] : lost_) {
    if (consensus::IsVoter(voters, member) && log.size() > index && log[index] == chain) ++count;
  }
  return count;
}

std::vector<consensus::Payload> RaftChecker::CommittedBatches() const {
  std::vector<consensus::Payload> batches;
  for (const Committed& entry : committed_) {
    const auto found = batches_.find(entry.chain);
    if (found != batches_.end()) batches.push_back(found->second);
  }
  return batches;
}

void RaftChecker::CheckState(size_t node, const Node& member) {
  const storage::KeySpace& keys = member.keys();
  const uint64_t applied = keys.last_applied().value();
  if (applied >= committed_.size()) {
    Fail(node, fmt::format("has applied {}, committed are {}", applied, committed()));
    return;
  }
  const State state = {keys.digest(), keys.revision(), keys.key_count(), keys.clock_ms()};
  const auto [known, is_new] = states_.emplace(applied, state);
  if (!is_new && known->second != state) {
    Fail(node,
         fmt::format("State Machine Safety: its state at {} differs from another's", applied));
  }
}

}  // namespace quorate::simulation
