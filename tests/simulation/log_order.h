// The committed log is the order in which writes have happened. It has to explain everything that
// clients saw, across keys: no MGET sees half an MSET, each reply is that of its own entry, no
// write happens twice, and what was refused never happens. Where linearizability.h judges what can
// be known from outside, each key by itself, this one looks into the log and judges all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consensus/types.h"
#include "tests/simulation/operation.h"

namespace quorate::simulation {

// The operations whose commands these batches hold, by their ids, in the log's order. Nothing if a
// command is none of theirs.
std::optional<std::vector<size_t>> WritesIn(std::span<const consensus::Payload> batches,
                                            const std::vector<Operation>& operations);

// The first thing that the order does not explain; empty: nothing. `writes`: as from WritesIn. No
// operation is pending.
std::string CheckLogOrder(const std::vector<Operation>& operations, std::span<const size_t> writes,
                          uint32_t key_count);

}  // namespace quorate::simulation
