// Snapshots for followers that lack what was trimmed (section 7). The drivers of both servers move
// and install them; here is decided who may send them to whom, and when a follower is past needing
// one.
#include <utility>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

void Raft::Impl::Handle(NodeId from, InstallSnapshot&& request) {
  InstallSnapshotReply reply;
  reply.term = current_term();
  reply.transfer = request.transfer;
  if (request.term < current_term()) {
    Send(from, std::move(reply));
    return;
  }
  if (HearLeader(from) == nullptr) {
    return;
  }
  if (compared_.diverged) {
    return;  // what this log has instead is not to be thrown away
  }
  if (IsOverruled(request.last_included_index, request.last_included_term)) {
    RefuseDiverged(from, request.last_included_index);
    return;
  }
  if (request.last_included_index <= commit_index_) {
    // This log has all of it, or holds what follows it. Installing it would go back.
    reply.installed = true;
    Send(from, std::move(reply));
    return;
  }
  snapshot_messages_.push_back({from, std::move(request)});
}

void Raft::Impl::Handle(NodeId from, InstallSnapshotReply&& reply) {
  if (FindPeer(from) != nullptr && reply.term == current_term()) {
    snapshot_messages_.push_back({from, std::move(reply)});
  }
}

void Raft::Impl::SendSnapshotPart(NodeId to, SnapshotPart part) {
  if (auto* request = std::get_if<InstallSnapshot>(&part)) {
    if (!is_leader()) {
      return;
    }
    request->term = current_term();
    Send(to, std::move(*request));
  } else {
    auto& reply = std::get<InstallSnapshotReply>(part);
    reply.term = current_term();
    Send(to, std::move(reply));
  }
}

void Raft::Impl::SnapshotSent(NodeId peer) {
  Progress* progress = FindPeer(peer);
  if (progress != nullptr && progress->state() == Progress::State::kNeedsSnapshot) {
    progress->ProbeAfterSnapshot(log_.base_index() + 1);
  }
}

}  // namespace quorate::consensus
