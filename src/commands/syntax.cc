#include "src/commands/syntax.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "src/base/ascii.h"

namespace quorate {
namespace {

bool IsCapital(char byte) { return byte >= 'A' && byte <= 'Z'; }

bool IsWordByte(char byte) {
  return IsCapital(byte) || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
         byte == '-' || byte == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view rest) : rest_(rest) {}

  // Up to the end, a bar or a closing bracket.
  std::vector<SyntaxPart> Sequence() {
    std::vector<SyntaxPart> parts;
    while (true) {
      while (Skip(" ")) continue;
      if (rest_.empty() || std::string_view("|])").find(rest_[0]) != std::string_view::npos) break;
      parts.push_back(Part());
    }
    return parts;
  }

  bool at_end() const { return rest_.empty(); }

 private:
  SyntaxPart Part() {
    SyntaxPart part;
    if (Skip("[")) {
      part = Group("]");
      part.optional = true;
    } else if (Skip("(")) {
      part = Group(")");
    } else {
      part = FromWord(Word());
    }
    if (Skip("...")) part.multiple = true;
    return part;
  }

  SyntaxPart FromWord(std::string_view word) {
    if (!IsCapital(word[0])) return {std::string(word), Skip(":") ? Word() : "string"};
    SyntaxPart part;
    if (Skip("=")) {
      part = Part();
    } else {
      part = {ToLower(word), "pure-token"};
    }
    assert(part.token.empty());
    part.token = word;
    return part;
  }

  SyntaxPart Group(std::string_view closing) {
    std::vector<SyntaxPart> choices;
    do {
      choices.push_back(AsOne("block", Sequence()));
    } while (Skip("|"));
    const bool closed = Skip(closing);
    assert(closed);
    return AsOne("oneof", std::move(choices));
  }

  // Several parts as one, which gets its name from them.
  static SyntaxPart AsOne(std::string_view type, std::vector<SyntaxPart> parts) {
    assert(!parts.empty());
    if (parts.size() == 1) return std::move(parts[0]);
    SyntaxPart whole;
    whole.type = type;
    for (const SyntaxPart& part : parts) {
      if (!whole.name.empty()) whole.name += '_';
      whole.name += part.name;
    }
    whole.parts = std::move(parts);
    return whole;
  }

  std::string_view Word() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsWordByte);
    const std::string_view word(rest_.begin(), end);
    assert(!word.empty());
    rest_.remove_prefix(word.size());
    return word;
  }

  bool Skip(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  std::string_view rest_;
};

void WritePart(const SyntaxPart& part, resp::ReplyWriter& writer) {
  const bool is_key = part.type == "key";
  const size_t flags = (part.optional ? 1U : 0U) + (part.multiple ? 1U : 0U);
  writer.Map(2 + (is_key ? 1U : 0U) + (part.token.empty() ? 0U : 1U) + (flags == 0 ? 0U : 1U) +
             (part.parts.empty() ? 0U : 1U));
  writer.BulkString("name");
  writer.BulkString(part.name);
  writer.BulkString("type");
  writer.BulkString(part.type);
  if (is_key) {
    writer.BulkString("key_spec_index");
    writer.Integer(0);
  }
  if (!part.token.empty()) {
    writer.BulkString("token");
    writer.BulkString(part.token);
  }
  if (flags > 0) {
    writer.BulkString("flags");
    writer.Set(flags);
    if (part.optional) writer.SimpleString("optional");
    if (part.multiple) writer.SimpleString("multiple");
  }
  if (!part.parts.empty()) {
    writer.BulkString("arguments");
    WriteSyntax(part.parts, writer);
  }
}

}  // namespace

std::vector<SyntaxPart> ParseSyntax(std::string_view syntax) {
  Parser parser(syntax);
  std::vector<SyntaxPart> parts = parser.Sequence();
  assert(parser.at_end());
  return parts;
}

void WriteSyntax(const std::vector<SyntaxPart>& parts, resp::ReplyWriter& writer) {
  writer.Array(parts.size());
  for (const SyntaxPart& part : parts) WritePart(part, writer);
}

}  // namespace quorate
