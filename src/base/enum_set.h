// A set of an enumeration's values, a bit for each, for constant tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace quorate {

// Precondition: the values are below 64.
template <typename Enum>
class EnumSet {
 public:
  constexpr EnumSet() = default;
  constexpr EnumSet(std::initializer_list<Enum> members) {
    for (const Enum member : members) bits_ |= Bit(member);
  }

  constexpr bool Has(Enum member) const { return (bits_ & Bit(member)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr void Add(Enum member) { bits_ |= Bit(member); }
  friend constexpr bool operator==(EnumSet, EnumSet) = default;

 private:
  static constexpr uint64_t Bit(Enum member) {
    return uint64_t{1} << static_cast<unsigned>(member);
  }

  uint64_t bits_ = 0;
};

// The names of the members, in the order of the values. `names` has one for each value.
template <typename Enum>
std::vector<std::string_view> NamesOf(EnumSet<Enum> set, std::span<const std::string_view> names) {
  std::vector<std::string_view> chosen;
  for (size_t value = 0; value < names.size(); ++value) {
    if (set.Has(static_cast<Enum>(value))) chosen.push_back(names[value]);
  }
  return chosen;
}

}  // namespace quorate
