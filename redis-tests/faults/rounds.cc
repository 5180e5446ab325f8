#include "redis-tests/faults/rounds.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr int64_t kWarmUpWrites = 200;
constexpr int64_t kWarmUpMaxMs = 300;  // And a little more, so that faults come at any moment.
constexpr int64_t kWritesAfterHealing = 200;

// The reply to a read at one node, which answers by itself; asked until there is one.
Reply ReadAt(const Cluster& cluster, int id, const Arguments& command) {
  Reply reply;
  Eventually(kDeadlineMs, [&] {
    Client client(cluster.host(id), cluster.port(id));
    client.Command({"READONLY"});
    reply = client.Command(command);
    return reply.answered() && !reply.is_error();
  });
  return reply;
}

double Milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

Rounds::Rounds(Cluster* cluster, PrivateNetwork* network, Disks* disks, uint64_t seed)
    : cluster_(cluster), network_(network), disks_(disks), random_(seed) {}

void Rounds::Prepare() {
  const int leader = cluster_->WaitForLeader();
  has_incr_ = leader != Cluster::kNoNode &&
              Client(cluster_->host(leader), cluster_->port(leader)).Command({"INCR", "incr?"}) ==
                  Integer(1);
}

std::vector<std::string> Rounds::Run(const FaultKind& kind) {
  std::vector<std::string> wrong;
  const auto fail = [&](std::string what) { wrong.push_back(std::move(what)); };
  Workload workload(RoundPrefix(left_.size()), has_incr_);
  std::vector<Endpoint> nodes;
  for (int id = 1; id <= cluster_->size(); ++id) {
    nodes.push_back({cluster_->host(id), cluster_->port(id)});
  }
  RecordingLoad load(nodes, &workload, random_.Fork());
  const auto wait_for_writes = [&](int64_t count) {
    const int64_t goal = load.acknowledged() + count;
    return Eventually(kDeadlineMs, [&] { return load.acknowledged() >= goal; });
  };
  if (!wait_for_writes(kWarmUpWrites)) {
    fail("no writes before the fault");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(random_.Between(0, kWarmUpMaxMs)));

  Scene scene = {
      .cluster = cluster_, .network = network_, .disks = disks_, .load = &load, .random = &random_};
  kind.happen(&scene);
  if (!scene.failure.empty()) {
    fail(scene.failure);
  }
  if (!cluster_->Heal()) {
    fail("the cluster does not serve again");
  }
  if (!wait_for_writes(kWritesAfterHealing)) {
    fail("no writes after the fault");
  }
  const Clock::time_point end = Clock::now();
  load.Stop();
  std::ranges::move(load.wrong_replies(), std::back_inserter(wrong));
  std::ranges::move(FindUnexpectedEnds(), std::back_inserter(wrong));

  std::vector<Request> requests = load.TakeRequests();
  outcomes_.Count(requests);
  const size_t count = requests.size();
  std::ranges::move(ReadAll(&workload, &wrong), std::back_inserter(requests));
  if (std::string digests = CompareDigests(); !digests.empty()) {
    fail(digests);
  }
  Verdict verdict = Judge(requests);
  undecided_ += verdict.undecided;
  std::ranges::move(verdict.violations, std::back_inserter(wrong));

  const std::vector<CompletedWrite> writes = load.completed_writes();
  KindReport& report = kinds_[kind.name];
  ++report.faults;
  report.violations += wrong.empty() ? 0 : 1;
  const Clock::duration pause = LongestPause(writes, scene.begin, end);
  report.pauses.Add(pause);
  last_round_ = fmt::format("{}: {} operations, longest pause {:.1f} ms", kind.name, count,
                            Milliseconds(pause));
  const Clock::duration first = FirstWriteElsewhere(writes, scene.begin, scene.replaced);
  if (scene.replaced != Cluster::kNoNode && first.count() >= 0) {
    report.first_writes.Add(first);
    last_round_ +=
        fmt::format(", first write by another node after {:.1f} ms", Milliseconds(first));
  }
  if (scene.space_at) {
    const Clock::duration recovery = FirstWriteElsewhere(writes, *scene.space_at, Cluster::kNoNode);
    report.recoveries.Add(recovery);
    last_round_ +=
        fmt::format(", first write {:.1f} ms after there was space", Milliseconds(recovery));
  }
  return wrong;
}

// The last words on the round's history: every key, as each node sees it. They belong to the
// history, so that a write that was lost or came late shows.
std::vector<Request> Rounds::ReadAll(Workload* workload, std::vector<std::string>* wrong) {
  std::vector<Request> requests;
  std::vector<Reply> left;
  const uint32_t key_count = has_incr_ ? Workload::kKeys : Workload::kFirstCounter;
  for (int id = 1; id <= cluster_->size(); ++id) {
    for (uint32_t key = 0; key < key_count; ++key) {
      Request request = Workload::Read(key);
      request.operation.connection = ~static_cast<uint64_t>(id);
      request.operation.invoked = workload->NextMoment();
      const Reply reply = ReadAt(*cluster_, id, workload->ArgumentsOf(request));
      if (std::string what = workload->Complete(reply, &request); !what.empty()) {
        wrong->push_back(what);
      }
      if (request.operation.outcome != Outcome::kDone) {
        wrong->push_back(fmt::format("node {} does not answer at the end", id));
      }
      if (id == 1) {
        left.push_back(reply);
      }
      requests.push_back(std::move(request));
    }
  }
  left_.push_back(std::move(left));
  return requests;
}

std::vector<std::string> Rounds::CheckOldRounds() {
  std::vector<std::string> wrong;
  for (size_t round = 0; round < left_.size(); ++round) {
    Workload workload(RoundPrefix(round), has_incr_);
    for (uint32_t key = 0; key < left_[round].size(); ++key) {
      const Arguments command = workload.ArgumentsOf(Workload::Read(key));
      if (ReadAt(*cluster_, 1, command) != left_[round][key]) {
        wrong.push_back(command[1] + " has changed since the end of its round");
      }
    }
  }
  return wrong;
}

std::vector<std::string> Rounds::FindUnexpectedEnds() {
  std::vector<std::string> ended;
  for (int id = 1; id <= cluster_->size(); ++id) {
    if (!cluster_->running(id) || !cluster_->StillRuns(id)) {
      ended.push_back(fmt::format("node {} has ended by itself", id));
    }
  }
  return ended;
}

// Nobody writes any more, so all nodes come to the same index, and then hold the same.
std::string Rounds::CompareDigests() {
  std::vector<std::string> digests;
  const bool equal = Eventually(kDeadlineMs, [&] {
    std::vector<std::string> indexes;
    digests.clear();
    for (int id = 1; id <= cluster_->size(); ++id) {
      const Reply info = Client(cluster_->host(id), cluster_->port(id)).Command({"INFO", "raft"});
      indexes.push_back(Field(info.text, "raft_last_applied"));
      digests.push_back(Field(info.text, "raft_state_digest"));
    }
    return !digests[0].empty() && std::ranges::count(indexes, indexes[0]) == cluster_->size();
  });
  if (!equal) {
    return "the nodes do not come to the same index";
  }
  return std::ranges::count(digests, digests[0]) == cluster_->size()
             ? ""
             : "the nodes hold different data at the same index";
}

}  // namespace quorate::redis_tests
