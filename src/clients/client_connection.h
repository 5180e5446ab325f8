// The socket of one client: bytes in to the dispatcher, replies out. Loop thread.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "src/requests/session.h"

namespace quorate {

class ClientListener;

class ClientConnection {
 public:
  // Takes an accepted socket over, allocated by the listener's accept. The connection frees itself,
  // through ClientListener::Closed, some time after Close.
  ClientConnection(ClientListener& listener, std::shared_ptr<Session> session, uv_tcp_t* socket);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  Session& session() { return *session_; }
  const Session& session() const { return *session_; }

  void StartReading();
  // Sends what there is to send, goes on reading or stops, closes when it is time: once per round,
  // for sessions that something happened to.
  void Update();
  // Goes on with requests that had to wait. True: some ran.
  bool Resume();
  bool paused() const { return paused_; }
  void Close();
  // Whether the client is owed nothing and waits for nothing, so that another life of the node can
  // go on with it.
  bool IsQuiet() const;
  // As Close, but the session goes on and so does the socket, by another descriptor: that one, for
  // the caller to close. Nothing: the system has none left, and nothing was done.
  std::optional<int> Detach();
  // Replies that the kernel has not taken yet.
  size_t unsent_bytes() const { return session_->reply_bytes(); }
  // Looks whether the kernel has taken some of them: once a second or so, before the next two.
  void NoteProgress();
  // Whether it has taken none of them for so long.
  bool IsStuck(int64_t limit_ms) const;
  // Whether for so long nothing has been asked, and nothing was owed that has made progress.
  bool IsIdle(int64_t limit_ms) const;

 private:
  friend class ClientListener;

  void OnRead(ssize_t size, const uv_buf_t* buffer);
  void OnWritten(int status);
  void Write();
  void NoteWaiting();
  void CloseSocket();
  // The soft bound of client-output-buffer-limit; Sessions keeps to the hard one.
  bool LeavesRepliesTooLong();

  ClientListener& listener_;
  std::shared_ptr<Session> session_;
  uv_tcp_t* socket_;
  uv_write_t write_request_;
  std::string writing_;  // handed to the kernel's queue; must not move until OnWritten
  bool reading_ = false;
  bool paused_ = false;  // not read from until the dispatcher lets it
  bool input_ended_ = false;
  bool closing_ = false;
  int64_t over_soft_limit_since_ms_ = 0;  // 0: not over it
  // What libuv had left to write when NoteProgress last saw that change.
  size_t write_queue_bytes_ = 0;
  int64_t write_queue_changed_ms_ = 0;
};

}  // namespace quorate
