// A look at the two pages at the start of LMDB's data file that say where everything else is.
#pragma once

#include <string>

#include "storage/base/result.h"

namespace quorate::storage {

// LMDB writes them in turn and goes by the one with the higher transaction number, but guards
// neither. So damage to the newer one would quietly bring back the commit before. The two numbers
// must follow one another, the even one first. Only before the environment is opened in this
// process.
Status CheckMetaPages(const std::string& file);

}  // namespace quorate::storage
