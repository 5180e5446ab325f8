// The peer port and the connections between the members. What arrives there is for the node only
// after a Hello that names this cluster and this node, from a member that was not removed; nothing
// on this port speaks RESP. A Hello that is refused is answered with one line of text that says
// why, before the connection is closed. A connection without a Hello is closed after a while, and
// earlier when there are many. Loop thread.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/codec.h"
#include "src/config.h"
#include "src/member.h"
#include "src/member_probe.h"
#include "src/node.h"
#include "src/peer_link.h"

namespace quorate {

class PeerNetwork : public Network {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    uint64_t node_id = 0;
    std::string own_address;  // as MemberAddress has it
    std::vector<BindAddress> bind;
    uint16_t port = 0;
    unsigned send_timeout_ms = 1000;  // see PeerLink::Options
  };

  // `loop` must outlive the network, and run once more after CloseAll.
  PeerNetwork(uv_loop_t* loop, Options options);
  ~PeerNetwork() override;

  // Whom to hand what arrives. Before Listen.
  void Attach(Node& node) { node_ = &node; }

  // Opens the peer port. What went wrong, for an operator.
  std::optional<std::string> Listen();
  // Begins to connect to the other members.
  void Connect();

  // Connects to members that are new or have moved, and lets go of those that are none any more.
  void SetPeers(const std::vector<Member>& peers) override;
  void Send(consensus::NodeId to, consensus::Message message) override;
  void FoundingKnown() override;
  void Probe(const Member& place, int64_t timeout_ms, Probed done) override;
  // Once per round: hands to the kernel what was sent in it, and closes what has waited too long
  // for a Hello.
  void EndRound();
  void CloseAll();

 private:
  // A connection that another member has opened.
  struct Incoming {
    PeerNetwork* network;
    uv_tcp_t tcp;
    uint64_t accepted_at_ms;
    std::string address = {};
    consensus::FrameDecoder decoder = consensus::FrameDecoder();
    std::optional<uint64_t> from = {};  // once the Hello was accepted
    std::string own_address = {};       // of that member, as the Hello has it
    consensus::FoundingId founding = {};
  };

  static void OnConnection(uv_stream_t* server, int status);
  void Accept(uv_stream_t* server);
  void OnRead(Incoming* incoming, ssize_t size, const uv_buf_t* buffer);
  std::unique_ptr<PeerLink> MakeLink(const Member& peer);
  void OnHello(Incoming* incoming, const consensus::Hello& hello);
  void OnHelloAgain(Incoming* incoming, const consensus::Hello& hello);
  void OnHelloOfAnother(const consensus::Hello& hello);
  void FollowAddress(uint64_t id, std::string address, const std::string& seen_at);
  // As a Hello gives it, of a connection that is seen to come from there; nothing: it cannot be
  // read.
  static std::optional<Member> ParseAddress(uint64_t id, std::string address,
                                            const std::string& seen_at);
  void PassOn(const Incoming& member, PeerLink& link) const;
  // Whether that is another cluster's, or another life's of this one.
  bool IsAnother(consensus::FoundingId founding) const;
  // Answers with that line, and closes the connection.
  void Refuse(Incoming* incoming, const consensus::Hello& hello, const std::string& refusal,
              std::string line);
  // Why that Hello is not for this node, as the line that it is answered with; nothing: it is.
  std::optional<std::string> Refusal(const consensus::Hello& hello) const;
  // The oldest connection without a Hello; null: there is none.
  Incoming* OldestStranger() const;
  void Drop(Incoming* incoming);

  uv_loop_t* loop_;
  const Options options_;
  Node* node_ = nullptr;
  bool connecting_ = false;  // Connect was called
  std::vector<std::unique_ptr<uv_tcp_t>> servers_;
  std::map<uint64_t, std::unique_ptr<PeerLink>> links_;  // by the member's id
  std::map<uint64_t, Member> told_;                      // with SetPeers, the last time
  std::vector<std::unique_ptr<MemberProbe>> probes_;     // under way, or just ended
  std::vector<Incoming*> incoming_;                      // those that are open, the oldest first
  std::string last_refusal_;                             // that was logged
  std::array<char, 64 << 10> read_buffer_;
};

}  // namespace quorate
