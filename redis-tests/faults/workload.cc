#include "redis-tests/faults/workload.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>
#include <utility>

namespace quorate::redis_tests {

namespace {

// Errors that say that the command has certainly had no effect.
constexpr std::string_view kNotExecuted[] = {"MOVED",   "CLUSTERDOWN", "LOADING",
                                             "MISCONF", "OOM",         "TRYAGAIN"};

// How often a writer asks for what, of 100.
struct Share {
  int percent;
  CommandKind kind;
};
constexpr Share kRegisterShares[] = {
    {25, CommandKind::kGet},   {5, CommandKind::kMget},     {3, CommandKind::kExists},
    {33, CommandKind::kSet},   {7, CommandKind::kSetNx},    {4, CommandKind::kSetXx},
    {4, CommandKind::kSetGet}, {2, CommandKind::kSetNxGet}, {2, CommandKind::kSetXxGet},
    {8, CommandKind::kMset},   {7, CommandKind::kDel}};
constexpr Share kPairShares[] = {
    {45, CommandKind::kGet}, {45, CommandKind::kSet}, {10, CommandKind::kDel}};
constexpr Share kReaderShares[] = {
    {80, CommandKind::kGet}, {12, CommandKind::kMget}, {8, CommandKind::kExists}};

template <size_t count>
CommandKind Draw(const Share (&shares)[count], Random* random) {
  int64_t drawn = random->Between(1, 100);
  for (const Share& share : shares) {
    drawn -= share.percent;
    if (drawn <= 0) {
      return share.kind;
    }
  }
  return shares[0].kind;
}

bool HasValues(CommandKind kind) { return simulation::IsWrite(kind) && kind != CommandKind::kDel; }

std::string Describe(const Reply& reply) {
  std::ostringstream text;
  text << reply;
  return text.str();
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// The number of the value that a key held; 0 for none. False: no client wrote this.
bool ParseValue(const Reply& reply, ValueId* value) {
  *value = 0;
  return reply == Nil() || (reply.kind == Reply::Kind::kString && reply.text.starts_with('v') &&
                            ParseNumber(std::string_view(reply.text).substr(1), value));
}

// Whether it is the reply to a command of this kind on these keys; `operation` gets the results.
bool ParseResult(const Reply& reply, Operation* operation) {
  using Kind = Reply::Kind;
  switch (operation->kind) {
    case CommandKind::kGet:
    case CommandKind::kSetGet:
    case CommandKind::kSetNxGet:
    case CommandKind::kSetXxGet:
      operation->found.resize(1);
      return ParseValue(reply, &operation->found[0]);
    case CommandKind::kMget:
      operation->found.resize(operation->keys.size());
      if (reply.kind != Kind::kArray || reply.elements.size() != operation->keys.size()) {
        return false;
      }
      for (size_t i = 0; i < reply.elements.size(); ++i) {
        if (!ParseValue(reply.elements[i], &operation->found[i])) {
          return false;
        }
      }
      return true;
    case CommandKind::kSet:
    case CommandKind::kMset:
      return reply == Status("OK");
    case CommandKind::kSetNx:
    case CommandKind::kSetXx:
      operation->count = reply == Status("OK") ? 1 : 0;
      return operation->count == 1 || reply == Nil();
    case CommandKind::kExists:
    case CommandKind::kDel:
      operation->count = reply.integer;
      return reply.kind == Kind::kInteger && reply.integer >= 0 &&
             reply.integer <= static_cast<int64_t>(operation->keys.size());
  }
  return false;
}

// What the reply about both keys of a pair says of the pair; kNoReply when they differ.
Reply Unite(const Reply& reply, CommandKind kind) {
  if (kind == CommandKind::kDel) {
    return reply.integer == 1 ? NoReply("half of a pair was there") : Integer(reply.integer / 2);
  }
  if (kind != CommandKind::kGet) {
    return reply;
  }
  return reply.elements.size() == 2 && reply.elements[0] == reply.elements[1]
             ? reply.elements[0]
             : NoReply("half of a pair was seen");
}

bool ParseCount(const Request& request, const Reply& reply, int64_t* count) {
  if (request.increments) {
    *count = reply.integer;
    return reply.kind == Reply::Kind::kInteger;
  }
  *count = 0;
  return reply == Nil() || (reply.kind == Reply::Kind::kString && ParseNumber(reply.text, count));
}

}  // namespace

Request Workload::Compose(Random* random, bool reads_only) {
  Request request;
  Operation& operation = request.operation;
  uint32_t key = static_cast<uint32_t>(random->Below(has_incr_ ? kKeys : kFirstCounter));
  if (key >= kFirstCounter) {
    request.increments = !reads_only && random->Chance(750);
    operation.keys = {key};
    return request;
  }
  if (key >= kFirstPair) {
    operation.kind = reads_only ? CommandKind::kGet : Draw(kPairShares, random);
    operation.keys = {key};
  } else {
    operation.kind = reads_only ? Draw(kReaderShares, random) : Draw(kRegisterShares, random);
    const bool many =
        operation.kind == CommandKind::kMget || operation.kind == CommandKind::kMset ||
        ((operation.kind == CommandKind::kExists || operation.kind == CommandKind::kDel) &&
         random->Chance(300));
    // Neighbours, so none is named twice.
    const uint32_t count = many ? static_cast<uint32_t>(random->Between(2, 3)) : 1;
    for (uint32_t i = 0; i < count; ++i) {
      operation.keys.push_back((key + i) % kRegisters);
    }
  }
  if (HasValues(operation.kind)) {
    for (size_t i = 0; i < operation.keys.size(); ++i) {
      operation.values.push_back(++last_value_);
    }
  }
  return request;
}

Request Workload::Read(uint32_t key) {
  Request request;
  request.operation.kind = CommandKind::kGet;
  request.operation.keys = {key};
  return request;
}

std::vector<std::string> Workload::NamesOf(uint32_t key) const {
  if (key >= kFirstPair && key < kFirstCounter) {
    return {KeyName(key) + "a", KeyName(key) + "b"};
  }
  return {KeyName(key)};
}

Arguments Workload::ArgumentsOf(const Request& request) const {
  const Operation& operation = request.operation;
  const uint32_t first = operation.keys.front();
  if (request.increments) {
    return {"INCR", KeyName(first)};
  }
  const bool is_pair = NamesOf(first).size() == 2;
  Arguments arguments;
  switch (operation.kind) {
    case CommandKind::kGet:
      arguments = {is_pair ? "MGET" : "GET"};
      break;
    case CommandKind::kMget:
      arguments = {"MGET"};
      break;
    case CommandKind::kExists:
      arguments = {"EXISTS"};
      break;
    case CommandKind::kDel:
      arguments = {"DEL"};
      break;
    case CommandKind::kMset:
      arguments = {"MSET"};
      break;
    default:
      arguments = {is_pair ? "MSET" : "SET"};
      break;
  }
  for (size_t i = 0; i < operation.keys.size(); ++i) {
    for (const std::string& name : NamesOf(operation.keys[i])) {
      arguments.push_back(name);
      if (!operation.values.empty()) {
        arguments.push_back("v" + std::to_string(operation.values[i]));
      }
    }
  }
  const auto add = [&](std::initializer_list<const char*> options) {
    arguments.insert(arguments.end(), options.begin(), options.end());
  };
  switch (operation.kind) {
    case CommandKind::kSetNx:
      add({"NX"});
      break;
    case CommandKind::kSetXx:
      add({"XX"});
      break;
    case CommandKind::kSetGet:
      add({"GET"});
      break;
    case CommandKind::kSetNxGet:
      add({"NX", "GET"});
      break;
    case CommandKind::kSetXxGet:
      add({"XX", "GET"});
      break;
    default:
      break;
  }
  return arguments;
}

std::string Workload::Complete(const Reply& reply, Request* request) {
  Operation& operation = request->operation;
  operation.completed = NextMoment();
  if (!reply.answered() || reply.IsError("UNKNOWN")) {
    operation.outcome = Outcome::kUnknown;
    return "";
  }
  if (std::ranges::any_of(kNotExecuted,
                          [&](std::string_view code) { return reply.IsError(code); })) {
    operation.outcome = Outcome::kNotExecuted;
    return "";
  }
  operation.outcome = Outcome::kDone;
  const uint32_t first = operation.keys.front();
  const bool right = first >= kFirstCounter ? ParseCount(*request, reply, &operation.count)
                     : first >= kFirstPair  ? ParseResult(Unite(reply, operation.kind), &operation)
                                            : ParseResult(reply, &operation);
  if (right) {
    return "";
  }
  // It says nothing that the history could be checked against.
  operation.outcome = Outcome::kUnknown;
  std::string command;
  for (const std::string& argument : ArgumentsOf(*request)) {
    command += argument + " ";
  }
  return command + "was answered with " + Describe(reply);
}

}  // namespace quorate::redis_tests
