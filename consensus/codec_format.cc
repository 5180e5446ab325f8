#include "consensus/codec_format.h"

#include <limits>

#include "consensus/encoding.h"

namespace quorate::consensus::codec_format {

namespace {

// Position 0, before the first entry, and only that has term 0.
bool IsPosition(Index index, Term term) { return (index == Index()) == (term == Term()); }

// A member in a HealthReport: its id, then its health.
constexpr size_t kHealthBytes = 8 + 1;

}  // namespace

std::string TextOf(const std::vector<MemberHealth>& members) {
  std::string text(members.size() * kHealthBytes, '\0');
  char* at = text.data();
  for (const MemberHealth& member : members) {
    StoreField(member.id, &at);
    *at++ = static_cast<char>(member.health);
  }
  return text;
}

bool LoadText(std::string_view text, std::vector<MemberHealth>* value) {
  if (text.size() % kHealthBytes != 0) {
    return false;
  }
  for (; !text.empty(); text.remove_prefix(kHealthBytes)) {
    const auto health = static_cast<uint8_t>(text[kHealthBytes - 1]);
    if (health > static_cast<uint8_t>(kLastHealth)) {
      return false;
    }
    value->push_back({NodeId(Load<uint64_t>(text.data())), static_cast<Health>(health)});
  }
  return true;
}

const char* Problem(const HelloBody& hello) {
  if (hello.magic != kMagic) {
    return "no Quorate server";
  }
  if (hello.from == NodeId() || hello.to == NodeId()) {
    return "node id 0";
  }
  return nullptr;
}

const char* Problem(const HelloReplyBody& reply) {
  return reply.magic != kMagic ? "no Quorate server" : nullptr;
}

const char* Problem(const Statement& statement) {
  return IsValid(statement) ? nullptr : "a statement that cannot be";
}

const char* Problem(const StartNoted& noted) {
  return noted.start == Start() ? "a start that is none" : nullptr;
}

std::string TextOf(const std::vector<Start>& starts) {
  std::string text;
  for (const Start& start : starts) {
    Put(start.count, &text);
    Put(start.random, &text);
  }
  return text;
}

bool LoadText(std::string_view text, std::vector<Start>* starts) {
  Taker taker(text);
  while (taker.ok() && !taker.complete()) {
    const auto count = taker.Take<uint64_t>();
    starts->push_back({count, taker.Take<uint64_t>()});
  }
  return taker.ok();
}

const char* Problem(const RequestVote& message) {
  if (message.term == Term()) {
    return "term 0";
  }
  if (!IsPosition(message.last_log_index, message.last_log_term)) {
    return "a last log position that cannot be";
  }
  return nullptr;
}

const char* Problem(const RequestVoteReply& message) {
  // A server that has never taken part in an election can refuse a pre-vote, and stays in term 0.
  const bool refused_pre_vote = message.pre_vote && !message.vote_granted;
  return message.term == Term() && !refused_pre_vote ? "term 0" : nullptr;
}

const char* Problem(const AppendEntries& message) {
  if (message.term == Term()) {
    return "term 0";
  }
  if (!IsPosition(message.prev_log_index, message.prev_log_term)) {
    return "a previous log position that cannot be";
  }
  if (message.entries.size() >
      std::numeric_limits<uint64_t>::max() - message.prev_log_index.value()) {
    return "indexes past the largest";
  }
  Index index = message.prev_log_index;
  Term term = message.prev_log_term;
  for (const Entry& entry : message.entries) {
    if (entry.index != index + 1) {
      return "entries that are not contiguous";
    }
    if (entry.term == Term() || entry.term < term) {
      return "terms of entries out of order";
    }
    index = entry.index;
    term = entry.term;
  }
  if (term > message.term) {
    return "an entry of a later term";
  }
  return nullptr;
}

const char* Problem(const InstallSnapshot& message) {
  if (message.term == Term()) {
    return "term 0";
  }
  if (message.last_included_index == Index() || message.last_included_term == Term()) {
    return "a snapshot of nothing";
  }
  if (message.last_included_term > message.term) {
    return "a snapshot of a later term";
  }
  return nullptr;
}

}  // namespace quorate::consensus::codec_format
