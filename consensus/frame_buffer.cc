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

template <typename Body>
void AppendFrame(const Body& body, std::string* out) {
  assert(Problem(body) == nullptr);
  std::array<char, kHeaderBytes + kFieldsBytes<Body>> frame;
  StoreHeader(frame.size(), Format<Body>::kCode, frame.data());
  StoreFields(body, frame.data() + kHeaderBytes);
  StoreCrc({frame.data(), frame.size()}, frame.data());
  out->append(frame.data(), frame.size());
}

}  // namespace

void FrameBuffer::Add(const Hello& hello) {
  AppendFrame(HelloBody{kMagic, hello.cluster_id, hello.from, hello.to}, &copied_);
}

void FrameBuffer::Add(const Message& message) {
  std::visit(
      [this]<typename Body>(const Body& body) {
        if constexpr (std::is_same_v<Body, AppendEntries>) {
          AddAppendEntries(body);
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
    Store(static_cast<uint32_t>(entry.payload.size()), at + 9);
    Store(entry.payload.crc32c(), at + 13);
    at += kEntryHeaderBytes;
  }
  assert(at == head + head_bytes);
  StoreCrc({head, head_bytes}, head);

  for (const Entry& entry : append.entries) {
    if (entry.payload.size() <= kCopiedPayloadBytesMax) {
      copied_ += entry.payload.bytes();
    } else {
      shared_.push_back({copied_.size(), entry.payload});
      shared_bytes_ += entry.payload.size();
    }
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
