// Frames as one string, and back, for tests of the codec.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/codec.h"

namespace quorate::consensus {

inline constexpr uint64_t kClusterId = 0xC1057E4;
inline constexpr Hello kHello = {kClusterId, NodeId(1), NodeId(2)};

inline std::string Join(const FrameBuffer& frames) {
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  std::string joined;
  for (const std::string_view piece : pieces) {
    EXPECT_FALSE(piece.empty());
    joined += piece;
  }
  EXPECT_EQ(joined.size(), frames.bytes());
  return joined;
}

template <typename HelloOrMessage>
std::string Encode(const HelloOrMessage& what) {
  FrameBuffer frames;
  frames.Add(what);
  return Join(frames);
}

// Exactly these bytes in memory of their own, so that a sanitizer sees a read past them.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes)
      : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

// What a decoder makes of a stream, until it wants more or fails.
struct Decoded {
  std::vector<Hello> hellos;
  std::vector<Message> messages;
  std::string failure;  // empty: none

  bool operator==(const Decoded&) const = default;
};

// Gives the decoder one piece of a stream, as a connection does.
inline void Feed(std::string_view piece, FrameDecoder* decoder, Decoded* decoded) {
  const ExactBytes bytes(piece);
  std::string_view input = bytes.view();
  while (true) {
    const size_t before = input.size();
    FrameDecoder::Result result = decoder->Next(&input);
    ASSERT_LE(input.size(), before);
    if (std::holds_alternative<FrameDecoder::NeedMore>(result)) {
      ASSERT_TRUE(input.empty()) << "more is needed, but not all was taken";
      return;
    }
    if (auto* failure = std::get_if<FrameDecoder::Failure>(&result)) {
      ASSERT_FALSE(failure->text.empty());
      decoded->failure = failure->text;
      return;
    }
    if (const auto* hello = std::get_if<Hello>(&result)) {
      decoded->hellos.push_back(*hello);
    } else {
      decoded->messages.push_back(std::get<Message>(std::move(result)));
    }
  }
}

inline Decoded Decode(std::string_view stream) {
  FrameDecoder decoder;
  Decoded decoded;
  Feed(stream, &decoder, &decoded);
  return decoded;
}

// A decoder to which a connection has said hello.
inline FrameDecoder Introduced() {
  FrameDecoder decoder;
  Decoded decoded;
  Feed(Encode(kHello), &decoder, &decoded);
  EXPECT_EQ(decoded.hellos.size(), 1U);
  return decoder;
}

// The same for a frame that follows the Hello.
inline Decoded DecodeIntroduced(std::string_view stream) {
  FrameDecoder decoder = Introduced();
  Decoded decoded;
  Feed(stream, &decoder, &decoded);
  return decoded;
}

}  // namespace quorate::consensus
