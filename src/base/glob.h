#pragma once

#include <string_view>

namespace quorate {

enum class LetterCase { kSensitive, kInsensitive };

// Whether all of `text` matches `pattern`, by the rules of Redis's KEYS, SCAN, PSUBSCRIBE and
// CONFIG GET:
//   *        any bytes, also none
//   ?        any one byte
//   [a-z_]   one of these bytes; [^a-z_] none of them; a class that is not closed goes to the
//   pattern's end \x       the byte x itself, also within a class
// Any other byte stands for itself. LetterCase concerns ASCII letters only. Both may hold any
// bytes. Costs at most pattern.size() * text.size() steps, whatever the pattern, and no memory.
bool GlobMatch(std::string_view pattern, std::string_view text,
               LetterCase letter_case = LetterCase::kSensitive);

}  // namespace quorate
