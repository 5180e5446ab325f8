// A server as its ledger of starts sees it: a folder, and a process that may be down. For tests.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "consensus/start_ledger.h"
#include "consensus/types.h"

namespace quorate::consensus {

class LedgerServer {
 public:
  // All that is durable.
  struct Folder {
    std::string ledger;  // empty: there is none yet
    HardState hard_state;
    Index log_end;

    bool operator==(const Folder&) const = default;
  };

  // What both sides of a connection remember.
  struct Connection {
    Expectation expectation;
    Challenge challenge;
    std::optional<Acknowledged> acknowledged;
  };

  explicit LedgerServer(NodeId id) : id_(id) {}
  // Number `id`, running.
  LedgerServer(uint64_t id, uint64_t random) : id_(id) { Start(random); }

  // A process starts, in place of the one that may run. What was not durable is lost.
  void Start(uint64_t random) {
    StartUndurable(random);
    Persist();
  }
  void StartUndurable(uint64_t random) {
    ledger_.emplace(id_);
    if (!folder.ledger.empty()) {
      ledger_ = StartLedger::Decode(id_, folder.ledger);
      assert(ledger_);
    }
    ledger_->Draw(random);
  }
  void Stop() { ledger_.reset(); }
  void DrawDurably(uint64_t random) {
    ledger_->Draw(random);
    Persist();
  }
  // All that the ledger has to write.
  void Persist() {
    while (ledger_->dirty()) {
      folder.ledger = ledger_->TakeBytes();
      ledger_->Persisted();
    }
  }

  Connection Dial(const LedgerServer& to, uint64_t nonce) const {
    return {ledger_->Expect(to.id_), to.ledger_->MakeChallenge(id_, nonce), std::nullopt};
  }
  Verdict JudgeWelcome(const LedgerServer& from, const Connection& connection) const {
    return ledger_->JudgeWelcome(from.id_, connection.expectation, connection.challenge.welcome);
  }
  Statement StatementFor(const LedgerServer& to, const Connection& connection) const {
    return ledger_->MakeStatement(to.id_, connection.challenge.welcome.nonce,
                                  folder.hard_state.current_term, folder.hard_state.voted_for,
                                  folder.log_end);
  }
  Verdict Judge(const LedgerServer& from, const Connection& connection,
                const Statement& statement) const {
    return ledger_->Judge(from.id_, statement, connection.challenge, connection.acknowledged);
  }

  NodeId id() const { return id_; }
  bool running() const { return ledger_.has_value(); }
  StartLedger& ledger() { return *ledger_; }
  const StartLedger& ledger() const { return *ledger_; }

  Folder folder;

 private:
  NodeId id_;
  std::optional<StartLedger> ledger_;
};

}  // namespace quorate::consensus
