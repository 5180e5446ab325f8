// The corpus of the fuzz target frame_decoder follows the format.
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/codec.h"
#include "tests/fuzz/frame_decoder_input.h"

namespace quorate::consensus {
namespace {

// A fuzzer that starts from frames which are all refused for their version finds little behind
// that.
TEST(FrameDecoderCorpus, HasValidFramesOfEachKind) {
  FrameBuffer hello;
  hello.Add(Hello{1, NodeId(1), NodeId(2)});
  std::vector<std::string_view> introduction;
  hello.AppendPieces(&introduction);
  ASSERT_EQ(introduction.size(), 1U);

  bool has_hello = false;
  std::set<size_t> kinds;
  for (const auto& path : std::filesystem::directory_iterator(QUORATE_CORPUS)) {
    std::ifstream file(path.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (bytes.size() < 2) continue;
    FrameDecoder decoder;
    if ((bytes[0] & fuzz::kIntroduced) != 0) {
      std::string_view input = introduction[0];
      ASSERT_TRUE(std::holds_alternative<Hello>(decoder.Next(&input)));
    }
    std::string_view input = std::string_view(bytes).substr(2);
    const FrameDecoder::Result result = decoder.Next(&input);
    has_hello |= std::holds_alternative<Hello>(result);
    if (const auto* message = std::get_if<Message>(&result)) kinds.insert(message->index());
  }
  EXPECT_TRUE(has_hello) << "write some with frame_decoder_seeds";
  EXPECT_EQ(kinds.size(), std::variant_size_v<Message>) << "write some with frame_decoder_seeds";
}

}  // namespace
}  // namespace quorate::consensus
