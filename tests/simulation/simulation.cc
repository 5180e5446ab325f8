#include "tests/simulation/simulation.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "src/members/membership.h"
#include "tests/simulation/availability.h"
#include "tests/simulation/client.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/history.h"
#include "tests/simulation/linearizability.h"
#include "tests/simulation/log_order.h"
#include "tests/simulation/network.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/raft_checker.h"
#include "tests/simulation/random.h"
#include "tests/simulation/server.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/trace.h"
#include "tests/simulation/verdict.h"

namespace quorate::simulation {
namespace {

constexpr size_t kTraceLinesShown = 200;
constexpr uint64_t kWatchId = 199;
constexpr uint64_t kFirstHaunterId = 197;
// For one key. One history in a hundred needs more, and is left to the other judge.
constexpr uint64_t kSearchStepsMax = 100'000;

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : settings_(Draw(options.seed, options.node_count)),
        disk_settings_(settings_.disk),
        random_(options.seed ^ 0x5eed),
        trace_(events_),
        network_(settings_.machine_count(), events_, trace_, verdict_, random_.Fork(),
                 settings_.network),
        surroundings_{settings_, events_, trace_, network_},
        servers_(MakeServers()),
        checker_(Disks(), InitialConfiguration(settings_.members), verdict_),
        faults_(surroundings_, servers_, random_.Fork()),
        availability_(surroundings_, servers_, checker_, verdict_),
        operator_(World(), checker_, random_.Fork()) {
    trace_.set_verbose(options.verbose);
    network_.set_receiver(
        [this](size_t to, const Address& address, std::optional<consensus::Message> message) {
          servers_[to]->Receive(address, std::move(message));
        });
    network_.set_remark_receiver([this](size_t to, const Address& address, const Remark& remark) {
      servers_[to]->Receive(address, remark);
    });
    network_.set_empty_receiver([this](size_t to, consensus::NodeId peer, uint64_t folder) {
      if (servers_[to]->in_cluster()) servers_[to]->PeerIsEmpty(peer, folder);
    });
    network_.set_probe_receiver(
        [this](size_t to, const Address& address) { return servers_[to]->AnswerProbe(address); });
    for (const auto& server : servers_) server->set_checker(&checker_);
    faults_.set_on_disturbance([this] { availability_.Disturbed(); });
  }

  Result Run() {
    Storm();
    Recover();
    ReadAfterARestart();
    WriteOnce();
    JudgeHistory();
    return MakeResult();
  }

  const Settings& settings() const { return settings_; }
  const Trace& trace() const { return trace_; }

 private:
  std::vector<std::unique_ptr<Server>> MakeServers() {
    std::vector<std::unique_ptr<Server>> servers;
    for (size_t i = 0; i < settings_.machine_count(); ++i) {
      servers.push_back(std::make_unique<Server>(i, surroundings_, disk_settings_, random_.Fork()));
    }
    return servers;
  }

  std::vector<const LogDisk*> Disks() {
    std::vector<const LogDisk*> disks;
    for (const auto& server : servers_) disks.push_back(&server->log());
    return disks;
  }

  ClientWorld World() {
    return {settings_, events_, trace_, verdict_, network_, history_, servers_};
  }

  void Phase(uint64_t number) { trace_.Add(Happening::kPhase, number); }

  // Runs until then, or until something is wrong, or `done`.
  template <typename Done>
  bool RunUntil(Time end, Done done) {
    // A look at the whole cluster now and then is enough.
    constexpr Time kLookInterval = 20 * kMillisecond;
    Time next_look = events_.now();
    while (!verdict_.failed() && events_.now() < end) {
      if (events_.now() >= next_look) {
        if (watching_) availability_.Look();
        if (done()) return true;
        next_look = events_.now() + kLookInterval;
      }
      if (!events_.RunNext()) break;
    }
    return done();
  }
  void RunUntil(Time end) {
    RunUntil(end, [] { return false; });
  }

