#include "consensus/raft.h"

#include <algorithm>
#include <cassert>
#include <type_traits>
#include <utility>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

namespace {

// Messages that wait for a stalled disk. Each can be lost without harm, as any message can.
constexpr size_t kWithheldMessagesMax = 1024;

Config Checked(const Config& config) {
  assert(config.id != NodeId());
  assert(config.heartbeat_ticks > 0);
  assert(config.heartbeat_ticks < config.election_timeout_ticks);
  assert(config.disk_stall_ticks > 0);
  assert(config.append_bytes_max > 0);
  assert(config.inflight_bytes_max > 0);
  assert(config.inflight_messages_max > 0);
  return config;
}

// See Raft::has_lost_its_data.
bool IsPristine(const Config& config, const Recovered& recovered) {
  return !recovered.joined && IsVoter(recovered.configuration, config.id) &&
         recovered.last_index == recovered.origin_index &&
         recovered.hard_state == HardState{recovered.base_term, NodeId()};
}

// Servers that were given one seed must still not draw the same timeouts.
uint64_t OwnSeed(const Config& config) { return config.seed ^ Random(config.id.value()).Next(); }

}  // namespace

Raft::Impl::Impl(const Config& config, const Recovered& recovered, const LogReader& reader)
    : config_(Checked(config)),
      limits_{.probe_retry_ticks = config_.heartbeat_ticks,
              .loss_ticks = config_.election_timeout_ticks,
              .inflight_bytes_max = config_.inflight_bytes_max,
              .inflight_messages_max = config_.inflight_messages_max},
      random_(OwnSeed(config_)),
      hard_state_(recovered.hard_state),
      log_(recovered, reader, config_.cached_bytes_max),
      configurations_(recovered),
      founding_(recovered),
      noted_founding_(recovered.founding),
      origin_index_(recovered.origin_index),
      pristine_(IsPristine(config_, recovered)),
      commit_index_(recovered.last_applied),
      released_index_(recovered.last_applied),
      handed_out_index_(recovered.last_applied),
      next_request_(random_.Next()) {
  assert(recovered.base_index <= recovered.last_applied);
  assert(recovered.last_applied <= recovered.last_index);
  assert(log_.last_term() <= hard_state_.current_term);
  role_ = Follower{.acknowledged_index = commit_index_};
  BeginElectionTimer();
  reported_leadership_ = leadership();
  invariants_.Check(View());
}

// --- Inputs ---

void Raft::Impl::Tick() {
  ++now_;
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    TickLeader(*leader);
    return;
  }
  if (Follower* follower = std::get_if<Follower>(&role_)) {
    TickFollowerReads(*follower);
  }
  TickElection();
}

void Raft::Impl::Receive(NodeId from, Message message) {
  if (from == config_.id || NoticesLoss(message)) {
    return;
  }
  std::visit(
      [&](auto&& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, RequestVote>) {
          // Whether a vote request may raise the term is decided with the vote.
          Handle(from, content);
        } else {
          bool in_the_future = false;
          if constexpr (std::is_same_v<Content, RequestVoteReply>) {
            // A granted pre-vote names a term that nobody has entered yet.
            in_the_future = content.pre_vote && content.vote_granted;
          }
          if (content.term > current_term() && !in_the_future) {
            EnterTerm(content.term);
          }
          if (Progress* peer = FindPeer(from); peer != nullptr && content.term == current_term()) {
            peer->Heard(now_);
          }
          Handle(from, std::forward<decltype(content)>(content));
        }
      },
      std::move(message));
}

std::optional<Index> Raft::Impl::Propose(Payload payload) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->transfer || founding_.is_pending()) {
    return std::nullopt;
  }
  Index index = log_.last_index() + 1;
  log_.Append({current_term(), index, EntryKind::kBatch, std::move(payload)});
  return index;
}

void Raft::Impl::Persisted(PersistSeq seq) {
  assert(seq >= persisted_);
  assert(seq <= last_write_);
  persisted_ = seq;
  log_.Persisted(seq);
  if (std::holds_alternative<Candidate>(role_) && HardStateIsDurable()) {
    CountOwnVote();
  }
}

