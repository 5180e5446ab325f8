#include "tests/simulation/server_process.h"

#include <utility>

#include "consensus/founding.h"
#include "src/commands/table.h"

namespace quorate::simulation {
namespace {

constexpr int64_t kUnixStartUs = 1'700'000'000'000'000;

NodeOptions OptionsOf(const Settings& settings, const storage::Identity& identity, uint16_t port,
                      uint64_t seed) {
  NodeOptions options = settings.node;
  options.cluster_id = identity.cluster_id;
  options.self = MemberAt(identity.node_id, port);
  options.may_be_adopted = identity.members.empty() && !identity.joined;
  options.raft.id = identity.node_id;
  options.raft.seed = seed;
  consensus::Founding founding;
  founding.id = consensus::FoundingId(seed | 1);
  options.raft.founding = consensus::Payload(Encode(founding));
  options.snapshots.first_transfer = seed | 1;
  return options;
}

}  // namespace

int64_t SimClock::unix_us() const { return kUnixStartUs + monotonic_ns() / 1000 + unix_offset_us_; }

void WatchedLog::Submit(consensus::Persist persist) {
  if (checker_ != nullptr) checker_->Submitted(place_, persist);
  if (persist.truncate_from) {
    trace_.Add(Happening::kTruncate, place_ + 1, persist.truncate_from->value());
  }
  trace_.Add(Happening::kSubmit, place_ + 1, persist.seq.value(), persist.entries.size(),
             persist.entries.empty() ? 0 : persist.entries.back().index.value(),
             persist.hard_state ? persist.hard_state->current_term.value() : 0);
  disk_.Submit(std::move(persist));
}

void WatchedNetwork::Send(consensus::NodeId to, consensus::Message message) {
  if (checker_ != nullptr) checker_->Sent(server_.place(), node_->raft(), to, message);
  server_.SendTo(to, message);
}

Server::Process::Process(Server& server, RaftChecker* watch, uint64_t seed,
                         const consensus::Recovered& recovered)
    : checker(watch),
      clock(server.surroundings_.events, server.clock_drift_permille_, server.unix_offset_us_),
      sessions(&limits),
      log(server.place_, server.log_, watch, server.surroundings_.trace),
      network(server, watch),
      node(OptionsOf(server.surroundings_.settings, server.identity_, server.port_, seed),
           recovered,
           {server.log_, log, server.state_, server.state_, server.snapshots_, network, clock,
            statistics, sessions, Commands()}),
      backups(node, sessions, statistics, clock, [] { return Backups::Task(); }),
      instance{config, node, sessions, statistics, clock, backups},
      dispatcher(instance) {
  network.set_node(&node);
}

}  // namespace quorate::simulation
