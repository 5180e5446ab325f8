#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "consensus/codec.h"
#include "consensus/codec_format.h"

namespace quorate::consensus {

namespace {

using namespace codec_format;  // NOLINT(google-build-using-namespace): this is its other half

// Below this, copying a payload costs less than a piece of its own does here and in the kernel.
constexpr size_t kCopiedPayloadBytesMax = 1024;

constexpr size_t kRetainedBytesMax = 256 << 10;
constexpr size_t kRetainedPiecesMax = 1024;

// Writes what stands before the fields, but for the sum.
void StoreHeader(size_t frame_bytes, uint8_t type, char* head) {
  assert(frame_bytes >= kHeaderBytes);
  assert(frame_bytes <= kFrameBytesMax);
  Store(static_cast<uint32_t>(frame_bytes - kLengthBytes), head);
  head[kVersionOffset] = static_cast<char>(kProtocolVersion);
  head[kTypeOffset] = static_cast<char>(type);
}

void StoreCrc(std::string_view head, char* at) { Store(HeadCrc32c(head), at + kLengthBytes); }

void StorePayloadHeader(const Payload& payload, char* at) {
  Store(static_cast<uint32_t>(payload.size()), at);
  Store(payload.crc32c(), at + 4);
}

template <typename Body>
void AppendFrame(const Body& body, std::string* out) {
  assert(Problem(body) == nullptr);
  std::array<char, kHeaderBytes + kFieldsBytes<Body>> frame;
  StoreHeader(frame.size(), Format<Body>::kCode, frame.data());
  StoreFields(body, frame.data() + kHeaderBytes);
  StoreCrc({frame.data(), frame.size()}, frame.data());
  out->append(frame.data(), frame.size());
}

template <HasText Body>
void AppendFrame(const Body& body, std::string* out) {
  assert(Problem(body) == nullptr);
  const auto& text = TextOf(body.*Format<Body>::kText);
  assert(text.size() <= kTextMax<Body>);
  std::array<char, kHeaderBytes + kFixedBytes<Body> + kTextMax<Body>> buffer;
  char* at = buffer.data() + kHeaderBytes;
  StoreFields(body, at);
  at += kFieldsBytes<Body>;
  Store(static_cast<uint32_t>(text.size()), at);
  at = std::copy(text.begin(), text.end(), at + kCountBytes);
  const std::string_view frame(buffer.data(), static_cast<size_t>(at - buffer.data()));
  StoreHeader(frame.size(), Format<Body>::kCode, buffer.data());
  StoreCrc(frame, buffer.data());
  *out += frame;
}

}  // namespace

void FrameBuffer::Add(const Hello& hello) {
  AppendFrame(HelloBody{kMagic, hello.cluster_id, hello.from, hello.to, hello.folder,
                        hello.founding, hello.abilities, hello.process, hello.address},
              &copied_);
}

void FrameBuffer::Add(const HelloReply& reply) {
  const Welcome& welcome = reply.welcome;
  AppendFrame(HelloReplyBody{kMagic, reply.abilities, welcome.nonce, welcome.own, welcome.noted,
                             welcome.keeps_note, welcome.lost},
              &copied_);
}

void FrameBuffer::Add(const Statement& statement) { AppendFrame(statement, &copied_); }

void FrameBuffer::Add(const StartNoted& noted) { AppendFrame(noted, &copied_); }

void FrameBuffer::Add(const Message& message) {
  std::visit(
      [this]<typename Body>(const Body& body) {
        if constexpr (std::is_same_v<Body, AppendEntries>) {
          AddAppendEntries(body);
        } else if constexpr (std::is_same_v<Body, InstallSnapshot>) {
          AddInstallSnapshot(body);
        } else {
          AppendFrame(body, &copied_);
        }
      },
      message);
}

void FrameBuffer::AddAppendEntries(const AppendEntries& append) {
  assert(Problem(append) == nullptr);
  const size_t head_bytes = kHeaderBytes + kFieldsBytes<AppendEntries> + kCountBytes +
                            append.entries.size() * kEntryHeaderBytes;
  size_t frame_bytes = head_bytes;
  for (const Entry& entry : append.entries) {
    assert(entry.payload.size() <= kEntryBytesMax);
    frame_bytes += entry.payload.size();
  }

  const size_t start = copied_.size();
  copied_.resize(start + head_bytes);
  char* head = copied_.data() + start;
  StoreHeader(frame_bytes, Format<AppendEntries>::kCode, head);
  char* at = head + kHeaderBytes;
  StoreFields(append, at);
  at += kFieldsBytes<AppendEntries>;
  Store(static_cast<uint32_t>(append.entries.size()), at);
  at += kCountBytes;
  for (const Entry& entry : append.entries) {
    Store(entry.term.value(), at);
    Store(static_cast<uint8_t>(entry.kind), at + 8);
    StorePayloadHeader(entry.payload, at + 9);
    at += kEntryHeaderBytes;
  }
  assert(at == head + head_bytes);
  StoreCrc({head, head_bytes}, head);

  for (const Entry& entry : append.entries) {
    AddPayload(entry.payload);
  }
}

void FrameBuffer::AddInstallSnapshot(const InstallSnapshot& install) {
  assert(Problem(install) == nullptr);
  assert(install.data.size() <= kEntryBytesMax);
  std::array<char, kHeaderBytes + kFixedBytes<InstallSnapshot>> head;
  StoreHeader(head.size() + install.data.size(), Format<InstallSnapshot>::kCode, head.data());
  StoreFields(install, head.data() + kHeaderBytes);
  StorePayloadHeader(install.data, head.data() + kHeaderBytes + kFieldsBytes<InstallSnapshot>);
  StoreCrc({head.data(), head.size()}, head.data());
  copied_.append(head.data(), head.size());
  AddPayload(install.data);
}

void FrameBuffer::AddPayload(const Payload& payload) {
  if (payload.size() <= kCopiedPayloadBytesMax) {
    copied_ += payload.bytes();
  } else {
    shared_.push_back({copied_.size(), payload});
    shared_bytes_ += payload.size();
  }
}

void FrameBuffer::AppendPieces(std::vector<std::string_view>* pieces) const {
  const std::string_view copied = copied_;
  size_t position = 0;
  for (const Shared& shared : shared_) {
    if (shared.position > position) {
      pieces->push_back(copied.substr(position, shared.position - position));
    }
    pieces->push_back(shared.payload.bytes());
    position = shared.position;
  }
  if (copied.size() > position) {
    pieces->push_back(copied.substr(position));
  }
}

void FrameBuffer::Clear() {
  // One large round must not hold its memory for ever.
  if (copied_.capacity() > kRetainedBytesMax) {
    copied_ = std::string();
  }
  if (shared_.capacity() > kRetainedPiecesMax) {
    shared_ = std::vector<Shared>();
  }
  copied_.clear();
  shared_.clear();
  shared_bytes_ = 0;
}

}  // namespace quorate::consensus
