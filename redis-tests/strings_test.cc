// GET, SET and DEL with all that belongs to them, on the leader, through hiredis.

#include <random>
#include <string>
#include <vector>

#include "redis-tests/support/cluster_test.h"

namespace quorate::redis_tests {

namespace {

class Strings : public ClusterTest {};

std::string EveryByteValue() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

TEST_F(Strings, ASetKeyIsReadBackUntilItIsDeleted) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"GET", Key("a")}), Nil());
  EXPECT_EQ(client.Command({"SET", Key("a"), "1"}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("1"));
  EXPECT_EQ(client.Command({"SET", Key("a"), "2"}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("2"));
  EXPECT_EQ(client.Command({"DEL", Key("a")}), Integer(1));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Nil());
  EXPECT_EQ(client.Command({"DEL", Key("a")}), Integer(0));
}

TEST_F(Strings, CommandNamesAndOptionsComeInAnyCase) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"sEt", Key("a"), "1", "nX"}), Status("OK"));
  EXPECT_EQ(client.Command({"get", Key("a")}), Text("1"));
}

TEST_F(Strings, SetNxWritesOnlyANewKey) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"SET", Key("a"), "1", "NX"}), Status("OK"));
  EXPECT_EQ(client.Command({"SET", Key("a"), "2", "NX"}), Nil());
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("1"));
}

TEST_F(Strings, SetXxWritesOnlyAnExistingKey) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"SET", Key("a"), "1", "XX"}), Nil());
  EXPECT_EQ(client.Command({"GET", Key("a")}), Nil());
  client.Command({"SET", Key("a"), "1"});
  EXPECT_EQ(client.Command({"SET", Key("a"), "2", "XX"}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("2"));
}

TEST_F(Strings, SetGetAnswersTheOldValueWhetherOrNotItWrites) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"SET", Key("a"), "1", "GET"}), Nil());
  EXPECT_EQ(client.Command({"SET", Key("a"), "2", "GET"}), Text("1"));
  EXPECT_EQ(client.Command({"SET", Key("a"), "3", "NX", "GET"}), Text("2"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("2"));
  EXPECT_EQ(client.Command({"SET", Key("a"), "3", "GET", "XX"}), Text("2"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("3"));
  EXPECT_EQ(client.Command({"SET", Key("b"), "1", "NX", "GET"}), Nil());
  EXPECT_EQ(client.Command({"GET", Key("b")}), Text("1"));
}

TEST_F(Strings, DelAndExistsCountKeysAndRepeatedOnesAsRedisDoes) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"MSET", Key("a"), "1", Key("b"), "2", Key("c"), "3"}), Status("OK"));
  EXPECT_EQ(client.Command({"EXISTS", Key("a"), Key("b"), Key("no"), Key("a")}), Integer(3));
  EXPECT_EQ(client.Command({"DEL", Key("a"), Key("no"), Key("a"), Key("c")}), Integer(2));
  EXPECT_EQ(client.Command({"EXISTS", Key("a"), Key("b"), Key("c")}), Integer(1));
}

TEST_F(Strings, MgetAnswersInOrderAndNilForWhatIsMissing) {
  Client client = LeaderClient();
  client.Command({"MSET", Key("a"), "1", Key("b"), ""});
  EXPECT_EQ(client.Command({"MGET", Key("b"), Key("no"), Key("a"), Key("a")}),
            Array({Text(""), Nil(), Text("1"), Text("1")}));
}

TEST_F(Strings, KeysOfDifferentSlotsAreServedTogether) {
  Client client = LeaderClient();
  Arguments set = {"MSET"};
  Arguments get = {"MGET"};
  Reply values = Array({});
  for (int i = 0; i < 100; ++i) {
    const std::string key = Key(std::to_string(i));
    set.insert(set.end(), {key, std::to_string(i)});
    get.push_back(key);
    values.elements.push_back(Text(std::to_string(i)));
  }
  EXPECT_EQ(client.Command(set), Status("OK"));
  EXPECT_EQ(client.Command(get), values);
}

TEST_F(Strings, MsetTakesTheLastOfTwoValuesForOneKey) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"MSET", Key("a"), "1", Key("a"), "2"}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("2"));
}

