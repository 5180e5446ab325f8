#include "src/node/snapshot_receiver.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "consensus/configuration.h"
#include "storage/base/sealed_record.h"
#include "storage/keyspace/state_meta.h"

namespace quorate {

using consensus::Index;
using consensus::InstallSnapshot;
using consensus::InstallSnapshotReply;
using consensus::NodeId;

void SnapshotReceiver::Receive(NodeId from, InstallSnapshot message, Index last_applied,
                               int64_t now_ms) {
  if (ready_) return;
  const bool known = transfer_ && transfer_->from == from && transfer_->number == message.transfer;
  if (!known) {
    if (message.chunk != 0) {
      // Begun before this node's present life: it has nothing of it.
      refused_ = {from, message.transfer, false};
      return;
    }
    Begin(from, message, last_applied);
    if (transfer_) transfer_->progress.heard_at_ms = now_ms;
    return;
  }
  Transfer& transfer = *transfer_;
  transfer.progress.heard_at_ms = now_ms;
  if (message.chunk != transfer.next_chunk || transfer.complete) {
    transfer.reply_due = true;  // sent again because an acknowledgement was lost, or out of order
    return;
  }
  ++transfer.next_chunk;
  transfer.progress.bytes += message.data.size();
  transfer.target->Add(std::string(message.data.bytes()));
  if (message.done) {
    transfer.complete = true;
    transfer.target->Finish();
  }
}

void SnapshotReceiver::Begin(NodeId from, const InstallSnapshot& message, Index last_applied) {
  const storage::Decoded<storage::StateMeta> meta =
      storage::DecodeStateMeta(message.data.bytes(), storage::kAnyTransaction);
  // An unreadable one could not be started with, when the state here is gone already.
  if (!meta || meta->last_applied != message.last_included_index ||
      meta->last_applied_term != message.last_included_term ||
      (!meta->configuration.empty() && !consensus::DecodeConfiguration(meta->configuration))) {
    spdlog::warn("node {} offers a snapshot that cannot be read", from.value());
    refused_ = {from, message.transfer, true};
    return;
  }
  if (meta->last_applied <= last_applied) return;  // an old offer
  transfer_.reset();                               // there is one target at a time
  spdlog::info("receiving a snapshot of entry {} from node {}: {} keys", meta->last_applied.value(),
               from.value(), meta->key_count());
  Transfer transfer;
  transfer.from = from;
  transfer.number = message.transfer;
  transfer.target = store_.BeginTarget(*meta);
  transfer.next_chunk = 1;
  transfer.reply_due = true;
  transfer.progress.index = meta->last_applied;
  transfer.progress.key_count = meta->key_count();
  transfer_ = std::move(transfer);
}

void SnapshotReceiver::Run(Index last_applied, const Reply& reply) {
  if (refused_) {
    InstallSnapshotReply answer;
    answer.transfer = refused_->number;
    answer.failed = refused_->failed;
    reply(refused_->from, std::move(answer));
    refused_.reset();
  }
  if (!transfer_) return;
  Transfer& transfer = *transfer_;
  const NodeId from = transfer.from;
  InstallSnapshotReply answer;
  answer.transfer = transfer.number;
  if (transfer.progress.index <= last_applied) {
    // Going back to it would forget entries that this node has acknowledged.
    transfer_.reset();
    ready_ = false;
    answer.installed = true;
    reply(from, std::move(answer));
    return;
  }
  if (ready_) return;
  if (const std::optional<storage::Status> finished = transfer.target->TakeFinished()) {
    if (finished->ok()) {
      spdlog::info("the snapshot of entry {} is complete", transfer.progress.index.value());
      ready_ = true;
      answer.next_chunk = transfer.next_chunk;
      answer.installed = true;
    } else {
      spdlog::warn("the snapshot cannot be taken: {}", finished->error());
      transfer_.reset();
      answer.failed = true;
    }
    reply(from, std::move(answer));
    return;
  }
  // The meta record is chunk 0, and there from the beginning.
  transfer.progress.chunks = transfer.target->written();
  const uint64_t written = 1 + transfer.progress.chunks;
  if (written > transfer.acknowledged || transfer.reply_due) {
    transfer.acknowledged = written;
    transfer.reply_due = false;
    answer.next_chunk = written;
    reply(from, std::move(answer));
  }
}

std::optional<SnapshotReceiver::Progress> SnapshotReceiver::progress() const {
  if (!transfer_) return std::nullopt;
  return transfer_->progress;
}

}  // namespace quorate
