// The peer port and the connections between the members. What arrives there is for the node only
// after a Hello that names this cluster and this node, from a member that was not removed, and a
// Statement which shows that this member has all its data (consensus/start_ledger.h); nothing on
// this port speaks RESP. A connection that is refused is told why in one line of text before it is
// closed. One that gets no further is closed after a while, and earlier when there are many. Loop
// thread.
//
// One process at a time has a member's place. When a start of a member connects that this node has
// not noted, Claims checks it: if another process answers at the member's address, that process
// keeps the place, and the one that has connected is told so.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/codec.h"
#include "src/config/config.h"
#include "src/members/member.h"
#include "src/node/member_starts.h"
#include "src/node/node.h"
#include "src/peers/claims.h"
#include "src/peers/member_probe.h"
#include "src/peers/peer_link.h"

namespace quorate {

class PeerNetwork : public Network, private Claims::Owner {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    uint64_t node_id = 0;
    uint64_t process = 0;     // see Hello
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
  // Once per round: goes on with connections that have waited for the disk, hands to the kernel
  // what was sent, and closes what has taken too long to become a member's connection.
  void EndRound();
  void CloseAll();

 private:
  // A connection that another member has opened.
  struct Incoming {
    PeerNetwork* network;
    uv_tcp_t tcp;
    uint64_t number;  // not used again
    uint64_t accepted_at_ms;
    std::string address = {};
    consensus::FrameDecoder decoder = consensus::FrameDecoder();
    std::optional<consensus::Hello> hello = {};      // the newest, once one was accepted
    std::optional<MemberStarts::Visit> visit = {};   // once it was answered
    std::optional<consensus::Statement> claim = {};  // that is being checked; nothing is read then
    std::string unread = {};                         // what came behind it
    std::optional<uint64_t> from = {};               // once a Statement was accepted
  };

  static void OnConnection(uv_stream_t* server, int status);
  void Accept(uv_stream_t* server);
  void StartReading(Incoming* incoming);
  void OnRead(Incoming* incoming, ssize_t size, const uv_buf_t* buffer);
  void Take(Incoming* incoming, std::string_view bytes);
  std::unique_ptr<PeerLink> MakeLink(const Member& peer);
  // All of these: false if the connection was closed.
  bool OnFrame(Incoming* incoming, consensus::FrameDecoder::Result frame);
  bool OnHello(Incoming* incoming, const consensus::Hello& hello);
  bool OnHelloAgain(Incoming* incoming, const consensus::Hello& hello);
  bool AnswerHello(Incoming* incoming);
  bool OnStatement(Incoming* incoming, consensus::Statement statement);
  bool Judge(Incoming* incoming, const consensus::Statement& statement,
             MemberStarts::Standing standing);
  void TakeIn(Incoming* incoming);
  // For Claims; see there.
  bool Dial(uint64_t dial, consensus::NodeId member) override;
  bool AnotherIsConnected(consensus::NodeId member, uint64_t process) const override;
  void Decided(uint64_t connection, Claims::Outcome outcome) override;
  // Nothing more is heard of a member that was convicted.
  void DropConvicted(consensus::NodeId member);
  void Introduce(PeerLink& link);
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
  // Null: that connection is closed.
  Incoming* FindIncoming(uint64_t number) const;
  // The oldest connection that is no member's yet; null: there is none.
  Incoming* OldestStranger() const;
  void Drop(Incoming* incoming);

  uv_loop_t* loop_;
  const Options options_;
  Node* node_ = nullptr;
  uint64_t last_number_ = 0;  // of an Incoming
  bool connecting_ = false;   // Connect was called
  std::vector<std::unique_ptr<uv_tcp_t>> servers_;
  std::map<uint64_t, std::unique_ptr<PeerLink>> links_;  // by the member's id
  std::map<uint64_t, Member> told_;                      // with SetPeers, the last time
  std::vector<std::unique_ptr<MemberProbe>> probes_;     // under way, or just ended
  std::vector<Incoming*> incoming_;                      // those that are open, the oldest first
  bool has_unanswered_ = false;                          // a Hello, among those
  Claims claims_{static_cast<Claims::Owner&>(*this)};    // of those that have a `claim`
  std::string last_refusal_;                             // that was logged
  std::array<char, 64 << 10> read_buffer_;
};

}  // namespace quorate
