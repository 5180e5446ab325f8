// The frame format as both directions of the codec use it: one list of fields for each kind of
// message, so that encoding and decoding cannot disagree. Private to the codec and its tests.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "consensus/codec.h"
#include "consensus/configuration.h"
#include "consensus/crc32c.h"
#include "consensus/message.h"
#include "consensus/types.h"

namespace quorate::consensus::codec_format {

// --- Layout ---

inline constexpr size_t kLengthBytes = 4;
inline constexpr size_t kCrcBytes = 4;
inline constexpr size_t kVersionOffset = kLengthBytes + kCrcBytes;
inline constexpr size_t kTypeOffset = kVersionOffset + 1;
inline constexpr size_t kHeaderBytes = kTypeOffset + 1;
inline constexpr size_t kCountBytes = 4;
inline constexpr size_t kPayloadHeaderBytes = 4 + 4;  // size, sum
inline constexpr size_t kEntryHeaderBytes = 8 + 1 + kPayloadHeaderBytes;

template <std::unsigned_integral Integer>
void Store(Integer value, char* at) {
  for (size_t byte = 0; byte < sizeof(Integer); ++byte) {
    at[byte] = static_cast<char>(value >> (8 * byte));
  }
}

template <std::unsigned_integral Integer>
Integer Load(const char* at) {
  Integer value = 0;
  for (size_t byte = 0; byte < sizeof(Integer); ++byte) {
    const auto bits = static_cast<Integer>(static_cast<unsigned char>(at[byte]));
    value = static_cast<Integer>(value | bits << (8 * byte));
  }
  return value;
}

// The sum over a frame's head, which is all of it but the payloads' bytes.
inline uint32_t HeadCrc32c(std::string_view head) {
  return Crc32c(head.substr(kLengthBytes + kCrcBytes), Crc32c(head.substr(0, kLengthBytes)));
}

// --- Fields ---

// A Hello as it is sent: the magic number keeps strangers out who happen to send a fitting length.
inline constexpr uint64_t kMagic = 0x65746172'6F755121;  // "!Quorate"
struct HelloBody {
  uint64_t magic = kMagic;
  uint64_t cluster_id = 0;
  NodeId from;
  NodeId to;
  uint64_t folder = 0;
  FoundingId founding;
  WireAbilities abilities = {};
  uint64_t process = 0;
  std::string address = {};
};
struct HelloReplyBody {
  uint64_t magic = kMagic;
  WireAbilities abilities = {};
  uint64_t nonce = 0;
  Start own = {};
  Start noted = {};
  bool keeps_note = true;
  bool lost = false;
};

// kCode: the type's number in the frame; never reused. kFields: in the order in which they are
// sent. kText: what is sent as a text behind the fields.
template <typename Body>
struct Format;

template <>
struct Format<HelloBody> {
  static constexpr uint8_t kCode = 1;
  static constexpr std::tuple kFields = {
      &HelloBody::magic,  &HelloBody::cluster_id, &HelloBody::from,      &HelloBody::to,
      &HelloBody::folder, &HelloBody::founding,   &HelloBody::abilities, &HelloBody::process};
  static constexpr auto kText = &HelloBody::address;
};

template <>
struct Format<HelloReplyBody> {
  static constexpr uint8_t kCode = 16;
  static constexpr std::tuple kFields = {&HelloReplyBody::magic, &HelloReplyBody::abilities,
                                         &HelloReplyBody::nonce, &HelloReplyBody::own,
                                         &HelloReplyBody::noted, &HelloReplyBody::keeps_note,
                                         &HelloReplyBody::lost};
};

template <>
struct Format<Statement> {
  static constexpr uint8_t kCode = 17;
  static constexpr std::tuple kFields = {&Statement::nonce,         &Statement::confirmed,
                                         &Statement::term,          &Statement::voted_for,
                                         &Statement::durable_index, &Statement::lost};
  static constexpr auto kText = &Statement::starts;
  static constexpr size_t kTextMax = kStartsMax * 2 * sizeof(uint64_t);
};

template <>
struct Format<StartNoted> {
  static constexpr uint8_t kCode = 18;
  static constexpr std::tuple kFields = {&StartNoted::start};
};

template <>
struct Format<RequestVote> {
  static constexpr uint8_t kCode = 2;
  static constexpr std::tuple kFields = {&RequestVote::term, &RequestVote::last_log_index,
                                         &RequestVote::last_log_term, &RequestVote::pre_vote,
                                         &RequestVote::leadership_transfer};
};

template <>
struct Format<RequestVoteReply> {
  static constexpr uint8_t kCode = 3;
  static constexpr std::tuple kFields = {&RequestVoteReply::term, &RequestVoteReply::vote_granted,
                                         &RequestVoteReply::pre_vote, &RequestVoteReply::wall_ms};
};

// Without the entries, which follow.
template <>
struct Format<AppendEntries> {
  static constexpr uint8_t kCode = 4;
  static constexpr std::tuple kFields = {
      &AppendEntries::term, &AppendEntries::prev_log_index, &AppendEntries::prev_log_term,
      &AppendEntries::prev_log_chain, &AppendEntries::leader_commit};
};

template <>
struct Format<AppendEntriesReply> {
  static constexpr uint8_t kCode = 5;
  static constexpr std::tuple kFields = {
      &AppendEntriesReply::term,      &AppendEntriesReply::success,
      &AppendEntriesReply::index,     &AppendEntriesReply::hint_index,
      &AppendEntriesReply::hint_term, &AppendEntriesReply::diverged};
};

template <>
struct Format<Heartbeat> {
  static constexpr uint8_t kCode = 6;
  static constexpr std::tuple kFields = {&Heartbeat::term, &Heartbeat::leader_commit,
                                         &Heartbeat::read_round};
};

template <>
struct Format<HeartbeatReply> {
  static constexpr uint8_t kCode = 7;
  static constexpr std::tuple kFields = {&HeartbeatReply::term,    &HeartbeatReply::read_round,
                                         &HeartbeatReply::unfit,   &HeartbeatReply::verified_index,
                                         &HeartbeatReply::wall_ms, &HeartbeatReply::feature_level};
};

template <>
struct Format<ReadIndex> {
  static constexpr uint8_t kCode = 8;
  static constexpr std::tuple kFields = {&ReadIndex::term, &ReadIndex::request};
};

template <>
struct Format<ReadIndexReply> {
  static constexpr uint8_t kCode = 9;
  static constexpr std::tuple kFields = {&ReadIndexReply::term, &ReadIndexReply::request,
                                         &ReadIndexReply::read_index};
};

template <>
struct Format<TimeoutNow> {
  static constexpr uint8_t kCode = 10;
  static constexpr std::tuple kFields = {&TimeoutNow::term};
};

template <>
struct Format<TransferRequest> {
  static constexpr uint8_t kCode = 11;
  static constexpr std::tuple kFields = {&TransferRequest::term};
};

// Without the data, which follows.
template <>
struct Format<InstallSnapshot> {
  static constexpr uint8_t kCode = 12;
  static constexpr std::tuple kFields = {&InstallSnapshot::term,
                                         &InstallSnapshot::transfer,
                                         &InstallSnapshot::last_included_index,
                                         &InstallSnapshot::last_included_term,
                                         &InstallSnapshot::chunk,
                                         &InstallSnapshot::done};
};

template <>
struct Format<InstallSnapshotReply> {
  static constexpr uint8_t kCode = 13;
  static constexpr std::tuple kFields = {
      &InstallSnapshotReply::term, &InstallSnapshotReply::transfer,
      &InstallSnapshotReply::next_chunk, &InstallSnapshotReply::installed,
      &InstallSnapshotReply::failed};
};

template <>
struct Format<ChangeRequest> {
  static constexpr uint8_t kCode = 14;
  static constexpr std::tuple kFields = {&ChangeRequest::term, &ChangeRequest::request,
                                         &ChangeRequest::force};
  static constexpr auto kText = &ChangeRequest::change;
};

template <>
struct Format<ChangeReply> {
  static constexpr uint8_t kCode = 15;
  static constexpr std::tuple kFields = {&ChangeReply::term, &ChangeReply::request,
                                         &ChangeReply::index, &ChangeReply::refusal};
  static constexpr auto kText = &ChangeReply::error;
};

template <>
struct Format<HealthReport> {
  static constexpr uint8_t kCode = 20;
  static constexpr std::tuple kFields = {&HealthReport::term};
  static constexpr auto kText = &HealthReport::members;
};

template <typename Body>
concept HasText = requires {
  Format<Body>::kText;
};

// Bodies that are followed by payloads, each announced by a size and a sum.
template <typename Body>
concept HasPayloads = std::is_same_v<Body, AppendEntries> || std::is_same_v<Body, InstallSnapshot>;

// The most bytes that the text of a body may have.
template <typename Body>
inline constexpr size_t kTextMax = [] {
  if constexpr (requires { Format<Body>::kTextMax; }) {
    return Format<Body>::kTextMax;
  } else {
    return kTextBytesMax;
  }
}();

// --- Access to the fields ---

// Booleans, refusals, plain numbers and Number<>, and small structs of these: as sent.
template <typename Body, typename Member>
constexpr size_t FieldBytes(Member Body::* /*field*/) {
  if constexpr (std::is_same_v<Member, bool> || std::is_same_v<Member, ChangeRefusal>) {
    return 1;
  } else {
    return sizeof(Member);
  }
}
static_assert(sizeof(Start) == 2 * sizeof(uint64_t));
static_assert(sizeof(WireAbilities) == 3 * sizeof(uint64_t));

template <typename Body>
inline constexpr size_t kFieldsBytes = std::apply(
    [](auto... field) { return (size_t{0} + ... + FieldBytes(field)); }, Format<Body>::kFields);

inline void StoreField(bool value, char** at) { *(*at)++ = value ? 1 : 0; }
inline void StoreField(ChangeRefusal value, char** at) { *(*at)++ = static_cast<char>(value); }
inline void StoreField(uint64_t value, char** at) {
  Store(value, *at);
  *at += sizeof(value);
}
template <typename Tag>
void StoreField(Number<Tag> value, char** at) {
  StoreField(value.value(), at);
}

inline void StoreField(const Start& start, char** at) {
  StoreField(start.count, at);
  StoreField(start.random, at);
}
inline void StoreField(const WireAbilities& abilities, char** at) {
  StoreField(abilities.version_min, at);
  StoreField(abilities.version_max, at);
  StoreField(abilities.capabilities, at);
}

// Exactly kFieldsBytes<Body> bytes.
template <typename Body>
void StoreFields(const Body& body, char* at) {
  std::apply([&](auto... field) { (StoreField(body.*field, &at), ...); }, Format<Body>::kFields);
}

// False: the bytes are none that StoreField writes.
inline bool LoadField(const char** at, bool* value) {
  const char byte = *(*at)++;
  *value = byte != 0;
  return byte == 0 || byte == 1;
}
inline bool LoadField(const char** at, ChangeRefusal* value) {
  const auto byte = static_cast<uint8_t>(*(*at)++);
  *value = static_cast<ChangeRefusal>(byte);
  return byte <= static_cast<uint8_t>(kLastChangeRefusal);
}
inline bool LoadField(const char** at, uint64_t* value) {
  *value = Load<uint64_t>(*at);
  *at += sizeof(*value);
  return true;
}
template <typename Tag>
bool LoadField(const char** at, Number<Tag>* value) {
  uint64_t number = 0;
  const bool good = LoadField(at, &number);
  *value = Number<Tag>(number);
  return good;
}

inline bool LoadField(const char** at, Start* start) {
  return LoadField(at, &start->count) && LoadField(at, &start->random);
}
inline bool LoadField(const char** at, WireAbilities* abilities) {
  return LoadField(at, &abilities->version_min) && LoadField(at, &abilities->version_max) &&
         LoadField(at, &abilities->capabilities);
}

template <typename Body>
bool LoadFields(const char* at, Body* body) {
  return std::apply([&](auto... field) { return (true && ... && LoadField(&at, &(body->*field))); },
                    Format<Body>::kFields);
}

// How many bytes there are at the least between the header and what is of variable length, and what
// announces that: a text's size, the number of entries, the size and the sum of a snapshot's data.
template <typename Body>
inline constexpr size_t kFixedBytes = kFieldsBytes<Body> +
                                      (std::is_same_v<Body, InstallSnapshot> ? kPayloadHeaderBytes
                                       : HasText<Body> || std::is_same_v<Body, AppendEntries>
                                           ? kCountBytes
                                           : 0);

// --- Texts ---

inline const std::string& TextOf(const std::string& text) { return text; }
inline std::string TextOf(const Change& change) { return Encode(change); }
std::string TextOf(const std::vector<Start>& starts);
std::string TextOf(const std::vector<MemberHealth>& members);

// False: the text is none that TextOf gives.
inline bool LoadText(std::string_view text, std::string* value) {
  *value = text;
  return true;
}
inline bool LoadText(std::string_view text, Change* value) {
  std::optional<Change> change = DecodeChange(text);
  if (change) {
    *value = *std::move(change);
  }
  return change.has_value();
}

bool LoadText(std::string_view text, std::vector<Start>* starts);
bool LoadText(std::string_view text, std::vector<MemberHealth>* value);

// --- Sense ---

// What is wrong with a message by itself, or nullptr. Asserted before sending, and checked on
// receipt.
const char* Problem(const HelloBody& hello);
const char* Problem(const HelloReplyBody& reply);
const char* Problem(const Statement& statement);
const char* Problem(const StartNoted& noted);
const char* Problem(const RequestVote& message);
const char* Problem(const RequestVoteReply& message);
const char* Problem(const AppendEntries& message);
const char* Problem(const InstallSnapshot& message);
template <typename Body>
const char* Problem(const Body& message) {
  return message.term == Term() ? "term 0" : nullptr;
}

// --- Completeness ---

// Stands for a value of any type, to count an aggregate's members by how many initializers it
// takes.
struct Anything {
  template <typename Type>
  operator Type() const;  // NOLINT: never defined
};

template <typename Aggregate, typename... Initializers>
consteval size_t MemberCount() {
  if constexpr (requires { Aggregate{Initializers()..., Anything()}; }) {
    return MemberCount<Aggregate, Initializers..., Anything>();
  } else {
    return sizeof...(Initializers);
  }
}

template <typename Body>
inline constexpr size_t kFieldCount = std::tuple_size_v<decltype(Format<Body>::kFields)>;

template <typename Alternatives>
struct Completeness;
template <typename... Alternative>
struct Completeness<std::variant<Alternative...>> {
  // A member that was added to a message and not to its kFields would be lost on the way. Only
  // what is of variable length is not in a list.
  static constexpr bool kEveryMemberIsSent =
      ((kFieldCount<Alternative> + (HasText<Alternative> || HasPayloads<Alternative> ? 1 : 0) ==
        MemberCount<Alternative>()) &&
       ...);
  static constexpr bool kCodesAreDistinct = [] {
    std::array<int, 256> uses{};
    (++uses[Format<Alternative>::kCode], ...);
    ++uses[Format<HelloBody>::kCode];
    ++uses[Format<HelloReplyBody>::kCode];
    ++uses[Format<Statement>::kCode];
    ++uses[Format<StartNoted>::kCode];
    for (const int count : uses) {
      if (count > 1) {
        return false;
      }
    }
    return true;
  }();
};
static_assert(Completeness<Message>::kEveryMemberIsSent);
static_assert(Completeness<Message>::kCodesAreDistinct);

}  // namespace quorate::consensus::codec_format
