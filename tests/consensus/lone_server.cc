#include "tests/consensus/lone_server.h"

#include <string>

namespace quorate::consensus {

Config Given::Defaults() {
  Config config;
  config.seed = 7;
  config.heartbeat_ticks = 2;
  config.election_timeout_ticks = 10;
  config.disk_stall_ticks = 20;
  return config;
}

LoneServer::LoneServer(const Given& given) : config_(given.config) {
  config_.id = given.self;
  std::vector<uint64_t> voters;
  for (size_t i = 1; i <= given.voters; ++i) {
    voters.push_back(i);
    if (NodeId(i) != given.self) {
      others_.push_back(NodeId(i));
    }
  }
  if (!given.fresh) {
    disk_.SetBegun();
  }
  if (given.joined) {
    disk_.SetJoined();
  } else {
    disk_.SetConfiguration(MakeConfiguration(voters));
  }
  disk_.SetHardState({Term(given.term), NodeId(given.voted_for)});
  for (size_t i = 0; i < given.log_terms.size(); ++i) {
    disk_.Append(MakeEntry(i + 1, given.log_terms[i]));
    chains_[{Index(i + 1), Term(given.log_terms[i])}] = disk_.ChainAt(Index(i + 1));
  }
  disk_.Trim(Index(given.base));
  raft_ = std::make_unique<Raft>(config_, disk_.Recover(Index(given.last_applied)), disk_);
}

void LoneServer::Tick(uint64_t ticks) {
  for (uint64_t i = 0; i < ticks; ++i) {
    raft_->Tick();
  }
}

Messages LoneServer::Round() {
  Effects effects = raft_->TakeEffects();
  last_write = effects.persist;
  if (effects.persist) {
    NoteChains(*effects.persist);
    disk_.Submit(std::move(*effects.persist));
  }
  reads.insert(reads.end(), effects.reads.begin(), effects.reads.end());
  dropped_reads.insert(dropped_reads.end(), effects.dropped_reads.begin(),
                       effects.dropped_reads.end());
  leadership_changed = effects.leadership_changed;
  divergences.insert(divergences.end(), effects.divergences.begin(), effects.divergences.end());
  needs_snapshot = std::move(effects.needs_snapshot);
  snapshot_messages = std::move(effects.snapshot_messages);
  change_answers = std::move(effects.change_answers);
  configuration_changed = effects.configuration_changed;
  return std::move(effects.messages);
}

void LoneServer::MakeDurable() {
  if (std::optional<PersistSeq> seq = disk_.CompleteAll()) {
    raft_->Persisted(*seq);
  }
}

Messages LoneServer::Settle() {
  Messages all;
  do {
    MakeDurable();
    Messages messages = Round();
    all.insert(all.end(), messages.begin(), messages.end());
  } while (disk_.queued() > 0);
  return all;
}

std::vector<Entry> LoneServer::Apply() {
  std::vector<Entry> all;
  for (;;) {
    std::vector<Entry> entries = raft_->NextCommitted(1 << 20);
    if (entries.empty()) {
      return all;
    }
    all.insert(all.end(), entries.begin(), entries.end());
  }
}

void LoneServer::Restart(uint64_t last_applied) {
  disk_.Crash();
  ++config_.seed;
  raft_ = std::make_unique<Raft>(config_, disk_.Recover(Index(last_applied)), disk_);
}

Messages LoneServer::BecomeLeader() {
  Settle();
  while (raft_->role() == Role::kFollower) {
    Tick();
  }
  for (NodeId other : others_) {
    if (raft_->role() == Role::kPreCandidate) {
      Receive(other, PreVote(raft_->current_term().value() + 1));
    }
  }
  Settle();
  for (NodeId other : others_) {
    if (raft_->role() == Role::kCandidate) {
      Receive(other, Vote(raft_->current_term().value()));
    }
  }
  EXPECT_EQ(raft_->role(), Role::kLeader);
  return Settle();
}

AppendEntries LoneServer::WithChain(AppendEntries append) const {
  if (append.prev_log_chain == kReceiversOwn) {
    const auto found = chains_.find({append.prev_log_index, append.prev_log_term});
    append.prev_log_chain = found != chains_.end() ? found->second : Chain();
  }
  return append;
}

void LoneServer::NoteChains(const AppendEntries& append) {
  Chain chain = append.prev_log_chain;
  for (const Entry& entry : append.entries) {
    chain = ExtendChain(chain, entry);
    chains_[{entry.index, entry.term}] = chain;
  }
}

void LoneServer::NoteChains(const Persist& write) {
  for (const Entry& entry : write.entries) {
    chains_[{entry.index, entry.term}] = entry.chain;
  }
}

void LoneServer::Follow(NodeId leader, uint64_t term) {
  Receive(leader, Heartbeat{Term(term), Index(), 0});
  Settle();
}

void LoneServer::Acknowledge(NodeId from, Index last_log_index) {
  Receive(from, Success(raft_->current_term().value(), last_log_index.value()));
}

void LoneServer::CommitAll() {
  for (NodeId other : others_) {
    Acknowledge(other, raft_->last_log_index());
  }
  Settle();
  EXPECT_EQ(raft_->commit_index(), raft_->last_log_index());
}

Index LoneServer::Propose(const char* bytes) {
  std::optional<Index> index = raft_->Propose(Payload(std::string(bytes)));
  EXPECT_TRUE(index.has_value());
  return index.value_or(Index());
}

Entry MakeEntry(uint64_t index, uint64_t term, const char* bytes) {
  return {Term(term), Index(index), EntryKind::kBatch, Payload(std::string(bytes))};
}

Entry MakeEntry(uint64_t index, uint64_t term, const Configuration& configuration) {
  return {Term(term), Index(index), EntryKind::kConfiguration, Payload(Encode(configuration))};
}

Configuration MakeConfiguration(std::vector<uint64_t> voters, std::vector<uint64_t> learners) {
  Configuration configuration;
  for (uint64_t id : voters) {
    configuration.members.push_back({NodeId(id), true, ""});
  }
  for (uint64_t id : learners) {
    configuration.members.push_back({NodeId(id), false, ""});
  }
  configuration.next_id = configuration.members.back().id + 1;
  return configuration;
}

AppendEntries MakeAppend(uint64_t term, uint64_t prev_index, uint64_t prev_term, uint64_t commit,
                         std::vector<Entry> entries) {
  return {Term(term),    Index(prev_index), Term(prev_term),
          kReceiversOwn, Index(commit),     std::move(entries)};
}

AppendEntriesReply Success(uint64_t term, uint64_t index) {
  return {Term(term), true, Index(index), Index(index), Term()};
}

AppendEntriesReply Refusal(uint64_t term, uint64_t prev_index, uint64_t hint_index,
                           uint64_t hint_term) {
  return {Term(term), false, Index(prev_index), Index(hint_index), Term(hint_term)};
}

RequestVote AskVote(uint64_t term, uint64_t last_index, uint64_t last_term) {
  return {Term(term), Index(last_index), Term(last_term), false, false};
}

RequestVote AskPreVote(uint64_t term, uint64_t last_index, uint64_t last_term) {
  return {Term(term), Index(last_index), Term(last_term), true, false};
}

RequestVoteReply Vote(uint64_t term, bool granted) { return {Term(term), granted, false}; }

RequestVoteReply PreVote(uint64_t term, bool granted) { return {Term(term), granted, true}; }

}  // namespace quorate::consensus
