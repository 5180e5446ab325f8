// Backups that clients ask for (BGSAVE, SAVE): one at a time, of this node's state, while all goes
// on. A backup holds at least everything that was applied here when it was asked for: on the
// leader, whatever it had acknowledged by then; on a follower, perhaps a moment less. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.h"
#include "src/base/clock.h"
#include "src/requests/pending.h"
#include "src/requests/statistics.h"
#include "storage/base/result.h"
#include "storage/keyspace/state_store.h"

namespace quorate {

class Node;

// What was saved by the file of that name, as far as can be told, for a process that starts now;
// where there is no backup: nothing, at the time of the start, as Redis has it.
BackupStatistics FindLastBackup(const std::string& path, int64_t now_unix_us);

class Backups {
 public:
  // A backup under way: asked each round, it says once how it has ended.
  using Task = std::function<std::optional<storage::Result<storage::StateMeta>>()>;
  // Begins one of the newest finished checkpoint.
  using BeginTask = std::function<Task()>;

  // The references must outlive this.
  Backups(Node& node, Sessions& sessions, Statistics& statistics, Clock& clock,
          BeginTask begin_task);
  // Gives up what is not finished.
  ~Backups();
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;

  // False: one is under way already.
  bool Start();
  // OK or the error when the one under way has ended. Precondition: one is.
  void AnswerAtEnd(PendingRequest request);
  // Once a round, after the node's Flush.
  void Run();

  bool under_way() const { return begun_ms_.has_value(); }
  // Seconds since it began. Precondition: one is under way.
  int64_t age_s() const;

 private:
  void Finish(const storage::Result<storage::StateMeta>& end);

  Node& node_;
  Sessions& sessions_;
  Statistics& statistics_;
  Clock& clock_;
  const BeginTask begin_task_;

  std::optional<int64_t> begun_ms_;  // monotonic
  consensus::Index wanted_;          // the checkpoint that it is made of holds at least this entry
  Task task_;                        // empty while that checkpoint is awaited
  std::vector<PendingRequest> waiting_;
};

}  // namespace quorate