  void Storm() {
    Phase(1);
    for (size_t i = 0; i < settings_.node_count; ++i) servers_[i]->Start();
    for (size_t i = 0; i < settings_.clients.count; ++i) {
      const auto role =
          i < settings_.clients.readonly_count ? Client::Role::kReader : Client::Role::kUsual;
      clients_.push_back(std::make_unique<Client>(i + 1, role, random_.Below(settings_.node_count),
                                                  World(), random_.Fork()));
      clients_.back()->Start();
    }
    clients_.push_back(
        std::make_unique<Client>(kWatchId, Client::Role::kWatch, 0, World(), random_.Fork()));
    clients_.back()->Start();
    for (uint64_t id = kFirstHaunterId; id < kWatchId; ++id) {
      clients_.push_back(
          std::make_unique<Client>(id, Client::Role::kHaunter, 0, World(), random_.Fork()));
      clients_.back()->Start();
    }
    faults_.Start();
    operator_.Start();
    watching_ = true;
    RunUntil(settings_.storm);
    watching_ = false;
  }

  // Section 5.6's liveness: with a majority up and in touch, and timing as it should be, the
  // cluster elects a leader and goes on, from whatever state it was left in.
  void Recover() {
    if (verdict_.failed()) return;
    Phase(2);
    operator_.End();
    faults_.End();
    disk_settings_.spike_permille = 0;
    RunUntil(events_.now() + settings_.calm / 2);
    for (const auto& client : clients_) client->Stop();
    const Time end = events_.now() + settings_.calm + CatchUpTime();
    if (!RunUntil(end, [this] { return IsWhole(); })) {
      verdict_.Fail("Liveness: " + Unfinished());
    }
  }

  // With the smallest windows, batches and memtables, entries go to a follower one by one. A
  // learner may have yet to join, with an empty folder.
  Time CatchUpTime() const {
    uint64_t last = 0;
    uint64_t applied = UINT64_MAX;
    for (const auto& server : servers_) {
      if (!server->up() || !server->in_cluster()) continue;
      last = std::max(last, server->node().raft().last_log_index().value());
      applied = std::min(applied, server->node().keys().last_applied().value());
    }
    if (const Server* leader = Leader()) {
      for (const auto& member : leader->node().raft().configuration().members) {
        if (!member.voter) applied = 0;
      }
    }
    const Time entry = 4 * (settings_.network.latency_max + settings_.round_max) +
                       2 * settings_.disk.commit_max + settings_.disk.checkpoint_max + kMillisecond;
    return static_cast<Time>(last - std::min(last, applied)) * entry;
  }

  const Server* Leader() const {
    for (const auto& server : servers_) {
      if (server->in_cluster() && server->up() && server->node().raft().leader_is_established()) {
        return server.get();
      }
    }
    return nullptr;
  }

  // The members that have their data, by their leader's configuration.
  std::vector<const Server*> WholeMembers(const Server& leader) const {
    std::vector<const Server*> members;
    for (const auto& member : leader.node().raft().configuration().members) {
      if (const Server* server = FindMachine(servers_, member.id)) members.push_back(server);
    }
    return members;
  }

  // One leader, whom all its members follow, the same entries applied by all, and each of them a
  // voter.
  bool IsWhole() const {
    const Server* leader = Leader();
    if (leader == nullptr || !operator_.idle()) return false;
    const consensus::Raft& leads = leader->node().raft();
    for (const auto& client : clients_) {
      if (!client->idle()) return false;
    }
    for (const auto& member : leads.configuration().members) {
      if (!member.voter && MayJoin(member)) return false;
    }
    const std::vector<const Server*> members = WholeMembers(*leader);
    return leads.commit_index() == leads.last_log_index() &&
           std::all_of(members.begin(), members.end(), [&](const Server* server) {
             const Node& node = server->node();
             return node.raft().leader() == leader->id() &&
                    node.keys().last_applied() == leads.last_log_index() &&
                    node.raft().last_log_index() == leads.last_log_index() &&
                    node.requests_in_flight() == 0;
           });
  }