std::optional<Raft::DurableState> Raft::Impl::durable_state() const {
  if (!HardStateIsDurable()) {
    return std::nullopt;
  }
  return DurableState{hard_state_, log_.durable_index()};
}

void Raft::Impl::PeerLostData(NodeId peer) {
  if (Progress* progress = FindPeer(peer)) {
    progress->LostData();
  }
}

void Raft::Impl::Compacted(Index index) {
  assert(index <= handed_out_index_);
  log_.Compact(index);
}

// --- Outputs ---

Effects Raft::Impl::TakeEffects() {
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    LeadRound(*leader);
  } else if (Follower* follower = std::get_if<Follower>(&role_)) {
    SendReadIndex(*follower);
  }

  Effects effects;
  effects.founding_known = founding_.Committed(commit_index_);
  SubmitWrites(&effects);
  if (HardStateIsDurable()) {
    if (Follower* follower = std::get_if<Follower>(&role_)) {
      SendFollowerReplies(*follower);
    }
    effects.messages = std::exchange(outbox_, {});
  }
  effects.reads = std::exchange(proven_reads_, {});
  effects.dropped_reads = std::exchange(dropped_reads_, {});
  effects.leadership_changed = leadership() != reported_leadership_;
  reported_leadership_ = leadership();
  effects.configuration_changed = configurations_.version() != reported_version_;
  reported_version_ = configurations_.version();
  effects.change_answers = std::exchange(change_answers_, {});
  effects.needs_snapshot = std::exchange(needs_snapshot_, {});
  effects.divergences = std::exchange(divergences_, {});
  effects.rivals_found = std::exchange(rivals_found_, false);
  effects.snapshot_messages = std::exchange(snapshot_messages_, {});
  configurations_.Committed(commit_index_);
  released_index_ = commit_index_;
  // Applied or not: a server whose leader is faster than its own applying would else fill its
  // memory.
  log_.Evict(commit_index_);
  invariants_.Check(View());
  return effects;
}

std::vector<Entry> Raft::Impl::NextCommitted(size_t bytes_max) {
  // What is applied may soon be in a checkpoint, and after a crash a checkpoint that is ahead of
  // the log would leave a hole. So an entry that a majority has, but this disk not yet, waits.
  Index limit = std::min(released_index_, log_.durable_index());
  if (handed_out_index_ >= limit) {
    return {};
  }
  std::vector<Entry> entries = log_.Read(handed_out_index_ + 1, limit, bytes_max);
  handed_out_index_ = entries.back().index;
  return entries;
}

// --- State ---

bool Raft::Impl::leader_is_established() const {
  const Leader* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && commit_index_ >= leader->noop_index;
}

std::optional<NodeId> Raft::Impl::leader() const {
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    return follower->leader;
  }
  return is_leader() ? std::optional(config_.id) : std::nullopt;
}

bool Raft::Impl::transferring_leadership() const {
  const Leader* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->transfer.has_value();
}

std::vector<PeerStatus> Raft::Impl::peers() const {
  std::vector<PeerStatus> statuses;
  if (const Leader* leader = std::get_if<Leader>(&role_)) {
    for (const Progress& peer : leader->peers) {
      statuses.push_back({.id = peer.id(),
                          .voter = peer.voter(),
                          .match_index = peer.match_index(),
                          .next_index = peer.next_index(),
                          .recently_active = peer.was_heard() && IsRecentlyActive(peer),
                          .needs_snapshot = peer.state() == Progress::State::kNeedsSnapshot,
                          .diverged = peer.state() == Progress::State::kDiverged,
                          .fit = peer.voter() && IsRecentlyActive(peer) && peer.fit(),
                          .health = peer.health(),
                          .feature_level = peer.feature_level(),
                          .silent_ticks = now_ - peer.heard_at()});
    }
  }
  return statuses;
}

