#include "tests/simulation/reply_reader.h"

#include "resp/integer.h"

namespace quorate::simulation {

std::optional<Reply> ReplyReader::Next() {
  if (failed_ || received_.empty()) return std::nullopt;
  size_t position = 0;
  std::optional<Reply> reply = Parse(&position);
  if (reply) received_.erase(0, position);
  return reply;
}

std::optional<std::string_view> ReplyReader::Line(size_t* position) {
  const size_t end = received_.find("\r\n", *position);
  if (end == std::string::npos) return std::nullopt;
  const std::string_view line = std::string_view(received_).substr(*position, end - *position);
  *position = end + 2;
  return line;
}

std::optional<Reply> ReplyReader::Parse(size_t* position) {
  const std::optional<std::string_view> line = Line(position);
  if (!line) return std::nullopt;
  const auto fail = [&] {
    failed_ = true;
    return std::nullopt;
  };
  if (line->empty()) return fail();
  const std::string_view rest = line->substr(1);
  Reply reply;
  if (line->front() == '+' || line->front() == '-') {
    reply.type = line->front() == '+' ? Reply::Type::kSimple : Reply::Type::kError;
    reply.text = rest;
    return reply;
  }
  const std::optional<int64_t> number = resp::ParseInteger(rest);
  if (!number) return fail();
  switch (line->front()) {
    case ':':
      reply.type = Reply::Type::kInteger;
      reply.integer = *number;
      return reply;
    case '$': {
      if (*number < 0) return reply;
      const auto size = static_cast<size_t>(*number);
      if (received_.size() < *position + size + 2) return std::nullopt;
      if (received_.compare(*position + size, 2, "\r\n") != 0) return fail();
      reply.type = Reply::Type::kBulk;
      reply.text = received_.substr(*position, size);
      *position += size + 2;
      return reply;
    }
    case '*':
      if (*number < 0) return reply;
      reply.type = Reply::Type::kArray;
      for (int64_t i = 0; i < *number; ++i) {
        std::optional<Reply> element = Parse(position);
        if (!element) return std::nullopt;
        reply.elements.push_back(std::move(*element));
      }
      return reply;
    default:
      return fail();
  }
}

}  // namespace quorate::simulation