  // A learner that nothing keeps from becoming a voter.
  bool MayJoin(const consensus::ConfigurationMember& learner) const {
    if (FindMachine(servers_, learner.id) != nullptr) return true;
    return std::any_of(servers_.begin(), servers_.end(), [&](const auto& server) {
      if (!server->up() || (server->in_cluster() && !server->lost_its_folder())) return false;
      if (learner.folder != 0 && learner.folder != server->node().empty_folder()) return false;
      return learner.address.find(fmt::format(":{}@", server->port())) != std::string::npos;
    });
  }

  std::string Unfinished() const {
    std::string text = "the cluster does not recover.";
    for (const auto& server : servers_) {
      if (!server->up() || !server->in_cluster()) continue;
      const consensus::Raft& raft = server->node().raft();
      text += fmt::format(
          " Node {}: member {}{}, role {}, term {}, leader {}, log to {}, durable {}, committed "
          "{}, "
          "applied {}, requests {}, members by entry {}:",
          server->place() + 1, server->id().value(), server->lost_its_folder() ? " (lost)" : "",
          static_cast<int>(raft.role()), raft.current_term().value(),
          raft.leader().value_or(consensus::NodeId()).value(), raft.last_log_index().value(),
          raft.durable_index().value(), raft.commit_index().value(),
          server->node().keys().last_applied().value(), server->node().requests_in_flight(),
          raft.configuration_index().value());
      for (const auto& member : raft.configuration().members) {
        text += fmt::format(" {}{} at {}", member.voter ? "" : "learner ", member.id.value(),
                            member.address);
      }
      text += ';';
    }
    if (!operator_.idle()) text += " the operator waits;";
    for (size_t i = 0; i < clients_.size(); ++i) {
      if (!clients_[i]->idle()) text += fmt::format(" client {} waits;", i + 1);
    }
    return text;
  }

  // A follower that is killed and started again where nobody writes answers reads all the same, and
  // so does everybody else.
  void ReadAfterARestart() {
    if (verdict_.failed()) return;
    Phase(3);
    const Server& leader = *Leader();
    for (const auto& server : servers_) {
      if (server->up() && server->in_cluster() && server->place() != leader.place()) {
        server->Crash();
        server->Start();
        break;
      }
    }
    if (!RunUntil(events_.now() + settings_.calm + CatchUpTime(), [this] { return IsWhole(); })) {
      verdict_.Fail("Liveness: after a restart, " + Unfinished());
      return;
    }
    std::vector<std::unique_ptr<Client>> probes;
    for (const Server* server : WholeMembers(*Leader())) {
      probes.push_back(NewClient(201 + server->place(), Client::Role::kReadingProbe, *server));
    }
    AwaitProbes(std::move(probes), "reads");
  }

  void WriteOnce() {
    if (verdict_.failed()) return;
    Phase(4);
    const uint64_t leaders = checker_.terms_led();
    std::vector<std::unique_ptr<Client>> probes;
    probes.push_back(NewClient(200, Client::Role::kProbe, *servers_.front()));
    AwaitProbes(std::move(probes), "writes");
    if (checker_.terms_led() != leaders) {
      verdict_.Fail("Liveness: the leader changes in a healthy cluster");
    }
  }

  std::unique_ptr<Client> NewClient(uint64_t id, Client::Role role, const Server& server) {
    return std::make_unique<Client>(id, role, server.place(), World(), random_.Fork());
  }

  void AwaitProbes(std::vector<std::unique_ptr<Client>> probes, std::string_view what) {
    for (const auto& probe : probes) probe->Start();
    const bool done = RunUntil(events_.now() + settings_.calm + CatchUpTime(), [&] {
      return std::all_of(probes.begin(), probes.end(),
                         [](const auto& probe) { return probe->succeeded(); });
    });
    for (const auto& probe : probes) probe->Stop();
    if (!done) {
      verdict_.Fail(fmt::format("Liveness: {} do not succeed in a healthy cluster", what));
    }
    for (auto& probe : probes) clients_.push_back(std::move(probe));
  }

