// The wires between the machines, each of which has a place, counted from 0. Messages travel as the
// frames of consensus/codec.h, are encoded where they are sent and decoded where they arrive. They
// may be lost, doubled, overtaken, and arrive long after either end has been started anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/codec.h"
#include "consensus/message.h"
#include "src/members/probe_answer.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/random.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/trace.h"
#include "tests/simulation/verdict.h"

namespace quorate::simulation {

// Who speaks to whom, and where each is reached: in reality said once for each connection, here
// with every message.
struct Address {
  uint64_t cluster_id = 0;
  consensus::NodeId from;
  consensus::NodeId to;
  uint64_t folder = 0;
  uint16_t from_port = 0;
  uint16_t to_port = 0;
  bool passed_on = false;   // somebody else says it
  uint64_t connection = 0;  // not used again; 0: a Hello alone
};

// What is said beside the messages: to begin a connection (consensus/start_ledger.h), or of it.
struct Dialled {};
struct Broken {};  // there is no such connection any more
struct Refused {
  std::string reason;  // why the other side has lost data
};
using Remark = std::variant<Dialled, consensus::Welcome, consensus::Statement,
                            consensus::StartNoted, Broken, Refused>;

class SimNetwork {
 public:
  using Receiver =
      std::function<void(size_t to, const Address& address, std::optional<consensus::Message>)>;

  SimNetwork(size_t machine_count, EventQueue& events, Trace& trace, Verdict& verdict,
             Random random, const NetworkSettings& settings);

  void set_receiver(Receiver receiver) { receiver_ = std::move(receiver); }
  using EmptyReceiver = std::function<void(size_t to, consensus::NodeId peer, uint64_t folder)>;
  void set_empty_receiver(EmptyReceiver receiver) { empty_receiver_ = std::move(receiver); }

  void Send(size_t from, size_t to, const Address& address, const consensus::Message& message);
  // A connection is opened, and nothing said yet: the receiver gets no message.
  void SendHello(size_t from, size_t to, const Address& address);
  // Is never lost but with its connection, and may come late.
  void Pass(size_t from, size_t to, const Address& address, Remark remark);
  using RemarkReceiver =
      std::function<void(size_t to, const Address& address, const Remark& remark)>;
  void set_remark_receiver(RemarkReceiver receiver) { remark_receiver_ = std::move(receiver); }
  // The machine at that place refuses a connection, for it is empty; the other end learns that.
  void AnswerEmpty(size_t place, const Address& refused, uint64_t folder);
  // Asks the machine at that place what it is. No answer: it does not run, or something was lost.
  void Probe(size_t from, size_t to, const Address& address,
             std::function<void(const ProbeAnswer&)> answered);
  using ProbeReceiver =
      std::function<std::optional<ProbeAnswer>(size_t to, const Address& address)>;
  void set_probe_receiver(ProbeReceiver receiver) { probe_receiver_ = std::move(receiver); }
  // How long something small takes from here to there now.
  Time Latency();

  // --- Faults ---

  // Cuts are counted: a link works when every cut has been taken back.
  void Cut(size_t from, size_t to) { ++At(from, to).cuts; }
  void Mend(size_t from, size_t to);
  void MendAll();
  bool IsCut(size_t from, size_t to) { return At(from, to).cuts > 0; }
  // What is on its way from that machine, or to it, is lost.
  void DropSentBy(size_t from);
  void DropSentTo(size_t to);
  // From now on; the links' own settings are taken up again with Calm().
  void set_weather(const NetworkSettings& weather) { weather_ = weather; }
  const NetworkSettings& weather() const { return weather_; }
  // No loss and no other fault from now on.
  void Calm();

 private:
  struct Link {
    uint32_t cuts = 0;
    Time last_arrival = 0;
    uint64_t sent = 0;
    uint64_t dropped_before = 0;  // messages with smaller numbers are lost
    consensus::FrameDecoder decoder;
  };

  Link& At(size_t from, size_t to) { return links_[from * machine_count_ + to]; }
  // Of what is sent now.
  Time Arrival(Link& link);
  static std::string Frame(const consensus::Message& message);
  void Plan(size_t from, size_t to, const Address& address, std::string frame);
  void Arrive(size_t from, size_t to, uint64_t number, const Address& address,
              std::string_view frame);

  const size_t machine_count_;
  EventQueue& events_;
  Trace& trace_;
  Verdict& verdict_;
  Random random_;
  NetworkSettings weather_;
  std::vector<Link> links_;
  Receiver receiver_;
  EmptyReceiver empty_receiver_;
  RemarkReceiver remark_receiver_;
  ProbeReceiver probe_receiver_;
};

}  // namespace quorate::simulation
