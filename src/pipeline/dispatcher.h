// From the bytes that a client sends to the command that they ask for, and to the place where it
// runs: at once, on a key space proven current, or through the log. Loop thread.
#pragma once

#include <string_view>

#include "resp/request_parser.h"
#include "src/node/instance.h"
#include "src/requests/command.h"
#include "src/requests/session.h"

namespace quorate {

class Dispatcher {
 public:
  // `instance` must outlive the dispatcher.
  explicit Dispatcher(Instance& instance) : instance_(instance) {}

  // Takes bytes that arrived from the client and executes all complete requests among them, as far
  // as MayRead allows. The rest is kept in the session.
  void Receive(Session& session, std::string_view bytes);

  // Goes on with requests that were received but had to wait.
  void Resume(Session& session);

  // Whether bytes of this client are welcome: neither has it left too many replies unread or
  // waiting, nor is the node too busy. Otherwise its socket is not to be read, so that it is the
  // client who waits.
  bool MayRead(const Session& session) const;

 private:
  size_t ExecuteAll(Session& session, std::string_view bytes);
  void Execute(Session& session, const resp::Request& request);
  void RunLocal(Session& session, const Command& command, Arguments arguments);
  void Route(Session& session, const Command& command, const resp::Request& request);
  void ReplyError(Session& session, std::string_view error);

  Instance& instance_;
};

}  // namespace quorate
