// That the decoder takes memory for what has arrived, not for what is announced. A program of its
// own, because it counts all allocations.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/codec.h"

namespace {

size_t allocated_bytes = 0;

}  // namespace

// Not inlined: the compiler would see malloc's memory given to a delete that it takes for
// another's.
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocated_bytes += bytes;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace quorate::consensus {
namespace {

std::string Joined(const FrameBuffer& frames) {
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  std::string joined;
  for (const std::string_view piece : pieces) {
    joined += piece;
  }
  return joined;
}

std::string LargeStream(size_t payload_bytes) {
  AppendEntries append;
  append.term = Term(1);
  append.entries.push_back(
      {Term(1), Index(1), EntryKind::kBatch, Payload(std::string(payload_bytes, 'x'))});
  FrameBuffer frames;
  frames.Add(Hello{1, NodeId(1), NodeId(2)});
  frames.Add(Message(std::move(append)));
  return Joined(frames);
}

// Each byte of `stream` by itself; whether the last one made a message.
bool FeedByteByByte(std::string_view stream, FrameDecoder* decoder) {
  bool message = false;
  for (size_t at = 0; at < stream.size(); ++at) {
    std::string_view input = stream.substr(at, 1);
    while (!input.empty() || at + 1 == stream.size()) {
      FrameDecoder::Result result = decoder->Next(&input);
      if (const auto* failure = std::get_if<FrameDecoder::Failure>(&result)) {
        ADD_FAILURE() << failure->text;
        return false;
      }
      message = std::holds_alternative<Message>(result);
      if (message || std::holds_alternative<FrameDecoder::NeedMore>(result)) {
        break;
      }
    }
  }
  return message;
}

TEST(FrameDecoderMemory, AnnouncedPayloadTakesNone) {
  const std::string stream = LargeStream(kEntryBytesMax);
  FrameDecoder decoder;
  const size_t before = allocated_bytes;
  FeedByteByByte(std::string_view(stream).substr(0, 1000), &decoder);
  EXPECT_LT(allocated_bytes - before, 16'000U);
}

// 144 MiB of frame with nothing but entries' headers, of which the first few arrive.
TEST(FrameDecoderMemory, AnnouncedEntriesTakeNone) {
  std::string stream = LargeStream(0);
  const size_t hello_bytes = stream.size() - (10 + 5 * 8 + 4 + 17);
  const auto store = [&stream](size_t at, uint64_t value) {
    for (int byte = 0; byte < 4; ++byte) {
      stream[at + byte] = static_cast<char>(value >> (8 * byte));
    }
  };
  store(hello_bytes, kFrameBytesMax - 4);
  store(hello_bytes + 10 + 5 * 8, (kFrameBytesMax - 54) / 17);
  stream.append(1000, '\0');
  FrameDecoder decoder;
  const size_t before = allocated_bytes;
  FeedByteByByte(stream, &decoder);
  EXPECT_LT(allocated_bytes - before, 16'000U);
}

// The sum of all that is ever allocated is bounded by a small multiple of the bytes, so nothing is
// copied again and again.
TEST(FrameDecoderMemory, LargePayloadInSmallPiecesIsNotCopiedAgainAndAgain) {
  const size_t payload_bytes = size_t{4} << 20;
  const std::string stream = LargeStream(payload_bytes);
  FrameDecoder decoder;
  const size_t before = allocated_bytes;
  EXPECT_TRUE(FeedByteByByte(stream, &decoder));
  EXPECT_LT(allocated_bytes - before, 3 * payload_bytes);
}

// In one piece, it is copied once, into memory of its size.
TEST(FrameDecoderMemory, LargePayloadInOnePieceIsCopiedOnce) {
  const size_t payload_bytes = size_t{4} << 20;
  const std::string stream = LargeStream(payload_bytes);
  FrameDecoder decoder;
  const size_t before = allocated_bytes;
  std::string_view input = stream;
  EXPECT_TRUE(std::holds_alternative<Hello>(decoder.Next(&input)));
  EXPECT_TRUE(std::holds_alternative<Message>(decoder.Next(&input)));
  EXPECT_LT(allocated_bytes - before, payload_bytes + 2000);
}

}  // namespace
}  // namespace quorate::consensus
