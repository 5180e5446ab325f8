// The part of Node that follows the members: who they are, how they change, what they lack.
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

#include "consensus/configuration.h"
#include "src/node/node.h"

namespace quorate {
namespace {

using consensus::Index;
using consensus::NodeId;

// How often the leader is asked to note this node's address.
constexpr int64_t kAnnouncementIntervalMs = 1000;

constexpr std::string_view kTakenInByAnother = "ERR Another cluster has taken this node in";

}  // namespace

// --- Members ---

// What is applied is what counts for clients, and not the configuration in force, which may still
// be lost with its entry; and a member that is taken for removed too early could be the next
// leader.
void Node::UpdateMembership() {
  const std::optional<consensus::Configuration> applied =
      consensus::DecodeConfiguration(keys_.configuration());
  assert(applied);  // was checked when it came, and is guarded by a checksum since
  FollowFeatureLevel(applied->feature_level);
  membership_.Update(*applied);
  next_id_ = applied->next_id;
  starts_.SetMembers(*applied);
  UpdatePeers();
}

// Called before anything is applied that the level allows, at a start too. The level never falls,
// so an older version cannot take this folder back.
void Node::FollowFeatureLevel(uint32_t level) {
  if (level > options_.feature_level_known) {
    options_.fatal(fmt::format(
        "the cluster is at feature level {}, and this version of Quorate knows levels up to {}. "
        "Nothing is damaged: start a version here that knows level {}",
        level, options_.feature_level_known, level));
    std::abort();
  }
  if (level > feature_level_) spdlog::info("the cluster is at feature level {} now", level);
  feature_level_ = level;
}

void Node::UpdatePeers() { parts_.network.SetPeers(membership_.Peers(raft_.configuration())); }

void Node::SubmitChange(Session& session, const Command& command, MembershipChange change) {
  PendingRequest request;
  request.session = session.shared_from_this();
  request.ticket = session.replies.Reserve(session.protocol);
  request.command = &command;
  if (change.asker) {
    if (const auto error = AdmissionError(*change.asker)) {
      AnswerWithError(request, *error);
      return;
    }
    if (joining_.active()) {
      // This node takes the other one in, and is in use from now on.
      Joining::Meet meet = joining_.End();
      MakeChange(std::move(request), std::move(change));
      MakeChange(std::move(meet.request), std::move(meet.change));
      return;
    }
  }
  if (waits_to_join()) {
    AnswerWithError(request, kWaitsToJoin);
    return;
  }
  if (waits_for_create()) {
    // redis-cli --cluster create has the nodes meet one another.
    const auto is_met = [&](const Member& member) { return member.SameAddress(*change.join); };
    if (change.join && std::ranges::any_of(members(), is_met)) {
      creations_.push_back({std::move(request), Deadline()});
    } else {
      AnswerWithError(request, DownError());
    }
    return;
  }
  if (change.join) {
    RouteMeet({std::move(request), std::move(change), Deadline()});
  } else {
    MakeChange(std::move(request), std::move(change));
  }
}

void Node::MakeChange(PendingRequest request, MembershipChange change) {
  const auto* add = std::get_if<consensus::AddLearner>(&change.change);
  if (add && !change.asker) {
    BeginMeeting(std::move(request), add->address);
    return;
  }
  // Who asks to be taken in is there, and says what it is.
  changes_.Submit(std::move(change), Deadline(),
                  [this, request](std::string_view error) { AnswerChange(request, error); });
}

void Node::AnswerChange(const PendingRequest& request, std::string_view error) {
  if (!error.empty()) {
    AnswerWithError(request, error);
    return;
  }
  Session& session = *request.session;
  if (session.gone()) return;
  session.replies.Answer(request.ticket,
                         [](resp::ReplyWriter& writer) { writer.Raw(resp::kReplyOk); });
  parts_.sessions.Schedule(session);
}

// A node that was started with another address has the cluster take note of it.
void Node::AnnounceAddress() {
  const int64_t now_ms = parts_.clock.monotonic_ms();
  if (now_ms - last_announcement_ms_ < kAnnouncementIntervalMs || !raft_.leader()) return;
  last_announcement_ms_ = now_ms;
  removed_ = false;  // there is a leader that counts this node in
  const std::optional<std::string> address = membership_.address_to_announce();
  if (!address) return;
  spdlog::info("asking the leader to note this node's address, {}", *address);
  changes_.Submit({consensus::UpdateAddress{raft_.id(), *address}, false, {}},
                  now_ms + kAnnouncementIntervalMs);
}

bool Node::waits_to_join() const {
  return (options_.is_to_join || joining_.active()) && members().size() <= 1 &&
         raft_.configuration().members.size() <= 1 && keys_.revision() == 0 &&
         keys_.key_count() == 0;
}

bool Node::has_replayed_alone() const {
  return members().size() <= 1 &&
         (raft_.has_lost_its_data() ||
          (raft_.leader_is_established() && keys_.last_applied() == raft_.last_log_index()));
}

bool Node::was_removed(NodeId node) const { return node < next_id_ && !membership_.Find(node); }

void Node::Removed(const std::string& reason) {
  if (!std::exchange(removed_, true)) {
    spdlog::error("this node was removed from the cluster and takes no part in it any more: {}",
                  reason);
  }
}

Node::Offer Node::OfferMembership(uint64_t cluster_id, NodeId as, uint64_t folder) {
  if (new_life_) return Offer::kNone;
  const bool alone = options_.may_be_adopted && cluster_id != options_.cluster_id &&
                     members().size() <= 1 && raft_.configuration().members.size() <= 1;
  const bool blank = alone && keys_.revision() == 0 && keys_.key_count() == 0;
  const bool unused = blank && untouched();
  // Nobody calls an empty node by a folder that is not its own unless a member had its address
  // before. What the node has taken since it was started does not change that.
  const bool began_blank = alone && replayed_revision_ == 0;
  // Until its log is applied, it is not known what it began with. And with its first entry, or a
  // write, on its way it could commit neither any more, and so never be taken in: it is asked
  // again.
  const bool is_settled = unused || !blank;
  if (began_blank && is_settled && folder != 0 && folder != empty_folder() &&
      !raft_.has_lost_its_data()) {
    // Clients of that cluster know the address: they must not take it for the cluster, also after a
    // restart, when it looks like any cluster of one.
    starts_.ConvictSelf(fmt::format("cluster {:016x} knows it as node {}, with another folder",
                                    cluster_id, as.value()));
    spdlog::error(
        "if the disk of that node is not mounted, stop this one and mount it; the {} writes that "
        "this folder has are not in that cluster",
        keys_.revision());
    // What is not applied then is not applied at the next start either, and it could not be seen
    // that the folder holds nothing.
    BeginCheckpoint();
  }
  const bool replaced =
      cluster_id == options_.cluster_id && as != raft_.id() && raft_.has_nothing();
  if (!unused && !replaced) {
    // One that takes part in nothing applies nothing more: it stays unknown what its log holds.
    return blank && !raft_.has_lost_its_data() ? Offer::kNotYet : Offer::kNone;
  }
  // Somebody who has not heard for long may call it by the id of one that was here before, and has
  // lost its folder. Its votes and acknowledgements are forgotten, so it must not come back.
  if (folder != empty_folder()) return Offer::kOtherFolder;
  spdlog::info("cluster {:016x} takes this node in, as node {}", cluster_id, as.value());
  storage::Identity identity;
  identity.cluster_id = cluster_id;
  identity.node_id = as;
  identity.joined = true;
  // Of its own cluster, a folder that was put back is of no use. Of another one, it holds nothing.
  new_life_ = NewLife{std::move(identity), replaced && !starts_.own_conviction().empty()};
  EndJoining(joining_.has_asked() ? "" : kTakenInByAnother);
  return Offer::kTaken;
}

void Node::NameFolder(NodeId learner, uint64_t folder) {
  const consensus::ConfigurationMember* member =
      consensus::FindMember(raft_.configuration(), learner);
  if (!raft_.leader_is_established() || !member || member->voter || member->folder != 0 ||
      !changes_.empty()) {
    return;  // it will say so again
  }
  changes_.Submit({consensus::NameFolder{learner, folder}, false, {}}, Deadline());
}

// --- The log's size ---

// The log is needed from the newest checkpoint on for a restart, from a snapshot's index on for who
// is being sent it, and a tail of it spares followers that were away a snapshot.
void Node::TrimLog() {
  const Index last = raft_.last_log_index();
  Index tail = parts_.log_writer.StartOfTail(options_.backlog_bytes);
  if (last.value() > options_.backlog_entries) {
    tail = std::max(tail, last - options_.backlog_entries);
  }
  Index trim_to = std::min(keys_.checkpoint_index(), tail);
  if (const std::optional<Index> sent = snapshot_sender_.oldest_index()) {
    trim_to = std::min(trim_to, *sent);
  }
  if (trim_to <= trimmed_) return;
  trimmed_ = trim_to;
  // From now on nobody reads them, so storage may drop them whenever it suits.
  raft_.Compacted(trim_to);
  parts_.log_writer.Trim(trim_to);
}

// --- Snapshots ---

bool Node::IsHeard(NodeId peer) const {
  const std::vector<consensus::PeerStatus> peers = raft_.peers();
  return std::any_of(peers.begin(), peers.end(), [peer](const consensus::PeerStatus& status) {
    return status.id == peer && status.recently_active;
  });
}

void Node::HandOnSnapshots(consensus::Effects& effects) {
  const int64_t now_ms = parts_.clock.monotonic_ms();
  if (effects.leadership_changed && !raft_.is_leader()) snapshot_sender_.StopAll();
  for (NodeId peer : effects.needs_snapshot) {
    if (!IsHeard(peer)) continue;  // named again when it is back; until then a view would only pin
    const storage::Status started = snapshot_sender_.Start(peer, now_ms);
    if (!started.ok()) {
      spdlog::error("no snapshot for node {}: {}", peer.value(), started.error());
    }
  }
  for (auto& [from, part] : effects.snapshot_messages) {
    if (auto* chunk = std::get_if<consensus::InstallSnapshot>(&part)) {
      snapshot_receiver_.Receive(from, std::move(*chunk), keys_.last_applied(), now_ms);
    } else if (snapshot_sender_.Receive(from, std::get<consensus::InstallSnapshotReply>(part),
                                        now_ms)) {
      raft_.SnapshotSent(from);
    }
  }
}

void Node::RunSnapshots() {
  const auto send = [this](NodeId to, consensus::SnapshotPart part) {
    raft_.SendSnapshotPart(to, std::move(part));
  };
  if (!snapshot_sender_.idle()) {
    for (const consensus::PeerStatus& peer : raft_.peers()) {
      snapshot_sender_.Joined(peer.id, peer.match_index);
    }
    const storage::Status sent = snapshot_sender_.Run(parts_.clock.monotonic_ms(), send);
    if (!sent.ok()) options_.fatal(sent.error());
  }
  snapshot_receiver_.Run(keys_.last_applied(), send);
  // The next life has to know the term that the snapshot came in.
  if (snapshot_receiver_.ready() && persisted_ == submitted_ && !new_life_) new_life_.emplace();
}

}  // namespace quorate
