#include "consensus/founding.h"

#include <cassert>
#include <random>

#include "consensus/encoding.h"

namespace quorate::consensus {

namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kDatabasesMax = 1024;

// A field: its tag u8, its size u16, its bytes; by ascending tag. A tag that is not known is a
// newer version's.
enum class Tag : uint8_t {
  kId = 1,
  kHashSecret = 2,
  kFeatureLevel = 3,
  kDatabases = 4,
};

void PutField(Tag tag, std::string_view bytes, std::string* out) {
  Put(static_cast<uint8_t>(tag), out);
  PutText(bytes, out);
}

template <typename Integer>
std::string BytesOf(Integer value) {
  std::string bytes;
  Put(value, &bytes);
  return bytes;
}

FoundingId DrawId(std::random_device& device) {
  FoundingId id;
  while (id == FoundingId()) id = FoundingId(uint64_t{device()} << 32 | device());
  return id;
}

void TakeField(Tag tag, Taker* field, Founding* founding) {
  switch (tag) {
    case Tag::kId:
      founding->id = FoundingId(field->Take<uint64_t>());
      break;
    case Tag::kHashSecret:
      for (uint8_t& byte : founding->hash_secret) byte = field->Take<uint8_t>();
      break;
    case Tag::kFeatureLevel:
      founding->feature_level = field->Take<uint32_t>();
      break;
    case Tag::kDatabases:
      founding->databases.clear();
      while (field->ok() && !field->complete() && founding->databases.size() < kDatabasesMax) {
        founding->databases.push_back(field->Take<uint32_t>());
      }
      break;
  }
}

}  // namespace

Founding DrawFounding() {
  std::random_device device;
  Founding founding;
  founding.id = DrawId(device);
  for (uint8_t& byte : founding.hash_secret) byte = static_cast<uint8_t>(device());
  return founding;
}

Founding DrawFoundingAfter(const Founding& before) {
  std::random_device device;
  Founding founding = before;
  founding.id = DrawId(device);
  return founding;
}

std::string Encode(const Founding& founding) {
  assert(founding.databases.size() <= kDatabasesMax);
  std::string bytes = BytesOf(kFormat);
  PutField(Tag::kId, BytesOf(founding.id.value()), &bytes);
  PutField(
      Tag::kHashSecret,
      {reinterpret_cast<const char*>(founding.hash_secret.data()), founding.hash_secret.size()},
      &bytes);
  PutField(Tag::kFeatureLevel, BytesOf(founding.feature_level), &bytes);
  std::string databases;
  for (const uint32_t physical : founding.databases) Put(physical, &databases);
  PutField(Tag::kDatabases, databases, &bytes);
  return bytes;
}

std::optional<Founding> DecodeFounding(std::string_view bytes) {
  Taker taker(bytes);
  if (taker.Take<uint8_t>() != kFormat) {
    return std::nullopt;
  }
  Founding founding;
  for (const Tag tag : {Tag::kId, Tag::kHashSecret, Tag::kFeatureLevel, Tag::kDatabases}) {
    if (Tag{taker.Take<uint8_t>()} != tag) {
      return std::nullopt;
    }
    Taker field(taker.TakeBytes(taker.Take<uint16_t>()));
    TakeField(tag, &field, &founding);
    if (!field.complete()) {
      return std::nullopt;
    }
  }
  if (!taker.complete()) {
    return std::nullopt;
  }
  return founding;
}

KnownFounding::KnownFounding(const Recovered& recovered)
    : entry_(recovered.founding_entry), id_(recovered.founding) {
  if (entry_ && entry_->id == id_) {
    entry_.reset();  // it was committed, though the commit index is forgotten
  }
}

void KnownFounding::Append(const Entry& entry) {
  if (entry.kind == EntryKind::kFounding) {
    entry_ = FoundingEntry{entry.index, DecodeFounding(entry.payload.bytes()).value().id};
  }
}

void KnownFounding::TruncateFrom(Index index) {
  if (entry_ && entry_->index >= index) {
    entry_.reset();
  }
}

bool KnownFounding::Committed(Index commit_index) {
  if (!entry_ || entry_->index > commit_index) {
    return false;
  }
  const bool is_new = id_ != entry_->id;
  id_ = entry_->id;
  entry_.reset();
  return is_new;
}

}  // namespace quorate::consensus
