#include "src/node/backups.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <utility>

#include "src/node/node.h"
#include "src/requests/command.h"
#include "storage/snapshot/backup.h"

namespace quorate {

BackupStatistics FindLastBackup(const std::string& path, int64_t now_unix_us) {
  BackupStatistics found;
  found.last_unix_s = now_unix_us / 1'000'000;
  struct stat facts {};
  const auto meta = storage::ReadBackupMeta(path);
  if (!meta.ok() || stat(path.c_str(), &facts) != 0) return found;
  found.last_unix_s = facts.st_mtim.tv_sec;
  found.last_index = meta.value().last_applied.value();
  found.last_revision = meta.value().revision;
  return found;
}

Backups::Backups(Node& node, Sessions& sessions, Statistics& statistics, Clock& clock,
                 BeginTask begin_task)
    : node_(node),
      sessions_(sessions),
      statistics_(statistics),
      clock_(clock),
      begin_task_(std::move(begin_task)) {}

Backups::~Backups() {
  if (under_way()) Finish(storage::Error{"the server stops before it is complete"});
}

bool Backups::Start() {
  if (under_way()) return false;
  begun_ms_ = clock_.monotonic_ms();
  wanted_ = node_.keys().last_applied();
  spdlog::info("a backup is begun, of entry {} at least", wanted_.value());
  return true;
}

void Backups::AnswerAtEnd(PendingRequest request) { waiting_.push_back(std::move(request)); }

int64_t Backups::age_s() const { return (clock_.monotonic_ms() - *begun_ms_) / 1000; }

void Backups::Run() {
  if (!under_way()) return;
  if (!task_) {
    if (node_.keys().checkpoint_index() < wanted_) {
      if (node_.checkpoint_waits_for_space()) {
        Finish(storage::Error{"there is no space on the disk for the checkpoint that it needs"});
      } else {
        node_.BeginCheckpoint();
      }
      return;
    }
    task_ = begin_task_();
  }
  if (const auto end = task_()) Finish(*end);
}

void Backups::Finish(const storage::Result<storage::StateMeta>& end) {
  task_ = nullptr;
  const int64_t duration_ms = clock_.monotonic_ms() - *begun_ms_;
  begun_ms_.reset();
  BackupStatistics& backups = statistics_.backups;
  backups.last_ok = end.ok();
  backups.last_duration_s = duration_ms / 1000;
  if (end.ok()) {
    const storage::StateMeta& meta = end.value();
    ++backups.completed;
    backups.last_unix_s = clock_.unix_us() / 1'000'000;
    backups.last_index = meta.last_applied.value();
    backups.last_revision = meta.revision;
    spdlog::info("the backup is complete: {} keys as of entry {}, in {} ms", meta.key_count(),
                 meta.last_applied.value(), duration_ms);
  } else {
    spdlog::error("the backup has failed: {}", end.error());
  }
  for (const PendingRequest& request : std::exchange(waiting_, {})) {
    Session& session = *request.session;
    if (session.gone()) continue;
    const std::string_view reply =
        session.replies.Answer(request.ticket, [&](resp::ReplyWriter& writer) {
          if (end.ok()) {
            writer.Raw(resp::kReplyOk);
          } else {
            writer.Error("ERR the backup has failed: " + end.error());
          }
        });
    CountCall(statistics_, request.command->number, reply, 0);
    sessions_.Schedule(session);
  }
}

}  // namespace quorate
