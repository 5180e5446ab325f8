#include "src/peers/peer_refusal.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>

namespace quorate {
namespace {

constexpr std::string_view kEmptyWord = "EMPTY ";
constexpr size_t kFolderDigits = 16;  // in base 16
constexpr std::string_view kMemberWord = "MEMBER ";

}  // namespace

std::string EmptyLine(uint64_t folder, std::string_view reason) {
  return fmt::format("{}{:016x} {}", kEmptyWord, folder, reason);
}

std::optional<uint64_t> FolderIn(std::string_view line) {
  if (!line.starts_with(kEmptyWord)) return std::nullopt;
  const std::string_view digits = line.substr(kEmptyWord.size(), kFolderDigits);
  uint64_t folder = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), folder, 16);
  if (error != std::errc() || end != digits.data() + kFolderDigits) return std::nullopt;
  return folder;
}

std::optional<std::string_view> LossIn(std::string_view line) {
  if (!line.starts_with(kLostWord)) return std::nullopt;
  line.remove_prefix(kLostWord.size());
  if (line.size() < 2 || line.front() != ' ') return std::nullopt;
  return line.substr(1);
}

std::string MemberLine(uint64_t member_id, uint64_t process) {
  return fmt::format("{}{} of this cluster is here, as process {:016x}", kMemberWord, member_id,
                     process);
}

ProbeAnswer AnswerIn(std::string_view line) {
  if (FolderIn(line)) return {ProbeAnswer::Kind::kEmpty};
  if (line.starts_with(kMemberWord)) {
    const std::string_view rest = line.substr(kMemberWord.size());
    uint64_t id = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), id);
    const size_t last_space = line.rfind(' ') + 1;
    uint64_t process = 0;
    const auto [process_end, process_error] =
        std::from_chars(line.data() + last_space, line.data() + line.size(), process, 16);
    if (error == std::errc() && id != 0 && process_error == std::errc()) {
      return {ProbeAnswer::Kind::kMember, id, process};
    }
  }
  return {.kind = ProbeAnswer::Kind::kOther, .text = std::string(line)};
}

}  // namespace quorate
