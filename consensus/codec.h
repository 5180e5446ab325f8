// Messages as bytes between servers. A connection carries messages one way, from the server that
// opened it. It begins with a handshake: the opener's Hello, the Welcome that answers it, and the
// opener's Statement (start_ledger.h); then come Messages, the Hellos of others, and further
// Statements. The layout of Hello and Welcome never changes, whatever the version: what else there
// is to say is said in frames that only those get who name the capability. The format (version 4;
// all integers little endian):
//
//   u32 length   bytes of the frame after this field
//   u32 crc32c   of all of the frame but this field and the payloads' bytes
//   u8  version
//   u8  type
//   ...          the type's fields, one after another: numbers as u64, booleans and refusals as u8
//
// An AppendEntries has after its fields: u32 count, then for each entry {u64 term, u8 kind, u32
// size of its payload, u32 crc32c of its payload}, then the payloads' bytes one after another.
// Indexes are not sent: an entry's is that of its predecessor plus one, so a gap cannot be
// expressed. An InstallSnapshot has {u32 size, u32 crc32c} of its data, then the data. Those with a
// text (or a change, see configuration.h) have u32 size and the text, which the frame's sum covers.
//
// The sums: the frame's covers all that says how to read the frame, so a receiver can trust lengths
// before it waits for what they announce. A payload's own sum was computed where the entry was made
// and is sent as it is; the receiver verifies it, and with it all that lay between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/message.h"
#include "consensus/start_ledger.h"
#include "consensus/types.h"

namespace quorate::consensus {

inline constexpr uint8_t kProtocolVersion = 4;

// What a server can take. It is sent nothing else.
struct WireAbilities {
  uint64_t version_min = kProtocolVersion;
  uint64_t version_max = kProtocolVersion;
  uint64_t capabilities = 0;  // a bit for each, of which there are none yet

  bool operator==(const WireAbilities&) const = default;
};

// Whether there is a version that both speak.
inline bool CanSpeak(const WireAbilities& one, const WireAbilities& other) {
  return one.version_min <= other.version_max && other.version_min <= one.version_max;
}

// The payload of one entry: the largest value that a client may set, with room for the command
// around it. Whoever proposes keeps to it.
inline constexpr size_t kEntryBytesMax = size_t{128} << 20;

// One frame: an entry of that size, or very many small ones.
inline constexpr size_t kFrameBytesMax = kEntryBytesMax + (size_t{16} << 20);

// What a server says of itself when it has connected. The receiver compares: messages of another
// cluster, or meant for another server that had this address, must not reach the Raft state
// machine. Later it may pass on what others have said of themselves to it.
struct Hello {
  uint64_t cluster_id = 0;
  NodeId from;
  NodeId to;
  // Where `from` can be answered, in the driver's words, at most kTextBytesMax: the receiver may
  // not have heard of it yet.
  std::string address = {};
  // The receiver's folder, as far as `from` knows (ConfigurationMember).
  uint64_t folder = 0;
  // Of the cluster of `from`, as soon as it knows; 0: not yet. What differs is another cluster, or
  // another life of this one.
  FoundingId founding = {};
  WireAbilities abilities = {};
  uint64_t process = 0;  // names the sender's process; drawn when it begins

  bool operator==(const Hello&) const = default;
};

// The answer to a Hello, over the same connection.
struct HelloReply {
  Welcome welcome;
  WireAbilities abilities = {};

  bool operator==(const HelloReply&) const = default;
};

// The sender has noted, durably, this start of the receiver.
struct StartNoted {
  Start start;

  bool operator==(const StartNoted&) const = default;
};

// Frames on their way into a socket: filled in one round, then written as a whole with writev.
// Small frames stand one after another in one string; the bytes of larger payloads are not copied
// but kept alive. One thread.
class FrameBuffer {
 public:
  void Add(const Hello& hello);
  void Add(const HelloReply& reply);
  // Precondition: IsValid(statement).
  void Add(const Statement& statement);
  void Add(const StartNoted& noted);
  // Preconditions: the entries are contiguous after prev_log_index, their terms are in order, each
  // payload has at most kEntryBytesMax, each text kTextBytesMax, the frame kFrameBytesMax; terms
  // are set.
  void Add(const Message& message);

  bool empty() const { return bytes() == 0; }
  size_t bytes() const { return copied_.size() + shared_bytes_; }

  // Appends the pieces whose concatenation is the frames, none of them empty. They are valid until
  // the next call that is not const, and not after a move.
  void AppendPieces(std::vector<std::string_view>* pieces) const;

  // Forgets all frames, and keeps some memory for the next ones.
  void Clear();

 private:
  struct Shared {
    size_t position;  // in copied_: the payload's bytes come before what stands there
    Payload payload;
  };

  void AddAppendEntries(const AppendEntries& append);
  void AddInstallSnapshot(const InstallSnapshot& install);
  void AddPayload(const Payload& payload);

  std::string copied_;
  std::vector<Shared> shared_;
  size_t shared_bytes_ = 0;
};

// Takes the bytes of one connection apart, with no trust in them: every length is checked before it
// is believed, and memory grows only with bytes that have arrived (at most some four times these).
// One thread.
class FrameDecoder {
 public:
  // All of the input was taken; the frame goes on in bytes that have not arrived yet.
  struct NeedMore {};
  // These bytes are no frames of ours: close the connection. Every later call gives the same.
  struct Failure {
    std::string text;
  };
  using Result = std::variant<NeedMore, Hello, HelloReply, Statement, StartNoted, Message, Failure>;

  // What the first frame has to be: a Hello from who has opened the connection, a HelloReply from
  // the other side.
  enum class First : uint8_t { kHello, kHelloReply };
  explicit FrameDecoder(First first = First::kHello) : first_(first) {}

  // Takes bytes off the front of *input up to the end of a frame, or all of them. The decoder keeps
  // what it needs of an unfinished frame, so the caller can reuse the input's memory. The first
  // result, if any, is what the constructor was given; call no further unless that is acceptable.
  // Until then a frame may be no longer than a Hello, which has little more than kTextBytesMax.
  Result Next(std::string_view* input);

 private:
  Result Fail(std::string text);
  std::string_view PeekHead(std::string_view* input, size_t bytes);
  Result TakeFrame(std::string_view head, std::string_view* input);
  Result DecodeHead(std::string_view head);
  Result TakePayloads(std::string_view* input);

  std::optional<Failure> failure_;
  const First first_;
  bool first_received_ = false;

  std::string partial_head_;  // the first bytes of a frame whose head did not come in one piece

  bool payloads_arrive() const { return arriving_.index() != 0; }

  // A message whose payloads are arriving; its head stays in partial_head_.
  std::variant<std::monostate, AppendEntries, InstallSnapshot> arriving_;
  size_t complete_ = 0;          // payloads that have arrived
  std::string partial_payload_;  // the first bytes of the next one
};

}  // namespace quorate::consensus