TEST_F(Strings, StrlenCountsBytes) {
  Client client = LeaderClient();
  client.Command({"SET", Key("a"), EveryByteValue()});
  EXPECT_EQ(client.Command({"STRLEN", Key("a")}), Integer(256));
  EXPECT_EQ(client.Command({"STRLEN", Key("no")}), Integer(0));
}

TEST_F(Strings, EmptyKeyAndEmptyValueAreOrdinary) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"SET", "", ""}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", ""}), Text(""));
  EXPECT_EQ(client.Command({"EXISTS", ""}), Integer(1));
  EXPECT_EQ(client.Command({"DEL", ""}), Integer(1));
}

TEST_F(Strings, KeysAndValuesHoldEveryByteValue) {
  Client client = LeaderClient();
  const std::string bytes = EveryByteValue();
  EXPECT_EQ(client.Command({"SET", bytes, bytes}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", bytes}), Text(bytes));
  for (int byte = 0; byte < 256; ++byte) {
    // Keys that differ in one byte alone, and are each other's beginnings.
    const std::string key = Key(std::string(1, static_cast<char>(byte)));
    client.Append({"SET", key, std::to_string(byte)});
    client.Append({"SET", key + std::string(1, '\0'), "longer"});
  }
  for (int i = 0; i < 512; ++i) {
    ASSERT_EQ(client.Read(), Status("OK"));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string key = Key(std::string(1, static_cast<char>(byte)));
    ASSERT_EQ(client.Command({"GET", key}), Text(std::to_string(byte)));
  }
}

TEST_F(Strings, ValuesOfManySizesUpToMegabytesComeBackUnchanged) {
  Client client = LeaderClient();
  std::mt19937_64 random(1);
  // Around the sizes at which buffers, pages and records change their form, and well above.
  for (size_t size :
       {1, 63, 64, 2'000, 2'047, 4'095, 4'096, 16'384, 65'535, 65'536, 1 << 20, 3 << 20}) {
    std::string value(size, '\0');
    for (char& c : value) {
      c = static_cast<char>(random());
    }
    const std::string key = Key(std::to_string(size));
    ASSERT_EQ(client.Command({"SET", key, value}), Status("OK")) << size;
    ASSERT_TRUE(client.Command({"GET", key}) == Text(value)) << size;
    ASSERT_EQ(client.Command({"STRLEN", key}), Integer(static_cast<int64_t>(size)));
  }
}

// Long keys may have all but their last byte in common.
TEST_F(Strings, AKeyHasAnyLength) {
  Client client = LeaderClient();
  for (const size_t length : {498, 499, 500, 501, 511, 512, 1024, 1 << 20}) {
    const std::string one = std::string(length - 1, 'k') + "1";
    const std::string other = std::string(length - 1, 'k') + "2";
    ASSERT_EQ(client.Command({"SET", one, "one"}), Status("OK")) << length;
    ASSERT_EQ(client.Command({"GET", other}), Nil()) << length;
    ASSERT_EQ(client.Command({"MSET", other, "two", Key("short"), "three"}), Status("OK"));
    ASSERT_EQ(client.Command({"MGET", one, other}), Array({Text("one"), Text("two")})) << length;
    ASSERT_EQ(client.Command({"DEL", one}), Integer(1)) << length;
    ASSERT_EQ(client.Command({"EXISTS", one, other}), Integer(1)) << length;
  }
}

TEST_F(Strings, DbsizeCountsKeysNotWrites) {
  Client client = LeaderClient();
  const Reply before = client.Command({"DBSIZE"});
  ASSERT_EQ(before.kind, Reply::Kind::kInteger);
  client.Command({"MSET", Key("a"), "1", Key("b"), "2"});
  client.Command({"SET", Key("a"), "3"});
  EXPECT_EQ(client.Command({"DBSIZE"}), Integer(before.integer + 2));
  client.Command({"DEL", Key("a"), Key("no")});
  EXPECT_EQ(client.Command({"DBSIZE"}), Integer(before.integer + 1));
}

}  // namespace

}  // namespace quorate::redis_tests
