#include "src/node/snapshot_sender.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "storage/base/sealed_record.h"
#include "storage/keyspace/state_meta.h"

namespace quorate {

using consensus::Index;
using consensus::InstallSnapshot;
using consensus::InstallSnapshotReply;
using consensus::NodeId;
using consensus::Term;

SnapshotSender::SnapshotSender(storage::SnapshotStore& store, const Options& options)
    : store_(store), options_(options), next_transfer_(options.first_transfer) {}

storage::Status SnapshotSender::Start(NodeId to, int64_t now_ms) {
  if (const auto found = transfers_.find(to); found != transfers_.end()) {
    const Transfer& before = found->second;
    if (!before.installed || now_ms - before.progress_at_ms < options_.join_ms) {
      return storage::Ok();
    }
    spdlog::warn("node {} has come back without its snapshot", to.value());
    transfers_.erase(found);
  }
  if (const auto failed = retry_at_ms_.find(to); failed != retry_at_ms_.end()) {
    if (now_ms < failed->second) return storage::Ok();
    retry_at_ms_.erase(failed);
  }
  Transfer transfer;
  if (storage::Status begun = Begin(transfer, now_ms); !begun.ok()) return begun;
  spdlog::info("sending node {} a snapshot of entry {}, {} keys", to.value(),
               transfer.index.value(), transfer.view->meta().key_count());
  transfers_.emplace(to, std::move(transfer));
  return storage::Ok();
}

void SnapshotSender::StopAll() {
  transfers_.clear();
  retry_at_ms_.clear();
}

storage::Status SnapshotSender::Begin(Transfer& transfer, int64_t now_ms) {
  auto view = store_.OpenView();
  if (!view.ok()) return storage::Error{view.error()};
  transfer.view = std::move(view.value());
  transfer.index = transfer.view->meta().last_applied;
  transfer.opened_at_ms = now_ms;
  transfer.reading = false;
  Rewind(transfer, now_ms);
  return storage::Ok();
}

// From the first chunk on, of the view that is open. A chunk that is being read still comes, and is
// not the one that is wanted then: it is passed over in Read.
void SnapshotSender::Rewind(Transfer& transfer, int64_t now_ms) {
  transfer.number = next_transfer_++;
  transfer.window.clear();
  transfer.acknowledged = 0;
  transfer.next_chunk = 0;
  transfer.last_key.clear();
  transfer.all_read = false;
  transfer.progress = {};
  transfer.progress_at_ms = now_ms;
}

bool SnapshotSender::Receive(NodeId from, const InstallSnapshotReply& reply, int64_t now_ms) {
  const auto found = transfers_.find(from);
  if (found == transfers_.end() || found->second.number != reply.transfer) return false;
  Transfer& transfer = found->second;
  if (transfer.installed) return false;
  if (reply.installed) {
    spdlog::info("node {} has the snapshot of entry {}", from.value(), transfer.index.value());
    transfer.installed = true;
    transfer.view.reset();
    transfer.window.clear();
    transfer.progress_at_ms = now_ms;
    return true;
  }
  if (reply.failed) {
    const int64_t pause_ms = std::max(options_.retry_ms_min, now_ms - transfer.opened_at_ms);
    spdlog::warn(
        "node {} could not take the snapshot, its log says why; it is sent another in {} ms",
        from.value(), pause_ms);
    retry_at_ms_[from] = now_ms + pause_ms;
    transfers_.erase(found);
    return false;
  }
  if (reply.next_chunk == 0 && transfer.acknowledged > 0) {
    // The follower has started anew and has nothing of it.
    Rewind(transfer, now_ms);
    return false;
  }
  transfer.progress_at_ms = now_ms;
  // The last chunk stays, to be sent again until it is answered with `installed`: a follower that
  // has started anew meanwhile would not be heard of otherwise.
  while (!transfer.window.empty() && transfer.window.front().chunk < reply.next_chunk &&
         !transfer.window.front().done) {
    ++transfer.progress.chunks;
    transfer.progress.bytes += transfer.window.front().data.size();
    transfer.acknowledged = transfer.window.front().chunk + 1;
    transfer.window.pop_front();
  }
  return false;
}

storage::Status SnapshotSender::Run(int64_t now_ms, const Send& send) {
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    const NodeId to = it->first;
    Transfer& transfer = it->second;
    if (IsTooLate(transfer, to, now_ms)) {
      it = transfers_.erase(it);
      continue;
    }
    if (transfer.installed) {
      ++it;
      continue;
    }
    if (now_ms - transfer.opened_at_ms >= options_.view_age_ms_max) {
      spdlog::warn("the snapshot for node {} took too long: it is sent a newer one", to.value());
      if (storage::Status begun = Begin(transfer, now_ms); !begun.ok()) return begun;
    }
    if (!transfer.window.empty() &&
        now_ms - std::max(transfer.sent_at_ms, transfer.progress_at_ms) >= options_.resend_ms) {
      transfer.sent_at_ms = now_ms;
      for (const InstallSnapshot& message : transfer.window) send(to, message);
    }
    if (storage::Status read = Read(transfer, to, now_ms, send); !read.ok()) return read;
    ++it;
  }
  return storage::Ok();
}

