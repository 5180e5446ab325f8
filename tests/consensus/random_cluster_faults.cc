#include <algorithm>
#include <string>
#include <variant>

#include "tests/consensus/random_cluster.h"

namespace quorate::consensus {

void RandomCluster::Crash(Server& server) {
  server.raft.reset();
  server.durable.reset();
  server.reads.clear();
  server.restart_at = now_ + 1 + random_.Below(60);
  bool noticed = Chance(700);
  for (Server& other : servers_) {
    if (noticed && other.raft && Chance(900)) {
      other.raft->PeerGone(server.id);
      Touched(other);
    }
  }
}

// The folder is empty. Nothing that was sent to the server before reaches it.
void RandomCluster::Wipe(Server& server) {
  --wipes_left_;
  server.wiped = true;
  server.lost = server.chain;
  server.lost.resize(std::min<size_t>(server.lost.size(), server.disk.last_index().value() + 1));
  Crash(server);
  server.disk = MemoryDisk();
  server.disk.SetConfiguration(first_configuration_);
  server.checkpoint = Index();
  server.chain.assign(1, 0);
  std::erase_if(network_, [&](const InFlight& message) { return message.to == server.id; });
}

bool RandomCluster::CanServe(const Configuration& configuration) const {
  size_t live = 0;
  for (const ConfigurationMember& member : configuration.members) {
    live += member.voter && IsLive(servers_[member.id.value() - 1]) ? 1 : 0;
  }
  return 2 * live > VoterCount(configuration);
}

void RandomCluster::ChangeMembers(Server& server) {
  Configuration before = server.raft->configuration();
  if (before.members.empty()) {
    return;
  }
  const ConfigurationMember& any = before.members[random_.Below(before.members.size())];
  Change change = UpdateAddress{any.id, "moved " + std::to_string(++next_payload_)};
  switch (random_.Below(4)) {
    case 0:
      if (before.next_id.value() <= kServersMax && server.raft->is_leader()) {
        change = AddLearner{"new " + std::to_string(before.next_id.value())};
      }
      break;
    case 1:
    case 2:
      if (before.members.size() > 1) {
        change = RemoveMember{any.id};
      }
      break;
    default:
      break;
  }
  auto changed = Changed(before, change);
  auto* after = std::get_if<Configuration>(&changed);
  // A member that was emptied only now passes for a live one.
  if (after == nullptr || !CanServe(*after)) {
    return;
  }
  if (std::holds_alternative<RemoveMember>(change) || Chance(500)) {
    server.raft->ProposeChange(change, false);
  } else {
    server.raft->RequestChange(change, false);
  }
  Touched(server);
}

void RandomCluster::DrawPartition() {
  for (auto& row : cut_) {
    row.assign(servers_.size(), false);
  }
  switch (random_.Below(5)) {
    case 0: {  // one alone
      size_t alone = random_.Below(servers_.size());
      for (size_t other = 0; other < servers_.size(); ++other) {
        cut_[alone][other] = cut_[other][alone] = true;
      }
      break;
    }
    case 1: {  // two sides
      uint64_t side = random_.Next();
      for (size_t from = 0; from < servers_.size(); ++from) {
        for (size_t to = 0; to < servers_.size(); ++to) {
          cut_[from][to] = ((side >> from) & 1) != ((side >> to) & 1);
        }
      }
      break;
    }
    case 2:  // some links, one way
      for (auto& row : cut_) {
        for (size_t to = 0; to < row.size(); ++to) {
          row[to] = Chance(250);
        }
      }
      break;
    default:  // none
      break;
  }
}

void RandomCluster::DrawFaults(Server& server) {
  NodeId any = NodeId(1 + random_.Below(servers_.size()));
  if (Chance(change_)) {
    ChangeMembers(server);
  }
  if (Chance(transfer_)) {
    server.raft->TransferLeadership(any);
    server.raft->TransferLeadership();
    server.raft->RequestLeadership();
    Touched(server);
  }
  if (Chance(peer_gone_)) {
    server.raft->PeerGone(any);
    Touched(server);
  }
  if (Chance(stall_)) {
    server.disk_stalled_until = now_ + random_.Below(80);
  }
  if (Chance(pause_)) {
    server.paused_until = now_ + random_.Below(60);
  }
  if (Chance(crash_)) {
    const bool is_first = FindMember(first_configuration_, server.id) != nullptr;
    Configuration latest = server.raft->configuration();
    Crash(server);
    if (wipes_left_ > 0 && committed() > 0 && is_first && !server.wiped && Chance(200)) {
      server.wiped = true;
      // Those that are down keep what is in their logs.
      const bool can_serve =
          std::all_of(servers_.begin(), servers_.end(), [&](const Server& other) {
            return other.in_force.members.empty() || CanServe(other.in_force);
          });
      server.wiped = false;
      if (can_serve && CanServe(latest)) {
        Wipe(server);
      }
    }
  }
}

}  // namespace quorate::consensus
