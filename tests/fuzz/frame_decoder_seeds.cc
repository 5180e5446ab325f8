// Writes inputs for the fuzz target frame_decoder into a folder: some valid frames of each kind, in
// the format of today. To be run when the format has changed, since the decoder refuses frames of
// an earlier version before it looks at them:
//
//   build/release/tests/fuzz/frame_decoder_seeds tests/fuzz/corpus/frame_decoder
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/codec.h"
#include "tests/consensus/random_message.h"
#include "tests/fuzz/frame_decoder_input.h"

namespace quorate::consensus {
namespace {

constexpr uint64_t kOfEachKind = 3;

bool Write(const std::string& folder, const std::string& name, uint8_t switches,
           const FrameBuffer& frames) {
  std::ofstream file(folder + "/" + name, std::ios::binary | std::ios::trunc);
  file.put(static_cast<char>(switches)).put('\x06');
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  for (const std::string_view piece : pieces) file << piece;
  file.close();
  return file.good();
}

bool WriteAll(const std::string& folder) {
  bool good = true;
  for (uint64_t seed = 1; seed <= kOfEachKind; ++seed) {
    RandomMessages random(seed);
    FrameBuffer hello;
    hello.Add(Hello{random.Below(1000), NodeId(seed), NodeId(seed + 1),
                    std::string(random.Below(30), 'a'), random.Below(2)});
    good &= Write(folder, "hello-" + std::to_string(seed), fuzz::kRepaired, hello);
    for (size_t kind = 0; kind < std::variant_size_v<Message>; ++kind) {
      FrameBuffer message;
      message.Add(random.OfType(kind, 3, 20));
      good &= Write(folder, "message-" + std::to_string(kind) + "-" + std::to_string(seed),
                    fuzz::kIntroduced | fuzz::kRepaired, message);
    }
  }
  return good;
}

}  // namespace
}  // namespace quorate::consensus

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "Usage: frame_decoder_seeds FOLDER\n";
    return 2;
  }
  if (!quorate::consensus::WriteAll(argv[1])) {
    std::cerr << "frame_decoder_seeds: cannot write to " << argv[1] << "\n";
    return 1;
  }
  return 0;
}
