#include "redis-tests/support/client.h"

#include <sys/time.h>

namespace quorate::redis_tests {

namespace {

Reply FromHiredis(const redisReply& source) {
  switch (source.type) {
    case REDIS_REPLY_STATUS:
      return Status(std::string(source.str, source.len));
    case REDIS_REPLY_ERROR:
      return Error(std::string(source.str, source.len));
    case REDIS_REPLY_INTEGER:
      return Integer(source.integer);
    case REDIS_REPLY_STRING:
      return Text(std::string(source.str, source.len));
    case REDIS_REPLY_NIL:
      return Nil();
    case REDIS_REPLY_ARRAY: {
      Reply array = Array({});
      for (size_t i = 0; i < source.elements; ++i) {
        array.elements.push_back(FromHiredis(*source.element[i]));
      }
      return array;
    }
    default:
      return NoReply("hiredis does not know reply type " + std::to_string(source.type));
  }
}

}  // namespace

Client::Client(const std::string& host, uint16_t port, int timeout_ms) {
  const timeval timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  context_.reset(redisConnectWithTimeout(host.c_str(), port, timeout));
  if (connected()) {
    redisSetTimeout(context_.get(), timeout);
  }
}

Reply Client::Command(const Arguments& arguments) {
  Append(arguments);
  return Read();
}

void Client::Append(const Arguments& arguments) {
  if (!connected()) {
    return;
  }
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string& argument : arguments) {
    texts.push_back(argument.data());
    lengths.push_back(argument.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(texts.size()), texts.data(),
                         lengths.data());
}

Reply Client::Read() {
  if (!connected()) {
    return NoReply(context_ == nullptr ? "not connected" : context_->errstr);
  }
  void* reply = nullptr;
  if (redisGetReply(context_.get(), &reply) != REDIS_OK || reply == nullptr) {
    return NoReply(context_->errstr);
  }
  Reply result = FromHiredis(*static_cast<redisReply*>(reply));
  freeReplyObject(reply);
  return result;
}

}  // namespace quorate::redis_tests
