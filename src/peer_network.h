// The peer port and the connections between the members. What arrives there is for the node only
// after a Hello that names this cluster, this node and another member; nothing on this port speaks
// RESP. Loop thread.
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
#include "src/node.h"
#include "src/peer_link.h"

namespace quorate {

class PeerNetwork : public Network {
 public:
  // `loop` must outlive the network, and run once more after CloseAll.
  PeerNetwork(uv_loop_t* loop, const Config& config, uint64_t cluster_id);
  ~PeerNetwork() override;

  // Whom to hand what arrives. Before Listen.
  void Attach(Node& node) { node_ = &node; }

  // Opens the peer port, where there are other members. What went wrong, for an operator.
  std::optional<std::string> Listen();
  // Begins to connect to the other members.
  void Connect();

  void Send(consensus::NodeId to, consensus::Message message) override;
  // Once per round: hands to the kernel what was sent in it.
  void EndRound();
  void CloseAll();

 private:
  // A connection that another member has opened.
  struct Incoming {
    PeerNetwork* network;
    uv_tcp_t tcp;
    std::string address;
    consensus::FrameDecoder decoder;
    std::optional<uint64_t> from;  // once the Hello was accepted
  };

  static void OnConnection(uv_stream_t* server, int status);
  void Accept(uv_stream_t* server);
  void OnRead(Incoming* incoming, ssize_t size, const uv_buf_t* buffer);
  void OnHello(Incoming* incoming, const consensus::Hello& hello);
  void Drop(Incoming* incoming);

  uv_loop_t* loop_;
  const Config& config_;
  const uint64_t cluster_id_;
  Node* node_ = nullptr;
  std::vector<std::unique_ptr<uv_tcp_t>> servers_;
  std::map<uint64_t, std::unique_ptr<PeerLink>> links_;  // by the member's id
  std::vector<Incoming*> incoming_;                      // those that are open
  std::array<char, 64 << 10> read_buffer_;
};

}  // namespace quorate
