// Fuzz target: configurations and changes of them, as they stand in log entries, checkpoints and
// the messages of peers.
//
// The input: one byte, the length of a change, the change, a configuration.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "consensus/configuration.h"

namespace quorate::consensus {
namespace {

// There is one way to write each: what was understood is what would have been written.
void Check(std::string_view change_bytes, std::string_view configuration_bytes) {
  const std::optional<Change> change = DecodeChange(change_bytes);
  if (change) assert(Encode(*change) == change_bytes);
  const std::optional<Configuration> configuration = DecodeConfiguration(configuration_bytes);
  if (!configuration) return;
  assert(IsValid(*configuration));
  assert(Encode(*configuration) == configuration_bytes);
  if (!change) return;

  const auto changed = Changed(*configuration, *change);
  if (const auto* refused = std::get_if<ChangeError>(&changed)) {
    assert(refused->reason != ChangeRefusal::kNone);
    assert(!refused->text.empty());
    return;
  }
  const auto& after = std::get<Configuration>(changed);
  assert(IsValid(after));
  assert(DecodeConfiguration(Encode(after)) == after);
  // Majorities of neighbours overlap (dissertation 4.1).
  assert(VotersApart(*configuration, after) <= 1);
}

}  // namespace
}  // namespace quorate::consensus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 1) {
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    const std::string_view change = bytes.substr(0, data[0]);
    quorate::consensus::Check(change, bytes.substr(change.size()));
  }
  return 0;
}
