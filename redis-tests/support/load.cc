#include "redis-tests/support/load.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr size_t kKeysPerRead = 500;
constexpr size_t kReportedMax = 20;

// The reply to a read that some node must be able to answer by now.
Reply ReadInTheEnd(FollowingClient* client, const Arguments& command) {
  Reply reply;
  Eventually(kDeadlineMs, [&] {
    reply = client->Try(command);
    return reply.answered() && !reply.is_error();
  });
  return reply;
}

std::string Describe(const Reply& reply) {
  std::ostringstream text;
  text << reply;
  return text.str();
}

}  // namespace

Load::Load(std::vector<uint16_t> ports, std::string prefix) : ports_(std::move(ports)) {
  for (int i = 0; i < kWriters; ++i) {
    writers_.push_back(std::make_unique<Writer>());
    // A hash tag: a writer's keys share a slot, so that any cluster answers for them in one MGET.
    writers_.back()->prefix = "{" + prefix + std::to_string(i) + "}";
  }
  for (auto& writer : writers_) {
    writer->thread = std::thread([this, writer = writer.get()] { Run(writer); });
  }
}

bool Load::WaitForAcknowledged(int count) {
  for (auto& writer : writers_) {
    const int64_t goal = writer->acknowledged + count;
    if (!Eventually(kDeadlineMs, [&] { return writer->acknowledged >= goal; })) {
      return false;
    }
  }
  return true;
}

void Load::Stop() {
  stopping_ = true;
  for (auto& writer : writers_) {
    if (writer->thread.joinable()) {
      writer->thread.join();
    }
  }
}

std::string Load::Check() const {
  std::vector<std::string> wrong;
  FollowingClient client(ports_);
  // Whether each of these numbers' own keys holds its number, or none of them exists.
  const auto check_keys = [&](const Writer& writer, const std::vector<int64_t>& numbers,
                              bool written) {
    for (size_t begin = 0; begin < numbers.size(); begin += kKeysPerRead) {
      const size_t end = std::min(numbers.size(), begin + kKeysPerRead);
      Arguments command = {"MGET"};
      for (size_t i = begin; i < end; ++i) {
        command.push_back(KeyOf(writer, numbers[i]));
      }
      const Reply reply = ReadInTheEnd(&client, command);
      if (reply.elements.size() != end - begin) {
        wrong.push_back("the keys of " + writer.prefix + " cannot be read: " + Describe(reply));
        return;
      }
      for (size_t i = begin; i < end; ++i) {
        const Reply& value = reply.elements[i - begin];
        if (value != (written ? Text(std::to_string(numbers[i])) : Nil())) {
          wrong.push_back(KeyOf(writer, numbers[i]) +
                          (written ? " was acknowledged" : " was refused") + ", and now is " +
                          Describe(value));
        }
      }
    }
  };
  for (const auto& writer : writers_) {
    wrong.insert(wrong.end(), writer->wrong.begin(), writer->wrong.end());
    check_keys(*writer, writer->written, true);
    check_keys(*writer, writer->not_executed, false);
    const Reply reply = ReadInTheEnd(&client, {"GET", RegisterOf(*writer)});
    if (!std::ranges::binary_search(writer->possible, std::atoll(reply.text.c_str()))) {
      wrong.push_back(RegisterOf(*writer) + " is in the end " + Describe(reply));
    }
  }
  std::string report;
  for (size_t i = 0; i < std::min(wrong.size(), kReportedMax); ++i) {
    report += wrong[i] + '\n';
  }
  if (wrong.size() > kReportedMax) {
    report += "and " + std::to_string(wrong.size() - kReportedMax) + " more\n";
  }
  return report;
}

int64_t Load::acknowledged() const {
  int64_t sum = 0;
  for (const auto& writer : writers_) {
    sum += writer->acknowledged;
  }
  return sum;
}

void Load::Run(Writer* writer) {
  FollowingClient client(ports_);
  while (!stopping_) {
    const int64_t number = ++writer->number;
    switch (Write(&client, KeyOf(*writer, number), number, writer)) {
      case Outcome::kWritten:
        writer->written.push_back(number);
        break;
      case Outcome::kNotExecuted:
        writer->not_executed.push_back(number);
        break;
      case Outcome::kUnknown:
        break;
    }
    switch (Write(&client, RegisterOf(*writer), number, writer)) {
      case Outcome::kWritten:
        writer->possible = {number};
        break;
      case Outcome::kNotExecuted:
        break;
      case Outcome::kUnknown:
        writer->possible.push_back(number);
        break;
    }
    ReadRegister(&client, writer);
  }
}

std::string Load::KeyOf(const Writer& writer, int64_t number) {
  return writer.prefix + std::to_string(number);
}

Load::Outcome Load::Write(FollowingClient* client, const std::string& key, int64_t number,
                          Writer* writer) {
  const Reply reply = client->Try({"SET", key, std::to_string(number)});
  if (reply == Status("OK")) {
    ++writer->acknowledged;
    return Outcome::kWritten;
  }
  if (reply.IsError("MOVED") || reply.IsError("CLUSTERDOWN") || reply.IsError("MISCONF")) {
    return Outcome::kNotExecuted;
  }
  if (reply.answered() && !reply.IsError("UNKNOWN")) {
    writer->wrong.push_back("SET " + key + " was answered with " + Describe(reply));
  }
  return Outcome::kUnknown;
}

void Load::ReadRegister(FollowingClient* client, Writer* writer) {
  const Reply reply = client->Try({"GET", RegisterOf(*writer)});
  if (!reply.answered() || reply.IsError("MOVED") || reply.IsError("CLUSTERDOWN")) {
    return;
  }
  const int64_t value = std::atoll(reply.text.c_str());
  const auto found = std::ranges::find(writer->possible, value);
  if (reply.is_error() || found == writer->possible.end()) {
    writer->wrong.push_back("GET " + RegisterOf(*writer) + " at number " +
                            std::to_string(writer->number) + " was answered with " +
                            Describe(reply));
    return;
  }
  // The log holds this writer's numbers in order: what came before this one cannot come back.
  writer->possible.erase(writer->possible.begin(), found);
}

}  // namespace quorate::redis_tests
