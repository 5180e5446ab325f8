#include "tests/simulation/trace.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <type_traits>
#include <variant>

#include "consensus/raft.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/operation.h"
#include "tests/simulation/operator.h"

namespace quorate::simulation {
namespace {

constexpr const char* kMessageNames[] = {
    "RequestVote",   "RequestVoteReply", "AppendEntries",   "AppendEntriesReply",
    "Heartbeat",     "HeartbeatReply",   "ReadIndex",       "ReadIndexReply",
    "TimeoutNow",    "TransferRequest",  "InstallSnapshot", "InstallSnapshotReply",
    "ChangeRequest", "ChangeReply",      "HealthReport"};
static_assert(std::size(kMessageNames) == std::variant_size_v<consensus::Message>);

const char* RoleName(uint64_t role) {
  constexpr const char* kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[role];
}

// The number that tells most about a message beside its term.
struct Detail {
  uint64_t operator()(const consensus::RequestVote& m) const { return m.last_log_index.value(); }
  uint64_t operator()(const consensus::RequestVoteReply& m) const { return m.vote_granted; }
  uint64_t operator()(const consensus::AppendEntries& m) const {
    return m.prev_log_index.value() + m.entries.size();
  }
  uint64_t operator()(const consensus::AppendEntriesReply& m) const { return m.index.value(); }
  uint64_t operator()(const consensus::Heartbeat& m) const { return m.read_round; }
  uint64_t operator()(const consensus::HeartbeatReply& m) const { return m.read_round; }
  uint64_t operator()(const consensus::ReadIndex& m) const { return m.request; }
  uint64_t operator()(const consensus::ReadIndexReply& m) const { return m.read_index.value(); }
  uint64_t operator()(const consensus::TimeoutNow&) const { return 0; }
  uint64_t operator()(const consensus::TransferRequest&) const { return 0; }
  uint64_t operator()(const consensus::InstallSnapshot& m) const { return m.chunk; }
  uint64_t operator()(const consensus::InstallSnapshotReply& m) const { return m.next_chunk; }
  uint64_t operator()(const consensus::ChangeRequest& m) const { return m.request; }
  uint64_t operator()(const consensus::ChangeReply& m) const { return m.index.value(); }
  uint64_t operator()(const consensus::HealthReport& m) const { return m.members.size(); }
};

std::string FormatNumbers(Happening happening, const std::array<uint64_t, 5>& n) {
  switch (happening) {
    case Happening::kStart:
      return fmt::format("node {} starts: term {}, log to {}, applied {}", n[0], n[1], n[2], n[3]);
    case Happening::kCrash:
      return fmt::format("node {} crashes", n[0]);
    case Happening::kEmptied:
      return fmt::format("node {} has an empty folder, as member {}{}", n[0], n[1],
                         n[2] == 1 ? "" : " of a cluster of its own");
    case Happening::kPause:
      return fmt::format("node {} stands still for {} ms", n[0], n[1]);
    case Happening::kRole:
      return fmt::format("node {} is {} in term {}, leader {}", n[0], RoleName(n[1]), n[2], n[3]);
    case Happening::kCommit:
      return fmt::format("node {} has committed {}, applied {}", n[0], n[1], n[2]);
    case Happening::kSubmit:
      return fmt::format("node {} writes #{}: {} entries, log to {}, term {}", n[0], n[1], n[2],
                         n[3], n[4]);
    case Happening::kDurable:
      return fmt::format("node {} has #{} on disk", n[0], n[1]);
    case Happening::kTruncate:
      return fmt::format("node {} truncates from {}", n[0], n[1]);
    case Happening::kTrim:
      return fmt::format("node {} trims up to {}", n[0], n[1]);
    case Happening::kInstall:
      return fmt::format("node {} installs a snapshot of {}", n[0], n[1]);
    case Happening::kCheckpoint:
      return fmt::format("node {} has a checkpoint at {}", n[0], n[1]);
    case Happening::kSend:
      return fmt::format("{} -> {} sent: {} term {}, {}", n[0], n[1], kMessageNames[n[2]], n[3],
                         n[4]);
    case Happening::kLose:
      return fmt::format("{} -> {} lost: {} term {}, {}", n[0], n[1], kMessageNames[n[2]], n[3],
                         n[4]);
    case Happening::kDeliver:
      return fmt::format("{} -> {} arrives: {} term {}, {}", n[0], n[1], kMessageNames[n[2]], n[3],
                         n[4]);
    case Happening::kConnect:
      return fmt::format("client {} connects to node {}", n[0], n[1]);
    case Happening::kDisconnect:
      return fmt::format("client {} is disconnected from node {}", n[0], n[1]);
    case Happening::kRequest:
      return fmt::format("client {} asks node {}: operation {}, {} key {}", n[0], n[1], n[2],
                         NameOf(static_cast<CommandKind>(n[3])), n[4]);
    case Happening::kReply:
      return fmt::format("client {}: operation {} {}", n[0], n[1],
                         NameOf(static_cast<Outcome>(n[2])));
    case Happening::kFault:
      return fmt::format("fault: {} ({}, {})", NameOf(static_cast<Fault>(n[0])), n[1], n[2]);
    case Happening::kPlan:
      return fmt::format("operator: {} node {}, member {}", NameOf(static_cast<Plan>(n[0])), n[1],
                         n[2]);
    case Happening::kChange:
      return fmt::format("operator: the change {}",
                         n[1] == 1 ? "is made" : "is not known to be made");
    case Happening::kPhase:
      return fmt::format("---- phase {} ----", n[0]);
  }
  return "?";
}

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

}  // namespace

void Trace::Add(Happening happening, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
  Record& record = kept_[count_++ % kKept];
  record = {events_.now(), happening, {a, b, c, d, e}};
  hash_ = Mix(hash_, static_cast<uint64_t>(record.at) << 8 | static_cast<uint64_t>(happening));
  for (const uint64_t number : record.numbers) hash_ = Mix(hash_, number);
  if (verbose_) std::printf("%s\n", Format(record).c_str());
}

void Trace::AddMessage(Happening happening, uint64_t from, uint64_t to,
                       const consensus::Message& message) {
  const uint64_t term =
      std::visit([](const auto& content) { return content.term.value(); }, message);
  Add(happening, from, to, message.index(), term, std::visit(Detail(), message));
}

std::vector<std::string> Trace::Newest(size_t count) const {
  std::vector<std::string> lines;
  for (uint64_t i = count_ - std::min<uint64_t>({count, count_, kKept}); i < count_; ++i) {
    lines.push_back(Format(kept_[i % kKept]));
  }
  return lines;
}

std::string Trace::Format(const Record& record) {
  return fmt::format("{:>10.3f} ms  {}", static_cast<double>(record.at) / kMillisecond,
                     FormatNumbers(record.happening, record.numbers));
}

}  // namespace quorate::simulation
