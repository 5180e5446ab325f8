// Takes up what was decided about a data folder and not carried out to its end: the process, or the
// power, may go at every step. A decision is one rename; everything behind it can be done again
// from its beginning.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/base/folder_parts.h"
#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/folder/data_directory.h"

namespace quorate::storage {

// A change of identity, as it stands in the file `change` until it is carried out.
struct FolderChange {
  enum class Kind : uint8_t {
    kAdopt = 1,    // begin again, with nothing, as that member
    kRefound = 2,  // keep everything, but as that member, with those members
  };
  Kind kind = Kind::kAdopt;
  Identity identity;
  std::string configuration;
  std::string founding;  // of kRefound: the new cluster's, as consensus encodes it

  bool operator==(const FolderChange&) const = default;
};

std::string EncodeFolderChange(const FolderChange& change);
// Nothing when it is damaged.
std::optional<FolderChange> DecodeFolderChange(std::string_view record);

// Under the folder's lock, with neither part open. Carries out a change of identity and the
// installing of a snapshot, and removes what a snapshot that was still arriving has left.
Status TakeUpChanges(const FolderParts& parts, const StorageOptions& options);

}  // namespace quorate::storage
