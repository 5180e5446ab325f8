#include "src/server/server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "src/config/logging.h"
#include "src/server/process.h"

namespace quorate {
namespace {

// An orderly stop gives up after so long and just ends: everything acknowledged is on disk anyway.
constexpr int64_t kStopTimeoutMs = 10'000;
// How long the part of it may take in which clients wait for a leader that there may not be.
constexpr int64_t kHandOverTimeoutMs = 2'000;
// How long a leader that has handed over still answers, with the new leader's address: a client
// that is busy gets to know it by a reply, and not by the end of its connection, which it may take
// for an error.
constexpr int64_t kRedirectingMs = 100;
// Between two questions of a node that was told to meet another: somebody waits for the answer.
constexpr unsigned kMeetRetryMs = 100;

template <typename Handle>
uv_handle_t* AsHandle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

Server::Server(Loop& loop, Instance& instance, PeerNetwork& peers, const JoinRequest::Options& own)
    : loop_(loop),
      instance_(instance),
      peers_(peers),
      dispatcher_(instance),
      clients_(loop, instance, dispatcher_),
      own_(own) {
  if (!own.host.empty()) join_.emplace(loop.uv(), own);
  uv_async_init(loop.uv(), &wake_, [](uv_async_t*) {});  // the end of the round looks at everything
  uv_prepare_init(loop.uv(), &round_end_);
  uv_idle_init(loop.uv(), &again_);
  uv_timer_init(loop.uv(), &tick_);
  uv_signal_init(loop.uv(), &terminate_);
  uv_signal_init(loop.uv(), &interrupt_);
  for (uv_handle_t* handle : {AsHandle(&wake_), AsHandle(&round_end_), AsHandle(&again_),
                              AsHandle(&tick_), AsHandle(&terminate_), AsHandle(&interrupt_)}) {
    handle->data = this;
  }
}

Server::~Server() {
  CloseHandles();
  uv_close(AsHandle(&wake_), nullptr);
  loop_.Run();  // the close callbacks
}

std::optional<std::string> Server::Listen() {
  if (auto error = clients_.Listen()) return error;
  return peers_.Listen();
}

Server::End Server::Run() {
  const auto on_signal = [](uv_signal_t* signal, int number) {
    static_cast<Server*>(signal->data)->OnSignal(number);
  };
  uv_signal_start(&terminate_, on_signal, SIGTERM);
  uv_signal_start(&interrupt_, on_signal, SIGINT);
  // Right before the loop waits for events, when all the callbacks of the round have run.
  uv_prepare_start(&round_end_,
                   [](uv_prepare_t* prepare) { static_cast<Server*>(prepare->data)->EndRound(); });
  uv_timer_start(
      &tick_, [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->OnTick(); }, Node::kTickMs,
      Node::kTickMs);
  peers_.Connect();
  spdlog::info("Ready to accept connections");
  loop_.Run();
  return {instance_.node.new_life(), 0, std::move(kept_clients_)};
}

void Server::WakeUp() {
  // Before libuv 1.53 the send may be coalesced with one that the loop is just taking; without a
  // full fence the loop could then miss what was stored before.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  uv_async_send(&wake_);
}

void Server::OnSignal(int number) {
  if (stop_ != Stop::kNone) {
    if (number == SIGINT) {
      spdlog::warn("second SIGINT: stopping at once");
      spdlog::shutdown();
      std::_Exit(1);
    }
    return;
  }
  spdlog::info("{} received: stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
  BeginStop();
}

// Asking for a node that cannot be taken in would add a member that never comes.
void Server::JoinIfEmpty() {
  if (!join_ || join_looked_at_ || !instance_.node.has_replayed_alone()) return;
  join_looked_at_ = true;
  if (instance_.node.waits_to_join()) {
    join_->Start();
  } else {
    spdlog::warn("join has no effect: this node holds data of its own, and goes on with it");
  }
}

void Server::FollowJoining() {
  Joining& joining = instance_.node.joining();
  if (meet_ && (!joining.active() || joining.number() != meet_number_)) meet_.reset();
  if (meet_ || !joining.active()) return;
  JoinRequest::Options options = own_;
  options.host = joining.target()->host;
  options.port = joining.target()->port;
  options.retry_ms = kMeetRetryMs;
  options.clock = &instance_.clock;
  options.joining = &joining;
  meet_number_ = joining.number();
  meet_.emplace(loop_.uv(), std::move(options));
  meet_->Start();
}

void Server::OnTick() {
  if (TakeHangUp()) ReopenLog();
  instance_.node.Tick();
  JoinIfEmpty();
  if (++ticks_ % (1000 / Node::kTickMs) == 0) OnSecond();
}

void Server::OnSecond() {
  Statistics& statistics = instance_.statistics;
  const bool was_reset = statistics.commands_processed < commands_at_last_second_;
  statistics.instantaneous_ops_per_second =
      statistics.commands_processed - (was_reset ? 0 : commands_at_last_second_);
  commands_at_last_second_ = statistics.commands_processed;
  clients_.CloseIdle();
}

void Server::EndRound() {
  bool again = instance_.node.Flush();
  FollowJoining();
  peers_.EndRound();
  again |= clients_.EndRound();
  if (instance_.node.new_life()) {
    kept_clients_ = clients_.Detach();
    CloseHandles();
    return;
  }
  instance_.backups.Run();
  if (instance_.stop_requested && stop_ == Stop::kNone) BeginStop();
  if (stop_ != Stop::kNone) ContinueStop();
  if (again) {
    uv_idle_start(&again_, [](uv_idle_t*) {});
  } else {
    uv_idle_stop(&again_);
  }
}

void Server::BeginStop() {
  stop_ = Stop::kHandingOver;
  instance_.stop_requested = true;  // for SHUTDOWN ABORT, whoever has begun the stop
  stop_deadline_ms_ = instance_.clock.monotonic_ms() + kStopTimeoutMs;
  hand_over_deadline_ms_ = instance_.clock.monotonic_ms() + kHandOverTimeoutMs;
  redirecting_deadline_ms_ = 0;
  clients_.StopListening();
  if (!instance_.node.raft().is_leader()) return;
  if (instance_.node.members().size() == 1) {
    clients_.StopReading();
  } else if (instance_.node.TransferLeadership(std::nullopt)) {
    spdlog::info("handing leadership over");
    redirecting_deadline_ms_ = hand_over_deadline_ms_ + kRedirectingMs;
  }
}

void Server::ContinueStop() {
  const int64_t now_ms = instance_.clock.monotonic_ms();
  Node& node = instance_.node;
  if (now_ms >= stop_deadline_ms_) {
    spdlog::warn("the orderly stop took too long: stopping as it is");
    CloseHandles();
    return;
  }
  if (stop_ == Stop::kHandingOver) {
    const bool handed_over = node.members().size() == 1 || !node.raft().is_leader();
    const bool answered = node.requests_in_flight() == 0;
    if (!(handed_over && answered) && now_ms < hand_over_deadline_ms_) return;
    redirecting_deadline_ms_ = std::min(redirecting_deadline_ms_, now_ms + kRedirectingMs);
    if (now_ms < redirecting_deadline_ms_) return;
    clients_.StopReading();
    stop_ = Stop::kCheckpointing;
    stop_index_ = node.keys().last_applied();
  }
  if (stop_ == Stop::kCheckpointing) {
    if (node.keys().has_changes()) node.BeginCheckpoint();
    if (node.keys().checkpoint_index() >= stop_index_) {
      spdlog::info("everything is saved");
    } else if (node.checkpoint_waits_for_space()) {
      spdlog::warn("there is no space for a last checkpoint: the next start applies the log again");
    } else {
      return;
    }
    stop_ = Stop::kSending;
  }
  if (clients_.AllSent()) {
    spdlog::info("bye");
    CloseHandles();
  }
}

// The loop ends when nothing is left to wait for. The storage threads may still wake it, until main
// has stopped them; so that handle stays until the end.
void Server::CloseHandles() {
  if (uv_is_closing(AsHandle(&tick_))) return;
  clients_.CloseAll();
  peers_.CloseAll();
  join_.reset();
  meet_.reset();
  for (uv_handle_t* handle : {AsHandle(&round_end_), AsHandle(&again_), AsHandle(&tick_),
                              AsHandle(&terminate_), AsHandle(&interrupt_)}) {
    uv_close(handle, nullptr);
  }
  uv_unref(AsHandle(&wake_));
}

}  // namespace quorate
