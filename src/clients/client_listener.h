// The client port: accepts connections and keeps them. Loop thread.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "src/clients/client_connection.h"
#include "src/net/loop.h"
#include "src/net/stream.h"
#include "src/node/instance.h"
#include "src/pipeline/dispatcher.h"

namespace quorate {

// The connection of a client between two lives of the node.
struct KeptClient {
  std::shared_ptr<Session> session;
  int descriptor = -1;  // for ClientListener::Attach to take over
};

class ClientListener {
 public:
  // All must outlive the listener.
  ClientListener(Loop& loop, Instance& instance, Dispatcher& dispatcher);
  ClientListener(const ClientListener&) = delete;
  ClientListener& operator=(const ClientListener&) = delete;

  // Binds and listens on every address of the configuration. What went wrong, for an operator.
  std::optional<std::string> Listen();

  // Once per round, after the node's Flush: sends replies, resumes those that waited. True:
  // requests ran, so another round is due.
  bool EndRound();
  // Every second or so: closes clients idle for longer than `timeout`; and, when unread replies
  // have become so many that others must wait, those that take none of theirs.
  void CloseIdle();

  // No new connections; existing ones go on.
  void StopListening();
  // Nothing more is read from anybody.
  void StopReading();
  void CloseAll();
  // Lets go of the clients that are owed nothing, whose connections stay open; for Attach of the
  // next life's listener.
  std::vector<KeptClient> Detach();
  void Attach(std::vector<KeptClient> clients);
  // Every reply that is known has left for the kernel.
  bool AllSent() const;

 private:
  friend class ClientConnection;

  static void OnConnection(uv_stream_t* server, int status);
  void Accept(uv_stream_t* server);
  void Add(std::shared_ptr<Session> session, Stream stream);
  // Why a new connection is turned away, as the reply; nothing: welcome.
  std::optional<std::string> Refusal(const sockaddr_storage& remote) const;
  // Frees the connection when the round ends: it is still at work.
  void Closed(ClientConnection& connection);
  // Goes on with clients that had to wait. True: requests ran.
  bool ResumePaused();
  void CloseStuck();

  Loop& loop_;
  Instance& instance_;
  Dispatcher& dispatcher_;
  std::vector<std::unique_ptr<uv_tcp_t>> servers_;
  std::unordered_map<uint64_t, std::unique_ptr<ClientConnection>> connections_;  // by session id
  std::set<uint64_t> paused_;
  // Some may have paused because of what all clients do together, so any may go on when that is
  // over: the node is throttled, or replies are tight. Else, they go on when something has happened
  // to their own session.
  bool some_wait_for_node_ = false;
  bool some_wait_for_room_ = false;
  bool reading_stopped_ = false;
  std::vector<uint64_t> closed_;  // of connections_
};

}  // namespace quorate