StateView Raft::Impl::View() const {
  return {.hard_state = hard_state_,
          .id = config_.id,
          .leads = is_leader(),
          .established = leader_is_established(),
          .hard_state_is_durable = HardStateIsDurable(),
          .leader = leader(),
          .base_index = log_.base_index(),
          .handed_out_index = handed_out_index_,
          .released_index = released_index_,
          .commit_index = commit_index_,
          .configuration_index = configurations_.current_index(),
          .previous_configuration_index = configurations_.previous_index(),
          .durable_index = log_.durable_index(),
          .last_index = log_.last_index(),
          .last_term = log_.last_term()};
}

// --- Messages, writes, terms ---

void Raft::Impl::Send(NodeId to, Message message) {
  if (!HardStateIsDurable() && outbox_.size() >= kWithheldMessagesMax) {
    return;
  }
  outbox_.push_back({to, std::move(message)});
}

void Raft::Impl::SendToVoters(const Message& message) {
  for (const ConfigurationMember& member : configurations_.current().members) {
    if (member.voter && member.id != config_.id) {
      Send(member.id, message);
    }
  }
}

bool Raft::Impl::HardStateIsDurable() const {
  return hard_state_submitted_ && persisted_ >= hard_state_write_;
}

void Raft::Impl::SetHardState(Term term, NodeId voted_for) {
  assert(term >= hard_state_.current_term);
  // The vote of a term is cleared only by the next term, or this server could vote twice in one.
  assert(term > hard_state_.current_term || hard_state_.voted_for == NodeId());
  if (term > hard_state_.current_term) {
    compared_ = {};
  }
  hard_state_ = {term, voted_for};
  hard_state_submitted_ = false;
  pristine_ = false;
}

void Raft::Impl::SubmitWrites(Effects* effects) {
  const bool founding_is_noted = noted_founding_ == founding_.id();
  if (hard_state_submitted_ && !ledger_ && !log_.has_unsubmitted() && founding_is_noted) {
    return;
  }
  Persist persist;
  persist.seq = ++last_write_;
  if (!hard_state_submitted_) {
    persist.hard_state = hard_state_;
    hard_state_submitted_ = true;
    hard_state_write_ = persist.seq;
  }
  if (!founding_is_noted) {
    noted_founding_ = founding_.id();
    persist.founding = noted_founding_;
  }
  persist.ledger = std::exchange(ledger_, std::nullopt);
  log_.Submit(now_, &persist);
  effects->persist = std::move(persist);
}

bool Raft::Impl::DiskIsStalled() const {
  std::optional<uint64_t> oldest = log_.oldest_write();
  return oldest && now_ - *oldest >= config_.disk_stall_ticks;
}

void Raft::Impl::EnterTerm(Term term) {
  assert(term > current_term());
  SetHardState(term, NodeId());
  // What waits here for the disk was said in a term that has passed.
  outbox_.clear();
  BecomeFollower(std::nullopt);
}

void Raft::Impl::BecomeFollower(std::optional<NodeId> leader) {
  AbandonRequests();
  WithdrawVoteRequests();
  if (is_leader()) {
    // A leader's election timer stands still. Any other's goes on: learning of a term is not
    // hearing from its leader, and must not put off an election.
    ResetElectionTimer();
  }
  role_ = Follower{.leader = leader, .leader_heard_at = now_, .acknowledged_index = commit_index_};
}

void Raft::Impl::AbandonRequests() {
  if (Follower* follower = std::get_if<Follower>(&role_)) {
    for (const AskedReads& asked : follower->asked_reads) {
      dropped_reads_.insert(dropped_reads_.end(), asked.tokens.begin(), asked.tokens.end());
    }
    follower->asked_reads.clear();
    dropped_reads_.insert(dropped_reads_.end(), follower->new_reads.begin(),
                          follower->new_reads.end());
    follower->new_reads.clear();
  } else if (Leader* leader = std::get_if<Leader>(&role_)) {
    for (const PendingRead& read : leader->reads) {
      if (read.follower) {
        Send(*read.follower, ReadIndexReply{current_term(), read.request, Index()});
      } else {
        dropped_reads_.push_back(read.token);
      }
    }
    leader->reads.clear();
    for (const AskedChange& change : leader->changes) {
      AnswerChange(change, NotLeader());
    }
    leader->changes.clear();
  }
}

// --- raft.h ---

