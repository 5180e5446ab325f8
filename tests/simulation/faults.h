// What goes wrong in a simulation. Each fault has a beginning and, sooner or later, an end; which
// ones happen, how often and for how long, the seed decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tests/simulation/random.h"

namespace quorate::simulation {

class Server;
struct Surroundings;

enum class Fault : uint8_t {
  kCrashOne,
  kCrashLeader,
  kCrashMinority,
  kCrashMajority,
  kCrashAll,
  kLeaderStorm,    // each leader crashes soon after its election, as in the paper's figure 8
  kRestartStorm,   // one node, again and again, soon after each start
  kCrashInCommit,  // while the log is being written: all or nothing of it is there
  kPauseOne,
  kPauseLeader,
  kPauseMajority,
  kSlowLoop,
  kStallLog,
  kStallLeaderLog,
  kSlowLog,
  kFailLog,  // writes return errors, so the process ends, and again after each start
  kStallCheckpoint,
  kJumpClock,
  kCutHalves,  // a symmetric partition
  kIsolateLeader,
  kCutOneWay,
  kMuteLeader,    // it hears the others, they do not hear it
  kDeafenLeader,  // they hear it, it does not hear them
  kBridge,        // two halves that see one another only through one node
  kRing,          // each sees its neighbours only
  kRandomCuts,
  kFlap,  // one link comes and goes
  kLoss,
  kDuplication,
  kReordering,
  kLateMessages,
  kSlowNetwork,
  kTransferLeadership,
  kRequestLeadership,  // a follower asks for it
  kPeerGone,           // a connection breaks though the process lives
  kCheckpointNow,
  kFullDisk,
  kFullLeaderDisk,
  kFullDisks,       // all
  kFullCheckpoint,  // the log still finds space
};

inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kFullCheckpoint) + 1;

const char* NameOf(Fault fault);

class Faults {
 public:
  Faults(const Surroundings& surroundings, std::vector<std::unique_ptr<Server>>& servers,
         Random random);
  ~Faults();
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;

  // Called when a leader is asked to hand over, or a node is made to believe that another has gone:
  // what no cluster can go on through.
  void set_on_disturbance(std::function<void()> on_disturbance);

  void Start();
  // No more faults; all that has not ended by itself ends now.
  void End();

 private:
  struct Hand;
  std::unique_ptr<Hand> hand_;
};

}  // namespace quorate::simulation
