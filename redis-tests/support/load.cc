#include "redis-tests/support/load.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "redis-tests/support/eventually.h"
#include "redis-tests/support/following_client.h"

namespace quorate::redis_tests {

Load::Load(std::vector<uint16_t> ports, std::string prefix) : ports_(std::move(ports)) {
  for (int w = 0; w < kWriters; ++w) {
    auto writer = std::make_unique<Writer>();
    for (int k = 0; k < kKeysPerWriter; ++k) {
      writer->keys.push_back({prefix + std::to_string(w) + ":" + std::to_string(k), 0, {}});
    }
    writers_.push_back(std::move(writer));
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
  std::ostringstream wrong;
  FollowingClient client(ports_);
  for (const auto& writer : writers_) {
    for (const Key& key : writer->keys) {
      Reply reply;
      Eventually(kDeadlineMs, [&] {
        reply = client.Try({"GET", key.name});
        return reply.answered() && !reply.is_error();
      });
      if (reply.kind != Reply::Kind::kString && reply.kind != Reply::Kind::kNil) {
        wrong << key.name << " cannot be read: " << reply << '\n';
        continue;
      }
      const int64_t value = reply.kind == Reply::Kind::kNil ? 0 : std::atoll(reply.text.c_str());
      if (value < key.acknowledged) {
        wrong << key.name << " lost " << key.acknowledged << ", it holds " << value << '\n';
      }
      if (value > writer->sent) {
        wrong << key.name << " holds " << value << ", which was never sent\n";
      }
      if (std::ranges::binary_search(key.not_executed, value)) {
        wrong << key.name << " holds " << value << ", which was answered as not executed\n";
      }
    }
  }
  return wrong.str();
}

int64_t Load::acknowledged() const {
  int64_t sum = 0;
  for (const auto& writer : writers_) {
    sum += writer->acknowledged;
  }
  return sum;
}

std::string Load::unexpected() const {
  std::string all;
  for (const auto& writer : writers_) {
    all += writer->unexpected;
  }
  return all;
}

void Load::Run(Writer* writer) {
  FollowingClient client(ports_);
  while (!stopping_) {
    Key& key = writer->keys[static_cast<size_t>(writer->sent) % writer->keys.size()];
    const int64_t number = ++writer->sent;
    const Reply reply = client.Try({"SET", key.name, std::to_string(number)});
    if (reply == Status("OK")) {
      key.acknowledged = number;
      ++writer->acknowledged;
    } else if (reply.IsError("MOVED") || reply.IsError("CLUSTERDOWN")) {
      key.not_executed.push_back(number);
    } else if (reply.answered() && !reply.IsError("UNKNOWN")) {
      std::ostringstream text;
      text << reply << '\n';
      writer->unexpected += text.str();
    }
  }
}

}  // namespace quorate::redis_tests
