// The connection of one client: bytes in to the dispatcher, replies out. Loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "src/net/stream.h"
#include "src/requests/session.h"

namespace quorate {

class ClientListener;

class ClientConnection final : private Stream::Owner {
 public:
  // Begins to read. The connection belongs to the listener, which frees it some time after
  // ClientListener::Closed.
  ClientConnection(ClientListener& listener, std::shared_ptr<Session> session, Stream stream);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  Session& session() { return *session_; }
  const Session& session() const { return *session_; }

  void StopReading();
  // Sends what there is to send, goes on reading or stops, closes when it is time: once per round,
  // for sessions that something happened to.
  void Update();
  // Goes on with requests that had to wait. True: some ran.
  bool Resume();
  bool paused() const { return paused_; }
  void Close();
  bool closed() const { return !stream_; }
  // Whether the client is owed nothing and waits for nothing, so that another life of the node can
  // go on with it.
  bool IsQuiet() const;
  // As Close, but the session goes on and so does the connection, by another descriptor: that one,
  // for the caller to close. Nothing: the system has none left, and nothing was done.
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
  void OnReceived(std::string_view bytes) override;
  void OnEnd() override;
  void OnBroken(const std::string& reason) override;
  void OnAllSent() override;
  void Write();
  void CountSent(size_t bytes);
  void NoteWaiting();
  void CloseStream();
  // The soft bound of client-output-buffer-limit; Sessions keeps to the hard one.
  bool LeavesRepliesTooLong();

  ClientListener& listener_;
  std::shared_ptr<Session> session_;
  Stream stream_;
  bool paused_ = false;  // not read from until the dispatcher lets it
  bool input_ended_ = false;
  int64_t over_soft_limit_since_ms_ = 0;  // 0: not over it
  // Stream::unsent_bytes() when NoteProgress last saw that change.
  size_t noted_unsent_bytes_ = 0;
  int64_t progress_ms_ = 0;
};

}  // namespace quorate
