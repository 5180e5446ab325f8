#include "src/base/glob.h"

#include <cstddef>
#include <utility>

#include "src/base/ascii.h"

namespace quorate {
namespace {

unsigned char Fold(char byte, LetterCase letter_case) {
  return static_cast<unsigned char>(letter_case == LetterCase::kInsensitive ? ToLower(byte) : byte);
}

// The outcome of comparing one byte of text with the element at the start of a pattern.
struct Step {
  bool matches;
  size_t element_size;  // in bytes of the pattern
};

// `pattern` starts with '['.
Step MatchClass(std::string_view pattern, char byte, LetterCase letter_case) {
  size_t position = 1;
  const bool negated = pattern.substr(position).starts_with('^');
  if (negated) {
    ++position;
  }
  bool found = false;
  while (position < pattern.size() && pattern[position] != ']') {
    const std::string_view rest = pattern.substr(position);
    if (rest[0] == '\\' && rest.size() >= 2) {
      // As in Redis, an escaped byte keeps its case.
      found |= rest[1] == byte;
      position += 2;
    } else if (rest.size() >= 3 && rest[1] == '-') {
      unsigned char low = Fold(rest[0], letter_case);
      unsigned char high = Fold(rest[2], letter_case);
      if (low > high) {
        std::swap(low, high);
      }
      const unsigned char folded = Fold(byte, letter_case);
      found |= low <= folded && folded <= high;
      position += 3;
    } else {
      found |= Fold(rest[0], letter_case) == Fold(byte, letter_case);
      position += 1;
    }
  }
  if (position < pattern.size()) {
    ++position;  // the closing bracket
  }
  return {found != negated, position};
}

// `pattern` is not empty and does not start with '*'.
Step MatchElement(std::string_view pattern, char byte, LetterCase letter_case) {
  switch (pattern[0]) {
    case '?':
      return {true, 1};
    case '[':
      return MatchClass(pattern, byte, letter_case);
    case '\\':
      if (pattern.size() >= 2) {
        return {Fold(pattern[1], letter_case) == Fold(byte, letter_case), 2};
      }
      [[fallthrough]];
    default:
      return {Fold(pattern[0], letter_case) == Fold(byte, letter_case), 1};
  }
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, LetterCase letter_case) {
  // On a mismatch only the last star is given one more byte. Earlier ones need no second try: what
  // they could take in addition, the last one can take as well. That is what keeps a*a*a*a*b from
  // exponential time.
  size_t in_pattern = 0;
  size_t in_text = 0;
  size_t star = std::string_view::npos;  // position in the pattern after the last star
  size_t star_text = 0;                  // where the text that follows that star's share begins
  while (in_text < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = ++in_pattern;
      star_text = in_text;
      continue;
    }
    if (in_pattern < pattern.size()) {
      const Step step = MatchElement(pattern.substr(in_pattern), text[in_text], letter_case);
      if (step.matches) {
        in_pattern += step.element_size;
        ++in_text;
        continue;
      }
    }
    if (star == std::string_view::npos) {
      return false;
    }
    in_pattern = star;
    in_text = ++star_text;
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
    ++in_pattern;
  }
  return in_pattern == pattern.size();
}

}  // namespace quorate
