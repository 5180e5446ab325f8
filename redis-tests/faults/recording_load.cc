#include "redis-tests/faults/recording_load.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace quorate::redis_tests {

namespace {

// The impatient notice soon that a node does not answer, and find one that does; the patient get
// the late answers of the node itself.
constexpr int kImpatientMs = 300;
constexpr int kImpatientStepMs = 30;
constexpr int kPatientMs = 6'000;  // The servers' request-timeout, and some more.
constexpr int kPatientStepMs = 1'000;

constexpr int kPipelineMax = 8;
constexpr std::chrono::milliseconds kPauseElsewhere{5};
// Between two pipelines of a client: so much that some thousand operations a second are asked, and
// the histories can be checked in the time that it takes to make them.
constexpr int64_t kThinkMinUs = 500;
constexpr int64_t kThinkMaxUs = 4'000;
// MOVED to and fro between two nodes, until they agree: then more slowly.
constexpr int kQuickMovesMax = 3;

}  // namespace

RecordingLoad::RecordingLoad(std::vector<Endpoint> nodes, Workload* workload, Random random)
    : nodes_(std::move(nodes)), workload_(workload) {
  for (int i = 0; i < kWriters; ++i) {
    const int patience_ms =
        i % 2 == 0 ? kImpatientMs + i * kImpatientStepMs : kPatientMs + i / 2 * kPatientStepMs;
    AddClient(false, patience_ms, static_cast<size_t>(i) % nodes_.size(), random.Fork());
  }
  for (size_t node = 0; node < nodes_.size(); ++node) {
    AddClient(true, kImpatientMs, node, random.Fork());
  }
  for (auto& client : clients_) {
    client->thread = std::thread([this, client = client.get()] { Run(client); });
  }
}

RecordingLoad::~RecordingLoad() { Stop(); }

void RecordingLoad::Stop() {
  stopping_ = true;
  for (auto& client : clients_) {
    if (client->thread.joinable()) {
      client->thread.join();
    }
  }
}

std::vector<Request> RecordingLoad::TakeRequests() {
  std::vector<Request> requests;
  for (auto& client : clients_) {
    std::ranges::move(client->requests, std::back_inserter(requests));
    client->requests.clear();
  }
  std::ranges::sort(requests, {}, [](const Request& request) { return request.operation.invoked; });
  return requests;
}

std::vector<CompletedWrite> RecordingLoad::completed_writes() const {
  std::vector<CompletedWrite> writes;
  for (const auto& client : clients_) {
    writes.insert(writes.end(), client->writes.begin(), client->writes.end());
  }
  std::ranges::sort(writes, {}, &CompletedWrite::time);
  return writes;
}

std::vector<std::string> RecordingLoad::wrong_replies() const {
  std::vector<std::string> wrong;
  for (const auto& client : clients_) {
    wrong.insert(wrong.end(), client->wrong.begin(), client->wrong.end());
  }
  return wrong;
}

void RecordingLoad::AddClient(bool is_reader, int patience_ms, size_t node, Random random) {
  auto client = std::make_unique<ClientState>(ClientState{
      .random = random, .connection = {}, .requests = {}, .writes = {}, .wrong = {}, .thread = {}});
  client->number = clients_.size();
  client->is_reader = is_reader;
  client->patience_ms = patience_ms;
  client->node = node;
  clients_.push_back(std::move(client));
}

void RecordingLoad::Run(ClientState* client) {
  int moves = 0;
  while (!stopping_) {
    const Next next = client->connection.has_value() || Connect(client) ? SendPipeline(client)
                                                                        : Next::kGoElsewhere;
    if (next == Next::kFollow && ++moves <= kQuickMovesMax) {
      continue;
    }
    moves = 0;
    if (next == Next::kStay) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(client->random.Between(kThinkMinUs, kThinkMaxUs)));
      continue;
    }
    if (next == Next::kGoElsewhere) {
      client->connection.reset();
      if (!client->is_reader) {
        client->node = (client->node + 1) % nodes_.size();
      }
    }
    std::this_thread::sleep_for(kPauseElsewhere);
  }
}

bool RecordingLoad::Connect(ClientState* client) {
  const Endpoint& node = nodes_[client->node];
  client->connection.emplace(node.host, node.port, client->patience_ms);
  ++client->connections;
  client->said_readonly = false;
  return client->connection->connected();
}

RecordingLoad::Next RecordingLoad::SendPipeline(ClientState* client) {
  const int64_t count = client->random.Chance(600) ? 1 : client->random.Between(2, kPipelineMax);
  // Its reply is not waited for: the reads behind it then lie ready for a node that wakes up and
  // must find out first that it does not lead any more.
  const bool says_readonly = client->is_reader && !client->said_readonly;
  if (says_readonly) {
    client->connection->Append({"READONLY"});
  }
  std::vector<Request> pipeline;
  for (int64_t i = 0; i < count; ++i) {
    Request request = workload_->Compose(&client->random, client->is_reader);
    request.operation.client = client->number;
    request.operation.connection = client->connections << 16 | client->number;
    request.operation.invoked = workload_->NextMoment();
    client->connection->Append(workload_->ArgumentsOf(request));
    pipeline.push_back(std::move(request));
  }
  if (says_readonly) {
    client->said_readonly = client->connection->Read() == Status("OK");
  }
  const int asked = static_cast<int>(client->node) + 1;
  Next next = Next::kStay;
  // All replies are read: an error to one command says nothing of those behind it.
  for (Request& request : pipeline) {
    const Reply reply = client->connection->Read();
    if (std::string wrong = workload_->Complete(reply, &request); !wrong.empty()) {
      client->wrong.push_back("node " + std::to_string(asked) + ": " + wrong);
    }
    if (request.operation.outcome == Outcome::kDone && request.is_write()) {
      client->writes.push_back({Clock::now(), asked});
      ++acknowledged_;
    }
    next = std::max(next, WhatNext(reply, client));
    client->requests.push_back(std::move(request));
  }
  if (next == Next::kFollow) {
    client->connection.reset();
  }
  return next;
}

RecordingLoad::Next RecordingLoad::WhatNext(const Reply& reply, ClientState* client) {
  if (reply.IsError("MOVED") && !client->is_reader) {
    const size_t host = reply.text.rfind(' ') + 1;
    const size_t colon = reply.text.rfind(':');
    const Endpoint target = {reply.text.substr(host, colon - host),
                             static_cast<uint16_t>(std::atoi(reply.text.c_str() + colon + 1))};
    const auto found = std::ranges::find(nodes_, target);
    if (found != nodes_.end() && *found != nodes_[client->node]) {
      client->node = static_cast<size_t>(found - nodes_.begin());
      return Next::kFollow;
    }
  }
  return reply.answered() && !reply.is_error() ? Next::kStay : Next::kGoElsewhere;
}

}  // namespace quorate::redis_tests
