#include "redis-tests/support/reply.h"

#include <algorithm>
#include <charconv>
#include <ostream>

namespace quorate::redis_tests {

namespace {

constexpr size_t kPrintedBytesMax = 200;
constexpr size_t kPrintedElementsMax = 32;

void PrintBytes(std::ostream& out, std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out << '"';
  for (char c : bytes.substr(0, kPrintedBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out << c;
    } else {
      out << "\\x" << kDigits[byte >> 4] << kDigits[byte & 15];
    }
  }
  out << '"';
  if (bytes.size() > kPrintedBytesMax) {
    out << "... (" << bytes.size() << " bytes)";
  }
}

std::string_view KindName(Reply::Kind kind) {
  switch (kind) {
    case Reply::Kind::kNoReply:
      return "no reply";
    case Reply::Kind::kStatus:
      return "status";
    case Reply::Kind::kError:
      return "error";
    case Reply::Kind::kInteger:
      return "integer";
    case Reply::Kind::kString:
      return "string";
    case Reply::Kind::kNil:
      return "nil";
    case Reply::Kind::kArray:
      return "array";
    case Reply::Kind::kMap:
      return "map";
    case Reply::Kind::kSet:
      return "set";
    case Reply::Kind::kPush:
      return "push";
    case Reply::Kind::kDouble:
      return "double";
    case Reply::Kind::kBoolean:
      return "boolean";
    case Reply::Kind::kBigNumber:
      return "big number";
    case Reply::Kind::kVerbatim:
      return "verbatim string";
  }
  return "unknown kind";
}

bool ParseInteger(std::string_view text, int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

constexpr size_t kMalformed = std::string_view::npos;

size_t ParseBulk(std::string_view bytes, size_t header, int64_t length, Reply* reply) {
  if (length < 0) {
    reply->kind = Reply::Kind::kNil;
    return header;
  }
  const auto size = static_cast<size_t>(length);
  if (bytes.size() < header + size + 2) {
    return 0;
  }
  if (bytes.substr(header + size, 2) != "\r\n") {
    return kMalformed;
  }
  reply->text.assign(bytes.substr(header, size));
  return header + size + 2;
}

size_t ParseElements(std::string_view bytes, size_t header, int64_t count, Reply* reply) {
  if (count < 0) {
    reply->kind = Reply::Kind::kNil;
    return header;
  }
  size_t position = header;
  for (int64_t i = 0; i < count; ++i) {
    Reply element;
    const size_t length = ParseReply(bytes.substr(position), &element);
    if (length == 0 || length == kMalformed) {
      return length;
    }
    reply->elements.push_back(std::move(element));
    position += length;
  }
  return position;
}

}  // namespace

bool Reply::IsError(std::string_view code) const {
  return is_error() && text.starts_with(code) &&
         (text.size() == code.size() || text[code.size()] == ' ');
}

Reply Reply::Find(std::string_view key) const {
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == key) {
      return elements[i + 1];
    }
  }
  return NoReply("no such key: " + std::string(key));
}

Reply NoReply(std::string reason) { return {Reply::Kind::kNoReply, std::move(reason), 0, {}}; }
Reply Status(std::string text) { return {Reply::Kind::kStatus, std::move(text), 0, {}}; }
Reply Error(std::string text) { return {Reply::Kind::kError, std::move(text), 0, {}}; }
Reply Integer(int64_t value) { return {Reply::Kind::kInteger, "", value, {}}; }
Reply Text(std::string text) { return {Reply::Kind::kString, std::move(text), 0, {}}; }
Reply Nil() { return {Reply::Kind::kNil, "", 0, {}}; }
Reply Array(std::vector<Reply> elements) {
  return {Reply::Kind::kArray, "", 0, std::move(elements)};
}

std::ostream& operator<<(std::ostream& out, const Reply& reply) {
  out << KindName(reply.kind);
  switch (reply.kind) {
    case Reply::Kind::kNil:
      return out;
    case Reply::Kind::kInteger:
    case Reply::Kind::kBoolean:
      return out << ' ' << reply.integer;
    case Reply::Kind::kArray:
    case Reply::Kind::kMap:
    case Reply::Kind::kSet:
    case Reply::Kind::kPush:
      break;
    default:
      out << ' ';
      PrintBytes(out, reply.text);
      return out;
  }
  out << " of " << reply.elements.size() << " [";
  for (size_t i = 0; i < std::min(reply.elements.size(), kPrintedElementsMax); ++i) {
    out << (i == 0 ? "" : ", ") << reply.elements[i];
  }
  return out << (reply.elements.size() > kPrintedElementsMax ? ", ...]" : "]");
}

size_t ParseReply(std::string_view bytes, Reply* reply) {
  *reply = Reply();
  const size_t line_end = bytes.find("\r\n");
  if (line_end == std::string_view::npos) {
    return 0;
  }
  const std::string_view line = bytes.substr(1, line_end - 1);
  const size_t header = line_end + 2;
  int64_t number = 0;
  switch (bytes[0]) {
    case '+':
      reply->kind = Reply::Kind::kStatus;
      break;
    case '-':
      reply->kind = Reply::Kind::kError;
      break;
    case ',':
      reply->kind = Reply::Kind::kDouble;
      break;
    case '(':
      reply->kind = Reply::Kind::kBigNumber;
      break;
    case '_':
      reply->kind = Reply::Kind::kNil;
      return line.empty() ? header : kMalformed;
    case '#':
      reply->kind = Reply::Kind::kBoolean;
      reply->integer = line == "t" ? 1 : 0;
      return line == "t" || line == "f" ? header : kMalformed;
    case ':':
      reply->kind = Reply::Kind::kInteger;
      return ParseInteger(line, &reply->integer) ? header : kMalformed;
    case '$':
    case '=':
      reply->kind = bytes[0] == '$' ? Reply::Kind::kString : Reply::Kind::kVerbatim;
      return ParseInteger(line, &number) ? ParseBulk(bytes, header, number, reply) : kMalformed;
    case '*':
    case '~':
    case '>':
    case '%':
      reply->kind = bytes[0] == '*'   ? Reply::Kind::kArray
                    : bytes[0] == '~' ? Reply::Kind::kSet
                    : bytes[0] == '>' ? Reply::Kind::kPush
                                      : Reply::Kind::kMap;
      if (!ParseInteger(line, &number)) {
        return kMalformed;
      }
      return ParseElements(bytes, header, bytes[0] == '%' ? 2 * number : number, reply);
    default:
      return kMalformed;
  }
  reply->text.assign(line);
  return header;
}

std::vector<std::pair<std::string, std::string>> ParseFields(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const size_t colon = line.find(':');
    if (!line.starts_with('#') && colon != std::string_view::npos) {
      fields.emplace_back(line.substr(0, colon), line.substr(colon + 1));
    }
  }
  return fields;
}

std::string Field(std::string_view text, std::string_view name) {
  for (auto& [field, value] : ParseFields(text)) {
    if (field == name) {
      return value;
    }
  }
  return "";
}

}  // namespace quorate::redis_tests