Raft::Raft(const Config& config, const Recovered& recovered, const LogReader& reader)
    : impl_(std::make_unique<Impl>(config, recovered, reader)) {}
Raft::~Raft() = default;

void Raft::Tick() { impl_->Tick(); }
void Raft::Receive(NodeId from, Message message) { impl_->Receive(from, std::move(message)); }
std::optional<Index> Raft::Propose(Payload payload) { return impl_->Propose(std::move(payload)); }
bool Raft::RequestRead(ReadToken token) { return impl_->RequestRead(token); }
void Raft::Persisted(PersistSeq seq) { impl_->Persisted(seq); }
void Raft::Compacted(Index index) { impl_->Compacted(index); }
bool Raft::TransferLeadership(NodeId target) { return impl_->TransferLeadership(target); }
bool Raft::TransferLeadership() { return impl_->TransferLeadership(std::nullopt); }
void Raft::set_unfit(bool unfit) { impl_->set_unfit(unfit); }
void Raft::BeginFounding() { impl_->BeginFounding(); }
void Raft::AbandonFounding() { impl_->AbandonFounding(); }
bool Raft::RequestLeadership() { return impl_->RequestLeadership(); }
void Raft::PeerGone(NodeId peer) { impl_->PeerGone(peer); }
std::variant<Index, ChangeError> Raft::ProposeChange(const Change& change, bool force) {
  return impl_->ProposeChange(change, force);
}
std::optional<uint64_t> Raft::RequestChange(const Change& change, bool force) {
  return impl_->RequestChange(change, force);
}
void Raft::SendSnapshotPart(NodeId to, SnapshotPart part) {
  impl_->SendSnapshotPart(to, std::move(part));
}
void Raft::SnapshotSent(NodeId peer) { impl_->SnapshotSent(peer); }
Effects Raft::TakeEffects() { return impl_->TakeEffects(); }
std::vector<Entry> Raft::NextCommitted(size_t bytes_max) { return impl_->NextCommitted(bytes_max); }

NodeId Raft::id() const { return impl_->config().id; }
Role Raft::role() const { return impl_->role(); }
bool Raft::is_leader() const { return impl_->is_leader(); }
bool Raft::leader_is_established() const { return impl_->leader_is_established(); }
std::optional<NodeId> Raft::leader() const { return impl_->leader(); }
std::optional<NodeId> Raft::successor() const { return impl_->successor(); }
bool Raft::transferring_leadership() const { return impl_->transferring_leadership(); }
Term Raft::current_term() const { return impl_->current_term(); }
Index Raft::commit_index() const { return impl_->commit_index(); }
Index Raft::last_log_index() const { return impl_->log().last_index(); }
Index Raft::durable_index() const { return impl_->log().durable_index(); }
Index Raft::first_log_index() const { return impl_->log().base_index() + 1; }
std::vector<PeerStatus> Raft::peers() const { return impl_->peers(); }
std::optional<Health> Raft::health(NodeId member) const { return impl_->health(member); }
const Configuration& Raft::configuration() const { return impl_->configurations().current(); }
Index Raft::configuration_index() const { return impl_->configurations().current_index(); }
FoundingId Raft::founding() const { return impl_->founding().id(); }
bool Raft::founding_is_pending() const { return impl_->founding().is_pending(); }
bool Raft::waits_for_founding() const { return impl_->WaitsForFounding(); }
std::vector<NodeId> Raft::founders_missing() const { return impl_->founders_missing(); }
bool Raft::has_diverged() const { return impl_->has_diverged(); }
const std::optional<RivalLeaders>& Raft::rival_leaders() const { return impl_->rival_leaders(); }
void Raft::KeepLedger(std::string bytes) { impl_->KeepLedger(std::move(bytes)); }
std::optional<Raft::DurableState> Raft::durable_state() const { return impl_->durable_state(); }
void Raft::PeerLostData(NodeId peer) { impl_->PeerLostData(peer); }
bool Raft::has_lost_its_data() const { return impl_->has_lost_its_data(); }
void Raft::LoseData() { impl_->LoseData(); }
bool Raft::has_nothing() const { return impl_->has_nothing(); }

}  // namespace quorate::consensus
