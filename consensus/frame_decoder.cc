#include <algorithm>
#include <cassert>
#include <utility>

#include "consensus/codec.h"
#include "consensus/codec_format.h"

namespace quorate::consensus {

namespace {

using namespace codec_format;  // NOLINT(google-build-using-namespace): this is its other half

constexpr size_t kHelloBytesMin = kHeaderBytes + kFixedBytes<HelloBody>;
constexpr size_t kHelloBytesMax = kHelloBytesMin + kTextBytesMax;
constexpr size_t kAppendCountOffset = kHeaderBytes + kFieldsBytes<AppendEntries>;
constexpr size_t kAppendEntriesOffset = kAppendCountOffset + kCountBytes;

size_t FrameBytes(std::string_view head) {
  assert(head.size() >= kHeaderBytes);
  return size_t{Load<uint32_t>(head.data())} + kLengthBytes;
}

uint8_t TypeOf(std::string_view head) { return static_cast<uint8_t>(head[kTypeOffset]); }

template <typename Visitor, typename... MessageBody>
bool VisitType(uint8_t code, const Visitor& visitor, const std::variant<MessageBody...>* /*of*/) {
  const auto try_one = [&]<typename Body>() {
    if (Format<Body>::kCode != code) {
      return false;
    }
    visitor.template operator()<Body>();
    return true;
  };
  return try_one.template operator()<HelloBody>() ||
         try_one.template operator()<HelloReplyBody>() ||
         try_one.template operator()<Statement>() || try_one.template operator()<StartNoted>() ||
         (try_one.template operator()<MessageBody>() || ...);
}

// Calls visitor.operator()<Body>() for the body that has this code; false: there is none.
template <typename Visitor>
bool VisitType(uint8_t code, const Visitor& visitor) {
  return VisitType(code, visitor, static_cast<const Message*>(nullptr));
}

uint8_t CodeOf(FrameDecoder::First first) {
  return first == FrameDecoder::First::kHello ? Format<HelloBody>::kCode
                                              : Format<HelloReplyBody>::kCode;
}

// What the body of a frame is to the caller.
Hello ResultOf(HelloBody&& body) {
  return {body.cluster_id, body.from,     body.to,        std::move(body.address),
          body.folder,     body.founding, body.abilities, body.process};
}
HelloReply ResultOf(HelloReplyBody&& body) {
  return {{body.nonce, body.own, body.noted, body.keeps_note, body.lost}, body.abilities};
}
Statement ResultOf(Statement&& body) { return std::move(body); }
StartNoted ResultOf(StartNoted&& body) { return body; }
template <typename Body>
Message ResultOf(Body&& body) {
  return Message(std::forward<Body>(body));
}

// What the header says is wrong, or an empty text.
std::string HeaderProblem(std::string_view head, std::optional<FrameDecoder::First> first) {
  const size_t frame_bytes = FrameBytes(head);
  const size_t frame_bytes_max = first ? kHelloBytesMax : kFrameBytesMax;
  if (frame_bytes > frame_bytes_max) {
    return "a frame of " + std::to_string(frame_bytes) + " bytes where at most " +
           std::to_string(frame_bytes_max) + " are allowed";
  }
  const auto version = static_cast<uint8_t>(head[kVersionOffset]);
  if (version != kProtocolVersion) {
    return "protocol version " + std::to_string(version) + " where " +
           std::to_string(kProtocolVersion) + " is spoken";
  }
  const uint8_t type = TypeOf(head);
  if (first && type != CodeOf(*first)) {
    return "a frame of type " + std::to_string(type) + " before the " +
           (*first == FrameDecoder::First::kHello ? "Hello" : "answer to the Hello");
  }
  size_t bytes_min = 0;
  size_t bytes_max = 0;
  const auto visitor = [&]<typename Body>() {
    bytes_min = kHeaderBytes + kFixedBytes<Body>;
    bytes_max = HasText<Body>       ? bytes_min + kTextMax<Body>
                : HasPayloads<Body> ? kFrameBytesMax
                                    : bytes_min;
  };
  if (!VisitType(type, visitor)) {
    return "a frame of type " + std::to_string(type) + ", which is no message";
  }
  if (frame_bytes < bytes_min || frame_bytes > bytes_max) {
    return "a frame of type " + std::to_string(type) + " with " + std::to_string(frame_bytes) +
           " bytes";
  }
  return "";
}

// The same as HeadBytes for a frame without payloads.
size_t BytesWithText(std::string_view head) {
  size_t bytes = FrameBytes(head);
  const auto visitor = [&]<typename Body>() {
    if constexpr (HasText<Body>) {
      bytes = kHeaderBytes + kFixedBytes<Body>;
      if (head.size() >= bytes) {
        bytes += Load<uint32_t>(head.data() + bytes - kCountBytes);
      }
    }
  };
  VisitType(TypeOf(head), visitor);
  return bytes;
}

// How long the head is, as far as these first bytes of it tell; equal to their number: it is
// complete. Precondition: the header has no problem.
size_t HeadBytes(std::string_view head) {
  if (TypeOf(head) == Format<InstallSnapshot>::kCode) {
    return kHeaderBytes + kFixedBytes<InstallSnapshot>;
  }
  if (TypeOf(head) != Format<AppendEntries>::kCode) {
    return BytesWithText(head);
  }
  if (head.size() < kAppendEntriesOffset) {
    return kAppendEntriesOffset;
  }
  const size_t count = Load<uint32_t>(head.data() + kAppendCountOffset);
  return kAppendEntriesOffset + count * kEntryHeaderBytes;
}

// What a head says of a payload.
struct Announced {
  size_t size;
  uint32_t crc32c;
};

Announced PayloadOf(std::string_view head, size_t position) {
  const char* at = head.data();
  if (TypeOf(head) == Format<InstallSnapshot>::kCode) {
    at += kHeaderBytes + kFieldsBytes<InstallSnapshot>;
  } else {
    at += kAppendEntriesOffset + position * kEntryHeaderBytes + 9;
  }
  return {Load<uint32_t>(at), Load<uint32_t>(at + 4)};
}

const char* LoadEntries(std::string_view head, AppendEntries* append) {
  size_t frame_bytes = head.size();
  append->entries.resize((head.size() - kAppendEntriesOffset) / kEntryHeaderBytes);
  for (size_t position = 0; position < append->entries.size(); ++position) {
    const char* at = head.data() + kAppendEntriesOffset + position * kEntryHeaderBytes;
    Entry& entry = append->entries[position];
    entry.term = Term(Load<uint64_t>(at));
    entry.index = append->prev_log_index + (position + 1);
    const auto kind = Load<uint8_t>(at + 8);
    if (kind > static_cast<uint8_t>(kLastEntryKind)) {
      return "an entry of an unknown kind";
    }
    entry.kind = EntryKind{kind};
    const size_t payload_bytes = PayloadOf(head, position).size;
    if (payload_bytes > kEntryBytesMax) {
      return "an entry that is too large";
    }
    frame_bytes += payload_bytes;
  }
  return frame_bytes == FrameBytes(head) ? nullptr : "a length that is not that of the entries";
}

const char* CheckData(std::string_view head) {
  const size_t data_bytes = PayloadOf(head, 0).size;
  if (data_bytes > kEntryBytesMax) {
    return "a part of a snapshot that is too large";
  }
  return head.size() + data_bytes == FrameBytes(head) ? nullptr
                                                      : "a length that is not that of the data";
}

template <HasText Body>
const char* LoadTextOf(std::string_view head, Body* body) {
  const std::string_view text = head.substr(kHeaderBytes + kFixedBytes<Body>);
  if (head.size() != FrameBytes(head)) {
    return "a length that is not that of the text";
  }
  return LoadText(text, &(body->*Format<Body>::kText)) ? nullptr : "a text that cannot be read";
}

// The body that this complete head holds, without the payloads. What is wrong with it, or nullptr.
template <typename Body>
const char* LoadBody(std::string_view head, Body* body) {
  assert(head.size() >= kHeaderBytes + kFieldsBytes<Body>);
  if (!LoadFields(head.data() + kHeaderBytes, body)) {
    return "a boolean that is neither 0 nor 1";
  }
  if constexpr (std::is_same_v<Body, AppendEntries>) {
    if (const char* problem = LoadEntries(head, body); problem != nullptr) {
      return problem;
    }
  } else if constexpr (std::is_same_v<Body, InstallSnapshot>) {
    if (const char* problem = CheckData(head); problem != nullptr) {
      return problem;
    }
  } else if constexpr (HasText<Body>) {
    if (const char* problem = LoadTextOf(head, body); problem != nullptr) {
      return problem;
    }
  }
  return Problem(*body);
}

}  // namespace

FrameDecoder::Result FrameDecoder::Next(std::string_view* input) {
  if (failure_) {
    return *failure_;
  }
  if (payloads_arrive()) {
    return TakePayloads(input);
  }
  size_t bytes = kHeaderBytes;
  while (true) {
    const std::string_view head = PeekHead(input, bytes);
    if (head.size() < bytes) {
      return NeedMore{};
    }
    if (bytes == kHeaderBytes) {
      std::string problem =
          HeaderProblem(head, first_received_ ? std::nullopt : std::optional(first_));
      if (!problem.empty()) {
        return Fail(std::move(problem));
      }
    }
    const size_t bytes_in_all = HeadBytes(head);
    if (bytes_in_all > FrameBytes(head)) {
      return Fail("more entries than the frame has room for, or a longer text");
    }
    if (bytes_in_all == bytes) {
      return TakeFrame(head, input);
    }
    bytes = bytes_in_all;
  }
}

std::string_view FrameDecoder::PeekHead(std::string_view* input, size_t bytes) {
  if (partial_head_.empty() && input->size() >= bytes) {
    return input->substr(0, bytes);
  }
  // A head that came in pieces is put together, and no byte more than it has.
  if (partial_head_.size() < bytes) {
    const size_t taken = std::min(bytes - partial_head_.size(), input->size());
    partial_head_.append(*input, 0, taken);
    input->remove_prefix(taken);
  }
  return partial_head_;
}

FrameDecoder::Result FrameDecoder::TakeFrame(std::string_view head, std::string_view* input) {
  if (partial_head_.empty()) {
    input->remove_prefix(head.size());
  }
  Result result = DecodeHead(head);
  if (!payloads_arrive()) {
    partial_head_ = {};
    return result;
  }
  // What announces the payloads is needed until the last payload has come.
  if (partial_head_.empty()) {
    partial_head_ = head;
  }
  return TakePayloads(input);
}

FrameDecoder::Result FrameDecoder::DecodeHead(std::string_view head) {
  if (Load<uint32_t>(head.data() + kLengthBytes) != HeadCrc32c(head)) {
    return Fail("a frame that does not have its checksum");
  }
  first_received_ = true;
  Result result;
  VisitType(TypeOf(head), [&]<typename Body>() {
    Body body;
    if (const char* problem = LoadBody(head, &body); problem != nullptr) {
      result = Fail(problem);
    } else if constexpr (HasPayloads<Body>) {
      arriving_ = std::move(body);
    } else {
      result = ResultOf(std::move(body));
    }
  });
  return result;
}

FrameDecoder::Result FrameDecoder::TakePayloads(std::string_view* input) {
  auto* append = std::get_if<AppendEntries>(&arriving_);
  const size_t count = append != nullptr ? append->entries.size() : 1;
  for (; complete_ < count; ++complete_) {
    const Announced announced = PayloadOf(partial_head_, complete_);
    const size_t taken = std::min(announced.size - partial_payload_.size(), input->size());
    const size_t bytes = partial_payload_.size() + taken;
    if (bytes > partial_payload_.capacity()) {
      // By doubling, so that the cost is linear, but never past the end: the last time is exact.
      partial_payload_.reserve(std::min(announced.size, 2 * bytes));
    }
    partial_payload_.append(*input, 0, taken);
    input->remove_prefix(taken);
    if (bytes < announced.size) {
      return NeedMore{};
    }
    Payload payload(std::exchange(partial_payload_, {}), announced.crc32c);
    if (!payload.Intact()) {
      return Fail("a payload that does not have its checksum");
    }
    if (append != nullptr) {
      append->entries[complete_].payload = std::move(payload);
    } else {
      std::get<InstallSnapshot>(arriving_).data = std::move(payload);
    }
  }
  Message message = append != nullptr ? Message(std::move(*append))
                                      : Message(std::get<InstallSnapshot>(std::move(arriving_)));
  arriving_ = {};
  complete_ = 0;
  partial_head_ = {};
  return message;
}

FrameDecoder::Result FrameDecoder::Fail(std::string text) {
  arriving_ = {};
  partial_payload_ = {};
  failure_ = Failure{std::move(text)};
  return *failure_;
}

}  // namespace quorate::consensus
