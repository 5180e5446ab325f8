// The running process: the loop with its sockets, timer and signals around the node. Loop thread,
// but for WakeUp.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/clients/client_listener.h"
#include "src/net/loop.h"
#include "src/node/instance.h"
#include "src/peers/join_request.h"
#include "src/peers/peer_network.h"
#include "src/pipeline/dispatcher.h"

namespace quorate {

class Server {
 public:
  // All must outlive the server. Nobody may call WakeUp any more when it is destroyed.
  // `own`: this node's own part of a request to be taken in; with the host of whom to ask where it
  // was started to join a cluster.
  Server(Loop& loop, Instance& instance, PeerNetwork& peers, const JoinRequest::Options& own);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the ports. What went wrong, for an operator.
  std::optional<std::string> Listen();
  // Goes on with clients of the life before. After Listen.
  void Attach(std::vector<KeptClient> clients) { clients_.Attach(std::move(clients)); }
  // What has ended it.
  struct End {
    std::optional<NewLife> new_life;  // the node has to be built anew
    int exit_code = 0;                // without one: a signal or SHUTDOWN
    std::vector<KeptClient> clients;  // of a new life
  };
  // Serves until something ends it.
  End Run();
  // Has the loop look at what the storage threads have finished. Any thread.
  void WakeUp();

 private:
  void OnSignal(int number);
  void OnTick();
  void JoinIfEmpty();
  void FollowJoining();
  void OnSecond();
  void EndRound();
  void BeginStop();
  void ContinueStop();
  void CloseHandles();

  Loop& loop_;
  Instance& instance_;
  PeerNetwork& peers_;
  Dispatcher dispatcher_;
  ClientListener clients_;
  const JoinRequest::Options own_;
  std::optional<JoinRequest> join_;
  bool join_looked_at_ = false;  // it was begun, or was not to be
  std::optional<JoinRequest> meet_;
  uint64_t meet_number_ = 0;  // Joining::number() of meet_

  uv_async_t wake_;
  uv_prepare_t round_end_;
  uv_idle_t again_;  // active: the next round starts without waiting for an event
  uv_timer_t tick_;
  uv_signal_t terminate_;
  uv_signal_t interrupt_;

  std::vector<KeptClient> kept_clients_;  // for the next life
  uint64_t ticks_ = 0;
  uint64_t commands_at_last_second_ = 0;

  // An orderly stop goes through these, each with what it waits for.
  enum class Stop : uint8_t {
    kNone,
    kHandingOver,    // another leader, and the fate of the requests in flight
    kCheckpointing,  // all that is applied is in a checkpoint
    kSending,        // the last replies have left
  };
  Stop stop_ = Stop::kNone;
  int64_t stop_deadline_ms_ = 0;
  int64_t hand_over_deadline_ms_ = 0;
  int64_t redirecting_deadline_ms_ = 0;
  consensus::Index stop_index_;  // what was applied when the last checkpoint began
};

}  // namespace quorate
