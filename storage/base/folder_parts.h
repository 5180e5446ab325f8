// The names of what lies in a data folder.
#pragma once

#include <string>

namespace quorate::storage {

// Each part is made complete under its name for the making and then renamed.
struct FolderParts {
  explicit FolderParts(const std::string& directory)
      : log(directory + "/log"),
        state(directory + "/state"),
        new_log(directory + "/log.new"),
        new_state(directory + "/state.new"),
        incoming(directory + "/state.incoming"),
        received(directory + "/state.received"),
        installing(directory + "/state.installing"),
        change(directory + "/change") {}

  std::string log;
  std::string state;
  std::string new_log;
  std::string new_state;
  std::string incoming;    // a snapshot that is arriving
  std::string received;    // one that is complete
  std::string installing;  // one that is decided to be the state: `state` is out of date
  std::string change;      // a change of identity that is decided: see folder_recovery.h
};

}  // namespace quorate::storage
