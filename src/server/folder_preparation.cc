#include "src/server/folder_preparation.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "consensus/configuration.h"
#include "src/members/member_address.h"
#include "src/members/membership.h"
#include "storage/folder/folder_changes.h"
#include "storage/snapshot/backup.h"

namespace quorate {
namespace {

// Carries out force-new-cluster, where it is not done yet.
std::optional<std::string> ForceNewCluster(const Config& config,
                                           const storage::StorageOptions& options,
                                           std::optional<storage::Identity>* stored) {
  const auto choice = ChooseNewCluster(config, *stored);
  if (const auto* error = std::get_if<std::string>(&choice)) return *error;
  const auto& identity = std::get<std::optional<storage::Identity>>(choice);
  if (!identity) {
    spdlog::info("force-new-cluster: done at an earlier start");
    return std::nullopt;
  }
  const storage::Status forced =
      storage::ForceNewCluster(config.dir, *identity, MemberAddress(config.self()), options);
  if (!forced.ok()) return forced.error();
  spdlog::warn("cluster {} is given up: this is now {}, and its only member",
               config.force_new_cluster, storage::Describe(*identity));
  *stored = identity;
  return std::nullopt;
}

std::optional<std::string> Restore(const Config& config, const ChosenIdentity& chosen,
                                   const storage::StateMeta& backup,
                                   const storage::StorageOptions& options) {
  spdlog::info("restoring {} keys as of log entry {} from {}", backup.key_count(),
               backup.last_applied.value(), config.restore_from);
  const storage::Status restored =
      storage::RestoreInto(config.dir, chosen.identity, config.restore_from, options);
  if (!restored.ok()) return "the backup is not restored: " + restored.error();
  spdlog::info("the backup is restored: a new cluster begins with it");
  return std::nullopt;
}

}  // namespace

std::variant<ChosenIdentity, std::string> PrepareFolder(const Config& config,
                                                        storage::StorageOptions& options) {
  if (config.require_data) {
    const storage::Result<bool> holds_data = storage::HoldsData(config.dir);
    if (!holds_data.ok()) return holds_data.error();
    if (!holds_data.value()) {
      return fmt::format(
          "{}: the folder holds no data, and require-data is yes: mount its disk or correct dir, "
          "or leave require-data out for the first start of a new node",
          config.dir);
    }
  }
  auto read = storage::ReadIdentity(config.dir, options);
  if (!read.ok()) return read.error();
  std::optional<storage::Identity> stored = std::move(read.value());
  if (!config.force_new_cluster.empty()) {
    if (auto error = ForceNewCluster(config, options, &stored)) return *std::move(error);
  }
  std::optional<storage::StateMeta> backup;
  if (!config.restore_from.empty() && !stored) {
    auto meta = storage::ReadBackupMeta(config.restore_from);
    if (!meta.ok()) return "the backup is not restored: " + meta.error();
    backup = std::move(meta.value());
  }
  auto choice = ChooseIdentity(config, stored, backup);
  if (std::holds_alternative<std::string>(choice)) return choice;
  const auto& chosen = std::get<ChosenIdentity>(choice);
  if (!chosen.first_members.empty()) {
    options.initial_configuration = consensus::Encode(InitialConfiguration(chosen.first_members));
  }
  if (backup) {
    if (auto error = Restore(config, chosen, *backup, options)) return *std::move(error);
  } else if (!config.restore_from.empty()) {
    spdlog::info("restore-from: done at an earlier start");
  }
  return choice;
}

}  // namespace quorate
