#include "src/node/node.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <utility>

namespace quorate {
namespace {

using consensus::Entry;
using consensus::EntryKind;
using consensus::Index;
using consensus::NodeId;

// With less room than this on the log's disk, no write is accepted: what it has is for the votes
// and terms of elections, and for what is in flight.
constexpr size_t kLogReserveBytes = 512 << 10;
// A leader whose disk is full hands over to one that has room for that much more: leadership is not
// to go round among disks that are nearly full.
constexpr size_t kRoomToLeadBytes = 1 << 20;
// Whoever is to take over may miss it, or find its disk full as well.
constexpr int64_t kHandOverIntervalMs = 1'000;

constexpr const char* kDiskFull =
    "MISCONF No space left on this node's disk: write commands are refused until there is some";
constexpr const char* kUnconfirmed =
    "CLUSTERDOWN Writes are not confirmed in time: this one was not executed, as too many wait "
    "already";

// One that cannot be read was refused when the folder was opened, or is fatal here: nobody may go
// on without knowing what it was.
consensus::StartLedger LedgerOf(const NodeOptions& options, const consensus::Recovered& recovered) {
  if (recovered.ledger.empty()) return consensus::StartLedger(options.raft.id);
  auto ledger = consensus::StartLedger::Decode(options.raft.id, recovered.ledger);
  if (!ledger) options.fatal("the ledger of this server's starts is damaged, or another server's");
  return *std::move(ledger);
}

}  // namespace

Node::Node(const NodeOptions& options, const consensus::Recovered& recovered, const Parts& parts)
    : options_(options),
      parts_(parts),
      keys_(parts.state_reader, options.key_space),
      raft_(options.raft, recovered, parts.log_reader),
      starts_(LedgerOf(options, recovered), raft_, parts.clock, options.raft.seed),
      log_clock_(keys_.clock_ms(), parts.clock.boot_ns() / 1000),
      membership_(options.self),
      changes_(raft_),
      snapshot_sender_(parts.snapshots, options.snapshots),
      snapshot_receiver_(parts.snapshots),
      random_state_(options.raft.seed),
      trimmed_(recovered.base_index),
      leaderless_since_ms_(parts.clock.monotonic_ms()),
      replay_ends_(recovered.last_index),
      replayed_revision_(keys_.revision()),
      last_checkpoint_ms_(parts.clock.monotonic_ms()),
      saved_revision_(keys_.revision()),
      parser_(&no_limits_) {
  assert(recovered.last_applied == keys_.last_applied());
  ReadLogClock(recovered.last_index);
  parts_.statistics.commands.resize(parts_.commands.all().size());
  if (keys_.configuration().empty()) {
    UpdatePeers();
  } else {
    UpdateMembership();
  }
  if (waits_for_create()) {
    spdlog::warn(
        "this node has no data and has heard of no cluster: if this is a new one, send CLUSTER "
        "CREATE to one of its first members");
  }
}

// --- Requests of clients ---

void Node::SubmitWrite(Session& session, const Command& command, const resp::Request& request) {
  const std::string_view bytes = request.raw;
  if (!DiskHasRoomFor(bytes.size())) {
    AnswerWithError(MakePending(session, command), kDiskFull);
    return;
  }
  if (expired_bytes_ > options_.inflight_bytes_max) {
    // The followers are there, or this node would not lead. But their disks take nothing, or what
    // they have confirmed waits for this node's checkpoints.
    AnswerWithError(MakePending(session, command), kUnconfirmed);
    return;
  }
  if (builder_.command_count() > 0 && (builder_.bytes() + bytes.size() > options_.batch_bytes_max ||
                                       builder_.command_count() >= options_.batch_commands_max)) {
    ProposeBatch();
  }
  if (filling_.operations.empty()) filling_.deadline_ms = Deadline();
  BatchOperation operation;
  static_cast<PendingRequest&>(operation) = MakePending(session, command);
  filling_.operations.push_back(std::move(operation));
  builder_.Add(request, {.database = session.database});
  session.last_batch = batch_number_;
}

void Node::Redirect(Session& session, const Command& command, const resp::Request& request) {
  PendingRequest pending = MakePending(session, command);
  RequestArena arena;
  const RequestArena::Position position = arena.Add(request);
  Refuse(pending, arena.At(position), nullptr);
}

bool Node::throttled() const {
  // A batch that may not be proposed yet must not outgrow what one entry may hold.
  if (raft_.transferring_leadership() &&
      (builder_.bytes() > options_.batch_bytes_max ||
       builder_.command_count() >= options_.batch_commands_max)) {
    return true;
  }
  const size_t arriving_bytes = builder_.bytes() + filling_.arena.bytes() + reads_.arena.bytes();
  return arriving_bytes + proposed_bytes_ + kept_bytes_ > options_.inflight_bytes_max;
}

bool Node::DiskHasRoomFor(size_t bytes) const {
  if (parts_.checkpointer.disk_full()) return false;
  // What lies in LMDB's pages takes more than its own bytes, at worst almost twice as many.
  const size_t needed = 2 * (proposed_bytes_ + builder_.bytes() + bytes);
  return parts_.log_writer.room_bytes() >= kLogReserveBytes + needed;
}

size_t Node::requests_in_flight() const {
  size_t requests = filling_.operations.size() + reads_.reads.size() + held_.size() +
                    held_back_.size() + scans_.size();
  for (const auto& [index, batch] : proposed_) requests += batch.operations.size();
  for (const auto& [token, group] : unproven_) requests += group.reads.size();
  for (const auto& [index, group] : late_reads_) requests += group.reads.size();
  return requests;
}

// --- Events ---

void Node::Receive(NodeId from, consensus::Message message) {
  const auto* vote = std::get_if<consensus::RequestVoteReply>(&message);
  if (vote && vote->vote_granted && !vote->pre_vote) starts_.OnVote(from, vote->term);
  HearTime(from, message);
  raft_.Receive(from, std::move(message));
}

void Node::PeerFound(const Member& peer, const std::string& own_host) {
  membership_.Found(peer);
  membership_.FoundSelf(own_host);
}

void Node::PeerGone(NodeId peer) { raft_.PeerGone(peer); }

void Node::PeerRefused(NodeId peer, const std::string& reason) {
  if (waits_for_create()) refusals_.insert_or_assign(peer.value(), reason);
}

void Node::AnotherHasItsPlace(NodeId by) {
  options_.fatal(fmt::format(
      "another process runs as node {} of this cluster, with a data folder of its own: node {} has "
      "found it at this member's address. One of the two is a copy, or was started by mistake",
      raft_.id().value(), by.value()));
}

void Node::Tick() {
  raft_.Tick();
  if (raft_.is_leader()) SteerClock();
  ExpireRequests();
  HandOverIfDiskHoldsUp();
  AnnounceAddress();
  RunJoining();
  AnswerResets();
  AnswerCreations();
  RunMeetings();
}

void Node::HandOverIfDiskHoldsUp() {
  const bool full = !DiskHasRoomFor(0);
  if (full != disk_is_full_) {
    disk_is_full_ = full;
    if (full) {
      spdlog::error("there is no space left on the disk: write commands are refused");
    } else {
      spdlog::info("there is space on the disk again: write commands are accepted");
    }
  }
  // A stalled checkpoint holds up nothing as long as there is memory. Then it stops writes and
  // reads, while the log, and with it Raft's own look at the disk, may be well.
  const int64_t now_ms = parts_.clock.monotonic_ms();
  const int64_t stall_ms = int64_t{options_.raft.disk_stall_ticks} * kTickMs;
  const bool stalled = held_up_since_ms_ && now_ms - *held_up_since_ms_ >= stall_ms;
  raft_.set_unfit(stalled || !DiskHasRoomFor(kRoomToLeadBytes));
  if (!(full || stalled) || !raft_.leader_is_established() || now_ms < next_hand_over_ms_) return;
  if (std::ranges::none_of(raft_.peers(), &consensus::PeerStatus::fit)) return;
  next_hand_over_ms_ = now_ms + kHandOverIntervalMs;
  if (raft_.TransferLeadership()) {
    spdlog::info("handing leadership over: {}",
                 full ? "the disk is full" : "a checkpoint takes too long");
  }
}

bool Node::Flush() {
  if (new_life_) return false;  // taken in: what has come since must not enter a log
  if (parts_.checkpointer.TakeFinished()) keys_.CheckpointFinished();
  const consensus::PersistSeq durable = parts_.log_writer.durable();
  if (durable > persisted_) {
    persisted_ = durable;
    raft_.Persisted(durable);
    starts_.Persisted(durable);
  }
  AnswerHeldBack();
  RunScan();
  if (BatchMayGo()) {
    ProposeBatch();
  } else {
    CloseReadGroup();
  }
  if (!changes_.empty()) changes_.Run(parts_.clock.monotonic_ms());
  RunSnapshots();
  starts_.BeginWrite();
  StartEffects(raft_.TakeEffects());
  if (builder_.command_count() > 0 && BatchMayGo()) {
    // What was under way has just been committed.
    ProposeBatch();
    StartEffects(raft_.TakeEffects());
  }
  if (new_life_) return false;  // the state stays as it is, older than the snapshot
  const bool more = Apply();
  AnswerHeld();
  CheckpointIfDue();
  TrimLog();
  return more || !scans_.empty();
}

bool Node::TransferLeadership(std::optional<NodeId> target) {
  if (!raft_.is_leader()) return raft_.RequestLeadership();
  return target ? raft_.TransferLeadership(*target) : raft_.TransferLeadership();
}

// --- Towards the log ---

// A small batch waits, and grows, while earlier entries are on their way to a majority: an entry
// costs every member its messages, wake-ups and writes to the disk, however many commands it holds.
bool Node::BatchMayGo() const {
  return !raft_.is_leader() || raft_.commit_index() == raft_.last_log_index() ||
         builder_.bytes() >= options_.batch_bytes_wait_max;
}

void Node::ProposeBatch() {
  CloseReadGroup();
  // While leadership is handed over, the batch waits: either a new leader is there soon and the
  // clients are sent to it, or this one goes on. So it does until the cluster is founded.
  if (builder_.command_count() == 0 || raft_.transferring_leadership() ||
      raft_.founding_is_pending()) {
    return;
  }

  const uint64_t seed = CommandSeed(random_state_, 0);
  random_state_ = seed;
  PendingBatch batch = std::exchange(filling_, {});
  filling_.operations.reserve(batch.operations.size());  // the next one's number, most likely
  ++batch_number_;
  // A write may come in the very round in which this node has become the leader.
  if (raft_.current_term() != steered_in_) SteerClock();
  const int64_t clock_ms = log_clock_.NowMs(parts_.clock.boot_ns() / 1000);
  batch.payload = consensus::Payload(builder_.Finish(clock_ms, seed));
  const std::optional<Index> index = raft_.Propose(batch.payload);
  if (!index) {
    RefuseBatch(batch, nullptr, nullptr);
    return;
  }
  batch.index = *index;
  batch.term = raft_.current_term();
  for (const BatchOperation& operation : batch.operations) {
    operation.session->last_write = batch.index;
    operation.session->last_write_term = batch.term;
  }
  proposed_bytes_ += batch.payload.size();
  kept_bytes_ += batch.arena.bytes();
  proposed_.emplace(*index, std::move(batch));
}

void Node::StartEffects(consensus::Effects effects) {
  if (effects.leadership_changed) LogLeadership();
  if (effects.configuration_changed) UpdatePeers();
  if (effects.founding_known) {
    spdlog::info("the cluster is founded, with the id {:016x}", raft_.founding().value());
    parts_.network.FoundingKnown();
  }
  for (const consensus::Divergence& divergence : effects.divergences) {
    spdlog::error(
        "this node's log and that of node {} differ at entry {} or before it, in a way that no "
        "crash brings about: one of the two data folders is another's, was put back, or is "
        "damaged. Nothing is replicated between them; replace the member that is wrong",
        divergence.peer.value(), divergence.index.value());
  }
  if (effects.rivals_found) {
    const consensus::RivalLeaders& rivals = *raft_.rival_leaders();
    spdlog::error(
        "nodes {} and {} have both led in term {}: a member has voted twice in it. Its data folder "
        "was put back to an earlier state, or is a copy. Nothing is taken from node {}",
        rivals.first.value(), rivals.second.value(), rivals.term.value(), rivals.second.value());
  }
  for (const consensus::ChangeAnswer& answer : effects.change_answers) {
    changes_.Receive(answer, keys_.last_applied(), keys_.last_applied_term(),
                     parts_.clock.monotonic_ms());
  }
  if (effects.persist) {
    submitted_ = effects.persist->seq;
    if (effects.persist->ledger) starts_.Submitted(submitted_);
    parts_.log_writer.Submit(std::move(*effects.persist));
  }
  for (consensus::Envelope& envelope : effects.messages) {
    TellTime(&envelope.message);
    parts_.network.Send(envelope.to, std::move(envelope.message));
  }
  for (const consensus::ReadState& read : effects.reads) {
    auto found = unproven_.find(read.token);
    if (found == unproven_.end()) continue;  // expired meanwhile
    ReadGroup group = std::move(found->second);
    unproven_.erase(found);
    group.read_index = read.index;
    AnswerProven(std::move(group));
  }
  HandOnSnapshots(effects);
  for (consensus::ReadToken token : effects.dropped_reads) {
    auto found = unproven_.find(token);
    if (found == unproven_.end()) continue;
    RefuseGroup(found->second, nullptr);
    unproven_.erase(found);
  }
}

// --- Applying ---

bool Node::Apply() {
  size_t bytes = 0;
  while (true) {
    if (committed_.empty()) {
      for (Entry& entry : raft_.NextCommitted(options_.apply_bytes_per_round)) {
        committed_.push_back(std::move(entry));
      }
      if (committed_.empty()) return false;
    }
    if (bytes >= options_.apply_bytes_per_round) return true;
    if (keys_.full()) {
      // Memory is bounded: applying, and with it the clients, waits for the disk.
      if (keys_.checkpoint_under_way()) {
        if (!held_up_since_ms_) held_up_since_ms_ = parts_.clock.monotonic_ms();
        return false;
      }
      BeginCheckpoint();
    }
    held_up_since_ms_.reset();
    bytes += committed_.front().payload.size();
    unsaved_bytes_ += committed_.front().payload.size();
    const bool term_begins = committed_.front().term > keys_.last_applied_term();
    ApplyEntry(committed_.front());
    committed_.pop_front();
    AnswerLateReads(term_begins);
  }
}

void Node::ApplyEntry(const Entry& entry) {
  // Since this entry is committed, no entry of an older term can be, at its index or behind it:
  // terms never decrease along the log. Those were certainly not executed. Having been overwritten
  // in this node's log would not prove that (the paper's figure 8).
  if (entry.term > keys_.last_applied_term()) {
    for (auto it = proposed_.lower_bound(entry.index); it != proposed_.end();) {
      if (it->second.term < entry.term) {
        const PendingBatch lost = TakeProposed(it++);
        RefuseBatch(lost, nullptr, nullptr);
      } else {
        ++it;
      }
    }
  }

  // One index can have been proposed in several terms, and what is committed there need not be of
  // the latest: A, leading in term 3, proposes at 8 and is cut off; B, whose log was longer
  // already, with entries of term 2, is elected in term 4 and commits its own 8. Another term's
  // entry at this index was certainly not executed, older or newer.
  std::optional<PendingBatch> pending;
  const auto [first, last] = proposed_.equal_range(entry.index);
  for (auto it = first; it != last;) {
    PendingBatch batch = TakeProposed(it++);
    if (batch.expired) continue;
    if (batch.term == entry.term) {
      pending = std::move(batch);
    } else {
      RefuseBatch(batch, nullptr, nullptr);
    }
  }

  if (entry.kind == EntryKind::kBatch) {
    ApplyBatch(entry, pending ? &*pending : nullptr);
  } else {
    keys_.BeginEntry(entry.index, entry.term, entry.chain, keys_.clock_ms());
    if (entry.kind == EntryKind::kConfiguration) keys_.SetConfiguration(entry.payload.bytes());
    if (entry.kind == EntryKind::kFounding) keys_.SetFounding(entry.payload.bytes());
    keys_.EndEntry();
    if (entry.kind == EntryKind::kConfiguration) UpdateMembership();
  }
  if (entry.index <= replay_ends_) replayed_revision_ = keys_.revision();
  if (!changes_.empty()) changes_.Applied(entry.index, entry.term);
}

PendingBatch Node::TakeProposed(Proposed::iterator batch) {
  PendingBatch taken = std::move(batch->second);
  proposed_.erase(batch);
  (taken.expired ? expired_bytes_ : proposed_bytes_) -= taken.payload.size();
  kept_bytes_ -= taken.arena.bytes();
  return taken;
}

void Node::ApplyBatch(const Entry& entry, const PendingBatch* pending) {
  DecodeToApply(entry);
  const BatchHeader& header = batch_.header();
  keys_.BeginEntry(entry.index, entry.term, entry.chain, header.clock_ms);
  size_t next = 0;  // among pending->operations
  const auto run_reads = [&] {
    for (; pending && next < pending->operations.size() && pending->operations[next].is_read;
         ++next) {
      AnswerHeldBackOf(*pending->operations[next].session);
      RunKeptRead(pending->operations[next], pending->arena.At(pending->operations[next].request));
    }
  };
  for (uint32_t position = 0; position < batch_.units().size(); ++position) {
    PrefetchFor(position);
    run_reads();
    RunWrite(pending ? &pending->operations[next++] : nullptr, CommandSeed(header.seed, position),
             batch_.units()[position]);
  }
  run_reads();
  assert(!pending || next == pending->operations.size());
  keys_.EndEntry();
}

// The entry is committed, so every member applies it, and the same. What this version cannot apply
// as the one that wrote it does must stop it, before the entry has changed anything: a member that
// skipped a part would drift apart from the others.
void Node::DecodeToApply(const Entry& entry) {
  Batch::Status status = batch_.Decode(entry.payload.bytes());
  const auto is_known = [](const BatchUnit& unit) {
    return unit.facts == UnitFacts{.database = unit.facts.database};
  };
  if (status == Batch::Status::kOk && !std::ranges::all_of(batch_.units(), is_known)) {
    status = Batch::Status::kNewer;
  }
  if (status == Batch::Status::kOk) return;
  const bool newer = status == Batch::Status::kNewer;
  options_.fatal(
      newer ? fmt::format("log entry {} was written by a newer version of Quorate, which this "
                          "version cannot apply. Nothing is damaged: start the newer version here",
                          entry.index.value())
            : fmt::format("log entry {} holds no batch of commands, though its checksum is right: "
                          "the version that wrote it is at fault",
                          entry.index.value()));
  std::abort();
}

// While one command runs, memory is asked for what later ones will look up: waiting for it is what
// most commands' time would go to otherwise. A first argument that is no key costs next to nothing.
void Node::PrefetchFor(uint32_t position) {
  constexpr uint32_t kEarly = 16;
  constexpr uint32_t kLate = 8;
  const auto unit = [this](uint32_t of) -> const BatchUnit* {
    if (of >= batch_.units().size() || batch_.units()[of].arguments < 2) return nullptr;
    return &batch_.units()[of];
  };
  if (const BatchUnit* early = unit(position + kEarly)) {
    keys_.PrefetchEarly(early->facts.database, batch_.arguments(*early)[1]);
  }
  if (const BatchUnit* late = unit(position + kLate)) {
    keys_.PrefetchLate(late->facts.database, batch_.arguments(*late)[1]);
  }
}

void Node::RunWrite(const PendingRequest* request, uint64_t seed, const BatchUnit& unit) {
  const Arguments arguments = batch_.arguments(unit);
  const Command* command = request ? request->command : nullptr;
  // What was checked before it entered the log is not checked again: the checks may have changed.
  if (!command) command = parts_.commands.FindRequested(arguments);
  if (!command || !command->is_write()) {
    options_.fatal(fmt::format(
        "the log holds the command {}, which this version of Quorate does not know. Nothing is "
        "damaged: start the newer version here",
        arguments[0]));
    std::abort();
  }
  if (request) AnswerHeldBackOf(*request->session);
  keys_.BeginCommand();
  WriteContext context{storage::WriteView(keys_, unit.facts.database), seed};
  const auto run = [&](resp::ReplyWriter& writer) {
    std::get<WriteFunction>(command->function)(context, arguments, writer);
  };
  if (!request || request->session->gone()) {
    discarded_reply_.clear();
    resp::ReplyWriter writer(resp::Protocol::kResp2, &discarded_reply_);
    run(writer);
    return;
  }
  Session& session = *request->session;
  const int64_t start_ns = parts_.clock.monotonic_ns();
  const std::string_view reply = session.replies.Answer(request->ticket, run);
  CountCall(parts_.statistics, command->number, reply, parts_.clock.monotonic_ns() - start_ns);
  parts_.sessions.Schedule(session);
}

// --- Checkpoints ---

void Node::BeginCheckpoint() {
  if (keys_.checkpoint_under_way() || !keys_.wants_checkpoint()) return;
  last_checkpoint_ms_ = parts_.clock.monotonic_ms();
  unsaved_bytes_ = 0;
  saved_revision_ = keys_.revision();
  parts_.checkpointer.Start(keys_.BeginCheckpoint());
}

void Node::CheckpointIfDue() {
  const int64_t age_ms = parts_.clock.monotonic_ms() - last_checkpoint_ms_;
  // What had to be applied again is saved as soon as there is nothing more to apply. Else a node
  // that keeps being killed before the interval is over would have more to apply each time.
  const bool replayed = keys_.last_applied() >= replay_ends_ &&
                        keys_.last_applied() == raft_.commit_index() &&
                        keys_.checkpoint_index() < replay_ends_;
  if (replayed || keys_.full() || age_ms >= options_.checkpoint_interval_ms ||
      unsaved_bytes_ >= options_.unsaved_bytes_max ||
      keys_.revision() - saved_revision_ >= options_.unsaved_commands_max) {
    BeginCheckpoint();
  }
}

// --- What operators and commands see ---

const Member* Node::leader() const {
  if (waits_to_join()) return nullptr;
  const std::optional<NodeId> leader = raft_.leader();
  if (!leader || (raft_.is_leader() && !raft_.leader_is_established())) return nullptr;
  const Member* member = membership_.Find(*leader);
  return member && CanBeTold(*member) ? member : nullptr;
}

consensus::Health Node::health(const Member& member) const {
  if (starts_.IsConvicted(NodeId(member.id))) return consensus::Health::kFailed;
  if (waits_for_create()) return consensus::Health::kHandshake;
  return raft_.health(NodeId(member.id)).value_or(consensus::Health::kSuspect);
}

std::string Node::RedisNodeId(uint64_t member_id) const {
  return fmt::format("{:016x}{:024x}", options_.cluster_id, member_id);
}

void Node::LogLeadership() {
  const uint64_t term = raft_.current_term().value();
  const std::optional<NodeId> leader = raft_.leader();
  if (raft_.is_leader()) {
    spdlog::info("term {}: this node is the leader, log ends at {}, committed up to {}", term,
                 raft_.last_log_index().value(), raft_.commit_index().value());
  } else if (leader) {
    spdlog::info("term {}: node {} is the leader", term, leader->value());
  } else if (raft_.role() == consensus::Role::kFollower) {
    spdlog::info("term {}: no leader is known", term);
  } else {
    spdlog::info("term {}: this node stands for election", term);
  }
}

// --- Small things ---

Arguments Node::Parse(std::string_view bytes) {
  const auto status = parser_.Parse(bytes);
  // These bytes were parsed when they were accepted, and are guarded by a checksum since.
  assert(status == resp::RequestParser::Status::kRequest);
  return parser_.request().arguments;
}

int64_t Node::Deadline() const { return parts_.clock.monotonic_ms() + options_.request_timeout_ms; }

}  // namespace quorate
