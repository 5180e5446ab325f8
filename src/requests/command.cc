#include "src/requests/command.h"

#include <array>

namespace quorate {
namespace {

constexpr std::array<std::string_view, 16> kFlagNames = {"denyoom",
                                                         "admin",
                                                         "pubsub",
                                                         "noscript",
                                                         "blocking",
                                                         "loading",
                                                         "stale",
                                                         "skip_monitor",
                                                         "skip_slowlog",
                                                         "fast",
                                                         "no_auth",
                                                         "may_replicate",
                                                         "no_mandatory_keys",
                                                         "no_async_loading",
                                                         "no_multi",
                                                         "allow_busy"};

// Redis does not count what asks for a slot's keys among the commands that read them.
bool IsReadOnly(const Command& command) { return command.is_read() && command.group != "cluster"; }

}  // namespace

std::vector<std::string_view> FlagNames(const Command& command) {
  std::vector<std::string_view> names;
  if (command.is_write()) names.push_back("write");
  if (IsReadOnly(command)) names.push_back("readonly");
  const auto more = NamesOf<CommandFlag>(command.flags, kFlagNames);
  names.insert(names.end(), more.begin(), more.end());
  if (LegacyRangeOf(command.keys).movable) {
    // Redis has it before the last of its flags.
    const bool busy = command.flags.Has(CommandFlag::kAllowBusy);
    names.insert(busy ? names.end() - 1 : names.end(), "movablekeys");
  }
  return names;
}

Categories AllCategories(const Command& command) {
  Categories all = command.categories;
  if (IsReadOnly(command)) all.Add(Category::kRead);
  if (command.is_write()) all.Add(Category::kWrite);
  if (command.flags.Has(CommandFlag::kAdmin)) {
    all.Add(Category::kAdmin);
    all.Add(Category::kDangerous);
  }
  if (command.flags.Has(CommandFlag::kPubsub)) all.Add(Category::kPubsub);
  if (command.flags.Has(CommandFlag::kBlocking)) all.Add(Category::kBlocking);
  all.Add(command.flags.Has(CommandFlag::kFast) ? Category::kFast : Category::kSlow);
  return all;
}

bool AcceptsArgumentCount(const Command& command, size_t count) {
  return command.arity >= 0 ? count == static_cast<size_t>(command.arity)
                            : count >= static_cast<size_t>(-command.arity);
}

}  // namespace quorate