  void JudgeHistory() {
    if (verdict_.failed()) return;
    history_.EndAll();
    const std::vector<Operation>& operations = history_.operations();
    // With the key of the watch.
    const uint32_t key_count = settings_.clients.key_count + 1;
    report_ = CheckHistory(operations, key_count, kSearchStepsMax);
    if (report_.bad_key) {
      verdict_.Fail(
          fmt::format("Linearizability: what clients saw of {} cannot be explained, from "
                      "moment {} on",
                      KeyName(*report_.bad_key), report_.bad_moment));
    }
    JudgeLogOrder(operations, key_count);
  }

  void JudgeLogOrder(const std::vector<Operation>& operations, uint32_t key_count) {
    const auto writes = WritesIn(checker_.CommittedBatches(), operations);
    if (!writes) {
      verdict_.Fail("Log order: the log holds commands that nobody has sent");
      return;
    }
    const std::string violation = CheckLogOrder(operations, *writes, key_count);
    if (!violation.empty()) verdict_.Fail("Log order: what clients saw differs: " + violation);
  }

  Result MakeResult() const {
    Result result;
    result.seed = settings_.seed;
    result.node_count = settings_.node_count;
    result.violation = verdict_.violation();
    result.hash = trace_.hash();
    result.simulated = events_.now();
    result.events = events_.events();
    result.committed = checker_.committed();
    result.leaders = checker_.terms_led();
    result.operations_done = history_.done();
    result.operations_unknown = history_.unknown();
    result.keys_undecided = report_.undecided;
    result.looks_due = availability_.looks_due();
    result.changes = checker_.configurations().size() - 1;
    if (verdict_.failed()) {
      result.trace = trace_.Newest(kTraceLinesShown);
      result.operations = report_.bad_operations;
    }
    return result;
  }

  const Settings settings_;
  DiskSettings disk_settings_;  // those of now
  Random random_;
  Verdict verdict_;
  EventQueue events_;
  Trace trace_;
  SimNetwork network_;
  Surroundings surroundings_;
  std::vector<std::unique_ptr<Server>> servers_;
  RaftChecker checker_;
  Faults faults_;
  History history_;
  Availability availability_;
  Operator operator_;
  bool watching_ = false;
  std::vector<std::unique_ptr<Client>> clients_;
  HistoryReport report_;
};

// The one that runs now, for the handler of aborts.
const Simulation* running = nullptr;

void OnAbort(int) {
  std::signal(SIGABRT, SIG_DFL);
  if (running == nullptr) return;
  // An assert has failed, on this thread and outside of any allocation: printing is safe enough.
  Result result;
  result.seed = running->settings().seed;
  result.node_count = running->settings().node_count;
  result.violation = "an assert has failed, see above";
  result.trace = running->trace().Newest(kTraceLinesShown);
  std::fputs(Report(result).c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

Result Simulate(const Options& options) {
  spdlog::set_level(spdlog::level::off);
  Simulation simulation(options);
  running = &simulation;
  Result result = simulation.Run();
  running = nullptr;
  return result;
}

void ReportSeedOnAbort() { std::signal(SIGABRT, &OnAbort); }

std::string CommandFor(const Result& result) {
  return fmt::format("build/release/tests/simulation/simulate --seed {} --nodes {}", result.seed,
                     result.node_count);
}

// What has gone wrong stands at both ends: logs are cut in the middle, or read from their end.
std::string Report(const Result& result) {
  const std::string what =
      fmt::format("seed {}, {} nodes: {}\n", result.seed, result.node_count, result.violation);
  std::string text = what;
  for (const std::string& line : result.trace) text += line + '\n';
  for (const std::string& line : result.operations) text += line + '\n';
  return text + what + "Repeat it with: " + CommandFor(result) + '\n';
}

}  // namespace quorate::simulation
