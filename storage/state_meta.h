// The bytes of a checkpoint's meta record.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/state_store.h"

namespace quorate::storage {

std::string EncodeStateMeta(const StateMeta& meta);
// Nothing when the record is damaged.
std::optional<StateMeta> DecodeStateMeta(std::string_view record);

}  // namespace quorate::storage
