// Whoever runs the cluster: creates it, adds nodes and removes them while everything else goes on,
// moves them to other addresses, loses their folders, and replaces them. Asks as an operator does,
// with CLUSTER MEET and CLUSTER FORGET at any node. It knows the whole simulation, and uses that to
// ask only for what leaves a majority of the voters with their data: no cluster could recover
// otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/configuration.h"
#include "tests/simulation/client.h"
#include "tests/simulation/raft_checker.h"
#include "tests/simulation/random.h"
#include "tests/simulation/server.h"

namespace quorate::simulation {

enum class Plan : uint8_t {
  kAdd,
  kRemove,
  kForceRemoval,
  kMove,     // started anew with another address
  kLose,     // started anew with an empty folder
  kReplace,  // MEET with the address of one that has lost its folder
  kPutBack,  // started anew with an older copy of its folder
};

const char* NameOf(Plan plan);

class Operator {
 public:
  Operator(ClientWorld world, RaftChecker& checker, Random random);

  void Start();
  // Begins nothing new.
  void End() { ended_ = true; }
  bool idle() const { return under_way_ == 0; }

 private:
  struct Question;
  // Whether what was asked for has been made.
  using Check = std::function<bool(const consensus::Configuration& configuration)>;

  void Create();
  void PlanStep();
  void Step();
  Plan Choose();
  bool Add();
  bool Remove(bool force);
  bool Move();
  bool Lose();
  bool PutBack();
  Server* BeginLoss(Plan plan, consensus::NodeId target);
  bool Replace();

  void Ask(size_t place, std::vector<std::string> words, Check check);
  // `replaced`: who has that address, and has lost its folder; 0: nobody.
  void Meet(size_t place, uint16_t port, consensus::NodeId replaced);
  void Done(const std::shared_ptr<Question>& question, bool ok);
  void OnReply(const std::shared_ptr<Question>& question);
  bool WasMade(const Question& question) const;

  void CopySomeFolder();
  // The copy is made file by file, while the server runs.
  void TearCopy();
  // Whether the copy is that member's, and every other member knows durably that it is old.
  bool CopyShows(consensus::NodeId member) const;

  void Note(Plan plan, const Server& server, consensus::NodeId member);
  Server* Leader() const;
  std::optional<size_t> AnyNode();
  // As the leader has it, or as it was committed last.
  consensus::Configuration Newest() const;
  std::vector<consensus::Configuration> InForceAnywhere() const;
  bool IsMember(const Server& server, const consensus::Configuration& configuration) const;
  bool IsQuiet() const;
  // Whether a member that has moved and the others find one another, when so many are added.
  bool FindOneAnother(const consensus::Configuration& configuration, size_t added) const;
  bool MoveIsUnderWay(const consensus::Configuration& configuration) const;
  // Whether a majority of the voters has its data, by this configuration and by any that may come
  // of it by itself. `without`: is lost, too.
  bool CanGoOn(const consensus::Configuration& configuration, consensus::NodeId without) const;
  // The same, whatever becomes of what was asked for before.
  bool CanGoOnWhatever(const consensus::Configuration& configuration,
                       consensus::NodeId without) const;

  ClientWorld world_;
  RaftChecker& checker_;
  Random random_;
  Random mixups_;  // for what few runs have
  bool ended_ = false;
  size_t under_way_ = 0;
  size_t voters_wanted_ = 3;
  Time asked_at_ = 0;
  bool has_asked_to_create_ = false;
  std::set<consensus::NodeId> lost_;
  struct Copied {
    uint64_t number;
    size_t place;
    size_t voters;  // by each part of it, at least
    Server::Copy copy;
  };
  std::optional<Copied> copied_;  // some member's folder, as it was once
  uint64_t copies_ = 0;
  uint64_t connections_ = 0;
};

}  // namespace quorate::simulation
