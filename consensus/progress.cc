#include "consensus/progress.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace quorate::consensus {

void Progress::DetectLoss(uint64_t now, const Limits& limits) {
  bool unacknowledged = match_index_ + 1 < next_index_;
  if (state_ == State::kReplicate && unacknowledged && now - advanced_at_ >= limits.loss_ticks) {
    // Lost, or only slow to become durable: a bare probe finds out, without sending it all again.
    BecomeProbe(match_index_ + 1, true);
  }
}

bool Progress::MaySend(Index last_index, uint64_t now, const Limits& limits) const {
  switch (state_) {
    case State::kProbe:
      // Also where nothing is missing: a follower that has begun anew does not know that its log is
      // the leader's, and answers no reads before it does.
      return !probe_outstanding_ || now - probe_sent_at_ >= limits.probe_retry_ticks;
    case State::kReplicate:
      return next_index_ <= last_index && inflight_bytes_ < limits.inflight_bytes_max &&
             inflight_.size() < limits.inflight_messages_max;
    case State::kNeedsSnapshot:
    case State::kDiverged:
      break;
  }
  return false;
}

void Progress::Sent(Index last, size_t bytes, uint64_t now) {
  if (last >= next_index_) {
    assert(inflight_.empty() || inflight_.back().last < last);
    inflight_.push_back({last, bytes});
    inflight_bytes_ += bytes;
  }
  if (state_ == State::kProbe) {
    // next_index stays: it names the probe that an answer has to fit.
    probe_outstanding_ = true;
    probe_sent_at_ = now;
    bare_ = true;
    return;
  }
  if (match_index_ + 1 == next_index_) {
    advanced_at_ = now;
  }
  next_index_ = std::max(next_index_, last + 1);
}

bool Progress::Succeeded(Index match_index, Index received_index, uint64_t now) {
  bool grew = match_index > match_index_;
  if (grew) {
    match_index_ = match_index;
    advanced_at_ = now;
  }
  while (!inflight_.empty() && inflight_.front().last <= match_index_) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  if (state_ == State::kDiverged) {
    return grew;  // of an append that it took before
  }
  if (state_ != State::kReplicate) {
    // What has arrived is not sent again, though it is not durable there yet. It stays in the
    // window, or a follower whose disk stands still would be sent a whole window after each probe.
    state_ = State::kReplicate;
    probe_outstanding_ = false;
    bare_ = false;
    next_index_ = std::max(match_index_, received_index) + 1;
    ForgetInflightFrom(next_index_);
    advanced_at_ = now;
  }
  next_index_ = std::max(next_index_, match_index_ + 1);
  return grew;
}

void Progress::Rejected(Index prev_log_index, Index last_possible) {
  // A rejection of what has matched since is an old one: match_index never goes back within a term.
  if (prev_log_index <= match_index_) {
    return;
  }
  // Likewise one that answers another probe than the last, or entries that were never sent.
  if (state_ == State::kProbe && prev_log_index + 1 != next_index_) {
    return;
  }
  if (state_ == State::kReplicate && prev_log_index >= next_index_) {
    return;
  }
  if (state_ == State::kNeedsSnapshot || state_ == State::kDiverged) {
    return;
  }
  // Each rejection brings next_index down by at least one, and never below match_index + 1.
  Index next_index = std::min(prev_log_index, last_possible + 1);
  BecomeProbe(std::max(next_index, match_index_ + 1), false);
  ForgetInflightFrom(next_index_);
}

void Progress::Verified(Index verified_index) {
  if (state_ == State::kReplicate && verified_index < match_index_) {
    BecomeProbe(match_index_ + 1, true);
  }
}

bool Progress::Diverged() {
  ForgetInflightFrom(match_index_ + 1);
  return std::exchange(state_, State::kDiverged) != State::kDiverged;
}

void Progress::LostData() {
  match_index_ = Index();
  answers_first_ = false;
  fit_ = false;
  BecomeProbe(next_index_, true);
  ForgetInflightFrom(Index());
}

void Progress::Disconnected(Index first_index) {
  answers_first_ = false;
  if (state_ == State::kReplicate || state_ == State::kDiverged) {
    BecomeProbe(match_index_ + 1, true);
    ForgetInflightFrom(next_index_);
  } else if (state_ == State::kNeedsSnapshot) {
    ProbeAfterSnapshot(first_index);
  }
}

void Progress::NeedSnapshot(uint64_t now) {
  state_ = State::kNeedsSnapshot;
  needs_snapshot_since_ = now;
}

bool Progress::MayHaveSnapshot(uint64_t now, const Limits& limits) const {
  return state_ == State::kNeedsSnapshot && now - needs_snapshot_since_ >= limits.loss_ticks;
}

void Progress::ProbeAfterSnapshot(Index first_index) {
  BecomeProbe(std::max(first_index, match_index_ + 1), true);
  ForgetInflightFrom(next_index_);
}

void Progress::AnsweredRound(uint64_t round) { answered_round_ = std::max(answered_round_, round); }

void Progress::SentCommit(Index commit_index) {
  commit_sent_ = std::max(commit_sent_, commit_index);
}

void Progress::SentReadIndex(Index read_index) {
  read_index_sent_ = std::max(read_index_sent_, read_index);
}

void Progress::BecomeProbe(Index next_index, bool bare) {
  assert(next_index > match_index_);
  state_ = State::kProbe;
  next_index_ = next_index;
  bare_ = bare;
  probe_outstanding_ = false;
}

void Progress::ForgetInflightFrom(Index index) {
  while (!inflight_.empty() && inflight_.back().last >= index) {
    inflight_bytes_ -= inflight_.back().bytes;
    inflight_.pop_back();
  }
}

}  // namespace quorate::consensus
