// The arguments of a command as its row in the table writes them, for COMMAND DOCS and the hints
// that clients make of it.
//
//   key:key value [NX|XX]
//     Words in small letters name what is given, in order; a type may follow: key, integer or
//     pattern; otherwise it is a string. Words in capitals stand for themselves. What is in
//     brackets may be left out; bars stand between choices.
//   (key:key value)...
//     Parentheses make one of several; dots: once or more.
//   [AUTH=(username password)]
//     A word before `=` announces what follows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.h"

namespace quorate {

struct SyntaxPart {
  std::string name;
  std::string_view type;  // Redis's word: string, key, integer, pattern, pure-token, oneof, block
  std::string_view token = {};
  bool optional = false;
  bool multiple = false;
  std::vector<SyntaxPart> parts = {};  // of "oneof" and "block"
};

// Precondition: `syntax` is well-formed, as rows of the table are.
std::vector<SyntaxPart> ParseSyntax(std::string_view syntax);

// The value of "arguments" in the reply to COMMAND DOCS.
void WriteSyntax(const std::vector<SyntaxPart>& parts, resp::ReplyWriter& writer);

}  // namespace quorate
