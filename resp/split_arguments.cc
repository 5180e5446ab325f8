#include "resp/split_arguments.h"

#include <cassert>
#include <cstddef>

namespace quorate::resp {
namespace {

// What is skipped before an argument, and may follow a closing quote.
bool IsBlank(char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

// What ends an argument outside quotes. Redis takes fewer bytes here than before an argument: a
// vertical tab or a form feed within an argument is part of it.
bool EndsArgument(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

int HexDigit(char byte) {
  if (byte >= '0' && byte <= '9') {
    return byte - '0';
  }
  if (byte >= 'a' && byte <= 'f') {
    return byte - 'a' + 10;
  }
  if (byte >= 'A' && byte <= 'F') {
    return byte - 'A' + 10;
  }
  return -1;
}

// The byte that a backslash and `escape` stand for within double quotes.
char Unescape(char escape) {
  switch (escape) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return escape;
  }
}

// Both take `position` after the opening quote, append the content to `unescaped`, and return the
// position after the closing quote, or npos if there is none.
size_t ReadDoubleQuoted(std::string_view line, size_t position, std::string* unescaped) {
  while (position < line.size()) {
    const std::string_view rest = line.substr(position);
    if (rest[0] == '"') {
      return position + 1;
    }
    if (rest[0] != '\\' || rest.size() == 1) {
      unescaped->push_back(rest[0]);
      position += 1;
    } else if (rest.size() >= 4 && rest[1] == 'x' && HexDigit(rest[2]) >= 0 &&
               HexDigit(rest[3]) >= 0) {
      unescaped->push_back(static_cast<char>(HexDigit(rest[2]) * 16 + HexDigit(rest[3])));
      position += 4;
    } else {
      unescaped->push_back(Unescape(rest[1]));
      position += 2;
    }
  }
  return std::string_view::npos;
}

size_t ReadSingleQuoted(std::string_view line, size_t position, std::string* unescaped) {
  while (position < line.size()) {
    const std::string_view rest = line.substr(position);
    if (rest[0] == '\'') {
      return position + 1;
    }
    const bool is_escaped_quote = rest.starts_with("\\'");
    unescaped->push_back(is_escaped_quote ? '\'' : rest[0]);
    position += is_escaped_quote ? 2 : 1;
  }
  return std::string_view::npos;
}

}  // namespace

bool SplitArguments(std::string_view line, std::vector<std::string_view>* arguments,
                    std::string* unescaped) {
  arguments->clear();
  unescaped->clear();
  size_t position = 0;
  while (true) {
    while (position < line.size() && IsBlank(line[position])) {
      ++position;
    }
    if (position == line.size()) {
      return true;
    }
    const size_t start = position;
    while (position < line.size() && !EndsArgument(line[position]) && line[position] != '"' &&
           line[position] != '\'') {
      ++position;
    }
    if (position == line.size() || EndsArgument(line[position])) {
      arguments->push_back(line.substr(start, position - start));
      continue;
    }

    // Unescaping never makes text longer. With room for the whole line from the first quote on, the
    // views of earlier arguments into `unescaped` stay valid while later ones are appended.
    unescaped->reserve(line.size());
    const size_t unescaped_start = unescaped->size();
    unescaped->append(line.substr(start, position - start));
    position = line[position] == '"' ? ReadDoubleQuoted(line, position + 1, unescaped)
                                     : ReadSingleQuoted(line, position + 1, unescaped);
    if (position == std::string_view::npos) {
      return false;
    }
    if (position < line.size() && !IsBlank(line[position])) {
      return false;
    }
    assert(unescaped->size() <= line.size());
    arguments->push_back(std::string_view(*unescaped).substr(unescaped_start));
  }
}

}  // namespace quorate::resp
