// The one line with which a node refuses a Hello: for people, with a word at its beginning where
// the other side has to understand it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/types.h"
#include "src/members/probe_answer.h"

namespace quorate {

// A Hello to this node is for nobody: it asks what is there, and is always refused.
inline constexpr consensus::NodeId kNobody{std::numeric_limits<uint64_t>::max()};

// Of a node that was removed, to that node.
inline constexpr std::string_view kRemovedWord = "REMOVED";

// Of a member whose data was put back to an earlier state, to that member; the reason follows.
inline constexpr std::string_view kLostWord = "LOST";

// The reason; nothing where it is another line.
std::optional<std::string_view> LossIn(std::string_view line);

// Of a process that claims the place of a member which another process has, to that process.
inline constexpr std::string_view kTwinWord = "TWIN";

// Of a node that could be taken in: its folder, and then `reason`.
std::string EmptyLine(uint64_t folder, std::string_view reason);
// The folder; nothing where it is another line.
std::optional<uint64_t> FolderIn(std::string_view line);

// Of a member of the cluster that asks, to a Hello for nobody. `process`: see Hello.
std::string MemberLine(uint64_t member_id, uint64_t process);

// What answers with that line to a Hello for nobody.
ProbeAnswer AnswerIn(std::string_view line);

}  // namespace quorate