bool SnapshotSender::IsTooLate(const Transfer& transfer, NodeId to, int64_t now_ms) const {
  if (now_ms - transfer.progress_at_ms < options_.give_up_ms) return false;
  if (transfer.installed) {
    spdlog::warn("node {} does not come back with its snapshot", to.value());
  } else {
    spdlog::warn("node {} does not answer to its snapshot any more: giving it up", to.value());
  }
  return true;
}

void SnapshotSender::Joined(NodeId follower, Index match_index) {
  const auto found = transfers_.find(follower);
  if (found == transfers_.end() || !found->second.installed) return;
  if (match_index >= found->second.index) transfers_.erase(found);
}

storage::Status SnapshotSender::Read(Transfer& transfer, NodeId to, int64_t now_ms,
                                     const Send& send) {
  if (transfer.next_chunk == 0) {
    SendChunk(transfer,
              consensus::Payload(
                  storage::EncodeStateMeta(transfer.view->meta(), storage::kAnyTransaction)),
              false, to, now_ms, send);
  }
  if (transfer.reading) {
    std::optional<storage::Result<storage::SnapshotChunk>> taken = transfer.view->Take();
    if (!taken) return storage::Ok();
    if (!taken->ok()) return storage::Error{taken->error()};
    transfer.reading = false;
    storage::SnapshotChunk& chunk = taken->value();
    if (transfer.asked_in == transfer.number) {
      transfer.last_key = std::move(chunk.last_key);
      transfer.all_read = chunk.last;
      SendChunk(transfer, consensus::Payload(std::move(chunk.rows)), chunk.last, to, now_ms, send);
    }
  }
  if (!transfer.all_read && transfer.window.size() < options_.window_chunks) {
    transfer.view->Prepare(transfer.last_key);
    transfer.asked_in = transfer.number;
    transfer.reading = true;
  }
  return storage::Ok();
}

void SnapshotSender::SendChunk(Transfer& transfer, consensus::Payload data, bool last, NodeId to,
                               int64_t now_ms, const Send& send) {
  const storage::StateMeta& meta = transfer.view->meta();
  // Raft puts the term in.
  transfer.window.push_back({.term = Term(),
                             .transfer = transfer.number,
                             .last_included_index = meta.last_applied,
                             .last_included_term = meta.last_applied_term,
                             .chunk = transfer.next_chunk++,
                             .done = last,
                             .data = std::move(data)});
  transfer.sent_at_ms = now_ms;
  send(to, transfer.window.back());
}

std::optional<Index> SnapshotSender::oldest_index() const {
  std::optional<Index> oldest;
  for (const auto& [to, transfer] : transfers_) {
    oldest = oldest ? std::min(*oldest, transfer.index) : transfer.index;
  }
  return oldest;
}

std::optional<SnapshotSender::Progress> SnapshotSender::progress(NodeId to) const {
  const auto found = transfers_.find(to);
  if (found == transfers_.end()) return std::nullopt;
  return found->second.progress;
}

}  // namespace quorate
