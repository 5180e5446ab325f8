#include "src/requests/command_keys.h"

#include <algorithm>
#include <climits>

#include "resp/integer.h"
#include "src/base/ascii.h"
#include "src/requests/command.h"

namespace quorate {
namespace {

using Begin = KeySpecification::Begin;
using Find = KeySpecification::Find;

bool IsRangeFromIndex(const KeySpecification& specification) {
  return specification.begin == Begin::kIndex && specification.find == Find::kRange;
}

// The argument behind the keyword; 0: it is not there. As in Redis, it is not looked for where
// nothing could follow it.
int BehindKeyword(const KeySpecification& specification, Arguments arguments) {
  const int count = static_cast<int>(arguments.size());
  const bool forwards = specification.index > 0;
  const int begin = forwards ? specification.index : count + specification.index;
  const int end = forwards ? count - 1 : 0;
  for (int at = begin; forwards ? at < end : at > end; at += forwards ? 1 : -1) {
    if (at < 1 || at >= count) break;
    if (EqualsIgnoringCase(arguments[static_cast<size_t>(at)], specification.keyword)) {
      return at + 1;
    }
  }
  return 0;
}

// The place of the last key; may be any number.
std::optional<int64_t> LastPlace(const KeySpecification& specification, Arguments arguments,
                                 int64_t* first) {
  const auto count = static_cast<int64_t>(arguments.size());
  if (specification.find == Find::kCount) {
    const int64_t count_at = *first + specification.count_at;
    if (count_at >= count) return std::nullopt;
    const std::optional<int64_t> keys =
        resp::ParseInteger(arguments[static_cast<size_t>(count_at)]);
    if (!keys || *keys <= 0 || *keys > count) return std::nullopt;
    *first += specification.last;
    return *first + (*keys - 1) * specification.step;
  }
  if (specification.last >= 0) return *first + specification.last;
  if (specification.limit <= 1) return count + specification.last;
  return *first + (count - *first) / specification.limit + specification.last;
}

}  // namespace

std::optional<KeyPlaces> FindPlaces(const KeySpecification& specification, Arguments arguments) {
  int64_t first = specification.index;
  if (specification.begin == Begin::kUnknown) return KeyPlaces();
  if (specification.begin == Begin::kKeyword) {
    first = BehindKeyword(specification, arguments);
    if (first == 0) return KeyPlaces();
  }
  const std::optional<int64_t> last = LastPlace(specification, arguments, &first);
  const auto count = static_cast<int64_t>(arguments.size());
  if (!last || *last >= count || *last < first) return std::nullopt;
  return KeyPlaces{static_cast<size_t>(first), static_cast<size_t>(*last) + 1,
                   static_cast<size_t>(specification.step)};
}

const std::string_view* FirstKey(const KeySpecifications& specifications, Arguments arguments) {
  for (const KeySpecification& specification : specifications) {
    const std::optional<KeyPlaces> places = FindPlaces(specification, arguments);
    if (places && places->first < places->end) return &arguments[places->first];
  }
  return nullptr;
}

LegacyKeyRange LegacyRangeOf(const KeySpecifications& specifications) {
  LegacyKeyRange range;
  bool joined = true;  // so far, each has begun behind the one before
  for (const KeySpecification& specification : specifications) {
    if (!IsRangeFromIndex(specification)) {
      range.movable = true;
      continue;
    }
    if (!joined) continue;
    const int last =
        specification.last < 0 ? specification.last : specification.index + specification.last;
    if (range.first == 0) {
      range = {specification.index, last, specification.step, range.movable};
    } else if (range.last == specification.index - 1 && specification.step == range.step) {
      range.last = last;
    } else {
      joined = false;
      range.movable = true;
    }
  }
  return range;
}

std::optional<std::vector<KeyUse>> KeysOf(const Command& command, Arguments arguments) {
  if (command.find_keys != nullptr) return command.find_keys(arguments);
  std::vector<KeyUse> keys;
  for (const KeySpecification& specification : command.keys) {
    const std::optional<KeyPlaces> places = FindPlaces(specification, arguments);
    if (!places) return std::nullopt;
    for (size_t at = places->first; at < places->end; at += places->step) {
      keys.push_back({arguments[at], specification.flags});
    }
  }
  return keys;
}

}  // namespace quorate
