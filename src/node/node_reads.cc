// The part of Node that answers reads, and holds replies back that clients have no room for.
#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "src/node/node.h"

namespace quorate {
namespace {

using consensus::Index;

// A reply that is made however much the clients leave unread.
constexpr size_t kSmallReplyBytes = 16 << 10;

}  // namespace

void Node::SubmitRead(Session& session, const Command& command, const resp::Request& request) {
  PendingRequest pending = MakePending(session, command);

  // This client has a write in the batch that is being filled, and is to see it. The log gives the
  // read its place: behind that write, before the client's next. The entry's commit proves the read
  // current.
  if (session.last_batch == batch_number_) {
    BatchOperation operation;
    static_cast<PendingRequest&>(operation) = std::move(pending);
    operation.is_read = true;
    operation.request = filling_.arena.Add(request);
    filling_.operations.push_back(std::move(operation));
    return;
  }
  // Alone in the cluster, there is nobody to ask.
  if (IsAlone() && !parts_.sessions.replies_are_tight() && session.reads_held_back == 0 &&
      !command.scans && raft_.leader_is_established() &&
      keys_.last_applied() >= std::max(raft_.commit_index(), session.last_write)) {
    RunRead(pending, request.arguments);
    return;
  }
  if (reads_.empty()) reads_.deadline_ms = Deadline();
  PendingRead read;
  static_cast<PendingRequest&>(read) = std::move(pending);
  read.request = reads_.arena.Add(request);
  read.after = session.last_write;
  read.after_term = session.last_write_term;
  reads_.reads.push_back(std::move(read));
}

// Asks for the proof of this round's reads. Before the round's batch is proposed: then the commit
// of that batch proves them too, and they are answered before it is applied, so that no read sees a
// write that its own client sent after it.
void Node::CloseReadGroup() {
  if (reads_.empty()) return;
  ReadGroup group = std::exchange(reads_, {});
  kept_bytes_ += group.arena.bytes();
  ++last_token_;
  if (raft_.RequestRead(last_token_)) {
    unproven_.emplace(last_token_, std::move(group));
  } else {
    RefuseGroup(group, nullptr);
  }
}

void Node::AnswerProven(ReadGroup group) {
  const Index applied = keys_.last_applied();
  if (group.read_index > applied) {
    late_reads_.emplace(group.read_index, std::move(group));
    return;
  }
  Index wait_for(std::numeric_limits<uint64_t>::max());
  size_t kept = 0;
  for (PendingRead& read : group.reads) {
    // Behind an entry of a later term, what was proposed in an earlier one is lost: terms never
    // decrease along the log. Its place may stay empty, or be that of the client's next write.
    if (read.after <= applied || read.after_term < keys_.last_applied_term()) {
      const std::string_view bytes = group.arena.At(read.request);
      if (HasMemoryFor(read, bytes)) {
        RunKeptRead(read, bytes);
      } else {
        HoldBack(std::move(read), bytes);
      }
    } else {
      wait_for = std::min(wait_for, read.after);
      if (&group.reads[kept] != &read) group.reads[kept] = std::move(read);
      ++kept;
    }
  }
  if (kept == 0) {
    kept_bytes_ -= group.arena.bytes();
    return;
  }
  group.reads.resize(kept);
  late_reads_.emplace(wait_for, std::move(group));
}

void Node::AnswerLateReads(bool term_begins) {
  if (term_begins) {
    // Some of them may wait for what is lost now.
    for (auto& [index, group] : std::exchange(late_reads_, {})) AnswerProven(std::move(group));
    return;
  }
  while (!late_reads_.empty() && late_reads_.begin()->first <= keys_.last_applied()) {
    ReadGroup group = std::move(late_reads_.begin()->second);
    late_reads_.erase(late_reads_.begin());
    AnswerProven(std::move(group));
  }
}

void Node::RunKeptRead(const PendingRequest& request, std::string_view bytes) {
  if (request.session->gone()) return;
  if (request.command->scans) {
    scans_.push_back({request, std::string(bytes)});
  } else {
    RunRead(request, Parse(bytes));
  }
}

// What looks at many keys holds up all else, so it is done once a round, however many clients ask
// for it. A client waits for it with all that it sends behind it (Dispatcher::MayRead): no write of
// its own can have been applied meanwhile.
void Node::RunScan() {
  if (scans_.empty()) return;
  const Held scan = std::move(scans_.front());
  scans_.pop_front();
  if (!scan.request.session->gone()) RunRead(scan.request, Parse(scan.bytes));
}

// Clients that ask for much and read nothing would otherwise have a reply made for each of them. A
// small one is always made: it may be that of an operator, or of a client that reads.
bool Node::HasMemoryFor(const PendingRequest& request, std::string_view bytes) {
  const Session& session = *request.session;
  if (session.gone()) return true;
  if (session.reads_held_back > 0) return false;  // replies are made in order
  if (!parts_.sessions.replies_are_tight()) return true;
  // No reply has more in it than the values of its keys; asking for these copies nothing.
  if (request.command->keys.empty()) return true;
  size_t value_bytes = 0;
  ForEachKey(request.command->keys, Parse(bytes), [&](std::string_view key) {
    if (value_bytes > kSmallReplyBytes) return;
    const auto record = keys_.Find(request.database, key);
    if (record) value_bytes += record->value.size();
  });
  return value_bytes <= kSmallReplyBytes;
}

void Node::HoldBack(PendingRequest request, std::string_view bytes) {
  Session& session = *request.session;
  ++session.reads_held_back;
  session.held_back_bytes += bytes.size();
  held_back_.push_back({std::move(request), std::string(bytes)});
  parts_.sessions.Count(session);
}

void Node::RunHeldBack(const Held& held) {
  --held.request.session->reads_held_back;
  held.request.session->held_back_bytes -= held.bytes.size();
  RunKeptRead(held.request, held.bytes);
}

void Node::AnswerHeldBack() {
  while (!held_back_.empty() && !parts_.sessions.replies_are_tight()) {
    const Held held = std::move(held_back_.front());
    held_back_.pop_front();
    RunHeldBack(held);
  }
}

// Before a later request of this client runs: it must not see less than that one, nor its writes.
void Node::AnswerHeldBackOf(const Session& session) {
  if (session.reads_held_back == 0) return;
  std::deque<Held> others;
  for (Held& held : held_back_) {
    if (held.request.session.get() == &session) {
      RunHeldBack(held);
    } else {
      others.push_back(std::move(held));
    }
  }
  held_back_ = std::move(others);
}

void Node::RunRead(const PendingRequest& request, Arguments arguments) {
  Session& session = *request.session;
  const ReadContext context{storage::ReadView(keys_, request.database, keys_.clock_ms()),
                            parts_.statistics, parts_.sessions.ReplyBytesMax(session)};
  const int64_t start_ns = parts_.clock.monotonic_ns();
  const std::string_view reply =
      session.replies.Answer(request.ticket, [&](resp::ReplyWriter& writer) {
        std::get<ReadFunction>(request.command->function)(context, arguments, writer);
      });
  CountCall(parts_.statistics, request.command->number, reply,
            parts_.clock.monotonic_ns() - start_ns);
  parts_.sessions.Schedule(session);
}

}  // namespace quorate
